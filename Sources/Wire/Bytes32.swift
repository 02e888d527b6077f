/// Thirty-two public bytes: a key, a hash, an identifier. Compared and hashed by value, without allocation.
///
/// Not for secrets: those live in `Crypto.Secret`, which erases itself.
package struct Bytes32: Hashable, Comparable, Sendable {
    private let words: SIMD4<UInt64>

    /// `nil` unless there are exactly 32 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        var words = SIMD4<UInt64>.zero
        for index in 0..<4 {
            words[index] = bytes[(8 * index)..<(8 * index + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.words = words
    }

    package static let zero = Bytes32(words: .zero)

    private init(words: SIMD4<UInt64>) {
        self.words = words
    }

    package var bytes: [UInt8] {
        (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (56 - 8 * UInt64($0 % 8))) }
    }

    /// The first eight bytes as a big-endian number.
    package var leadingUInt64: UInt64 { words[0] }

    package static func < (left: Bytes32, right: Bytes32) -> Bool {
        for index in 0..<4 where left.words[index] != right.words[index] {
            return left.words[index] < right.words[index]
        }
        return false
    }
}

extension Bytes32: CustomStringConvertible {
    /// Lower-case hexadecimal.
    package var description: String { bytes.hexadecimal }
}

extension ByteReader {
    package mutating func readBytes32() throws(WireError) -> Bytes32 {
        guard let value = Bytes32(try readBytes(32)) else { throw .truncated }
        return value
    }
}

extension ByteWriter {
    package mutating func append(_ value: Bytes32) {
        append(value.bytes)
    }
}
