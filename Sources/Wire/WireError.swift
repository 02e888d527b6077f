/// Why bytes from outside could not be read as the message they claim to be.
package enum WireError: Error, Equatable, Sendable {
    /// The input ended before the field did.
    case truncated
    /// Bytes remain after the last field.
    case trailingBytes
    case unexpectedType(UInt8)
    case unsupportedVersion(UInt8)
    /// A length, count or value outside what the format allows; the name is the field's.
    case invalidField(StaticName)
}

/// A field's name in a `WireError`: a literal, so an error costs no allocation.
package struct StaticName: Equatable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    private let value: StaticString

    package init(stringLiteral value: StaticString) { self.value = value }

    package var description: String { value.description }

    package static func == (left: StaticName, right: StaticName) -> Bool { left.description == right.description }
}
