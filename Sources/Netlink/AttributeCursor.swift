package import Wire

/// Walks over attributes where they lie in a message, for messages that hold thousands; `Attributes` is handier for few.
///
/// An attribute: length with this header (2), type (2), both in the machine's order, payload, padding to 4.
package struct AttributeCursor: Sendable {
    package struct Attribute: Sendable {
        /// Without the flags for nests and byte order.
        package let type: UInt16
        fileprivate let range: Range<Int>
        fileprivate let bytes: [UInt8]

        package var count: Int { range.count }
        package var payload: ArraySlice<UInt8> { bytes[range] }
        package var nested: AttributeCursor { AttributeCursor(bytes, range) }

        /// A number in network order of at most eight bytes.
        package func bigEndian<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
            guard range.count == Number.bitWidth / 8 else { return nil }
            return bytes[range].reduce(0) { $0 << 8 | Number($1) }
        }

        package var address: IPAddress? { IPAddress(packed: bytes[range]) }

        /// Text up to its first zero.
        package var text: String { String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next attribute; `nil` at the end, or where one is cut short.
    package mutating func next() -> Attribute? {
        guard end - position >= 4 else { return nil }
        let length = Int(native(at: position))
        guard length >= 4, length <= end - position else { return nil }
        let range = position + 4..<position + length
        let type = native(at: position + 2) & 0x3fff
        position = min(position + (length + 3) & ~3, end)
        return Attribute(type: type, range: range, bytes: bytes)
    }

    /// The first attribute of a type from here on.
    package func first(_ type: UInt16) -> Attribute? {
        var cursor = self
        while let attribute = cursor.next() {
            if attribute.type == type { return attribute }
        }
        return nil
    }

    private func native(at index: Int) -> UInt16 {
        UInt16(littleEndian: UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8)
    }
}

extension IPAddress {
    /// Four or sixteen bytes in network order.
    package init?(packed bytes: ArraySlice<UInt8>) {
        func number<Number: FixedWidthInteger>(_ part: ArraySlice<UInt8>) -> Number {
            part.reduce(0) { $0 << 8 | Number($1) }
        }
        switch bytes.count {
        case 4: self = .v4(IPv4Address(rawValue: number(bytes)))
        case 16: self = .v6(IPv6Address(high: number(bytes.prefix(8)), low: number(bytes.suffix(8))))
        default: return nil
        }
    }
}
