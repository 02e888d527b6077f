/// Reads fields from a span of bytes, front to back, checking every read against what is left.
///
/// A failed read throws `WireError.truncated` and leaves the position where it was.
package struct ByteReader: ~Escapable {
    private let bytes: Span<UInt8>
    /// Offset of the next unread byte.
    package private(set) var position = 0

    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
    }

    package var remaining: Int { bytes.count - position }

    package mutating func readUInt8() throws(WireError) -> UInt8 {
        try require(1)
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func readBigEndianUInt16() throws(WireError) -> UInt16 {
        UInt16(truncatingIfNeeded: try readBigEndian(byteCount: 2))
    }

    package mutating func readBigEndianUInt32() throws(WireError) -> UInt32 {
        UInt32(truncatingIfNeeded: try readBigEndian(byteCount: 4))
    }

    package mutating func readBigEndianUInt64() throws(WireError) -> UInt64 {
        try readBigEndian(byteCount: 8)
    }

    package mutating func readLittleEndianUInt32() throws(WireError) -> UInt32 {
        try readBigEndianUInt32().byteSwapped
    }

    package mutating func readLittleEndianUInt64() throws(WireError) -> UInt64 {
        try readBigEndianUInt64().byteSwapped
    }

    package mutating func readBytes(_ count: Int) throws(WireError) -> [UInt8] {
        try require(count)
        defer { position += count }
        var copy: [UInt8] = []
        copy.reserveCapacity(count)
        for offset in position..<(position + count) { copy.append(bytes[offset]) }
        return copy
    }

    /// Reads a block whose 16-bit big-endian length stands before it.
    package mutating func readLengthPrefixedBytes(limit: Int = Int(UInt16.max)) throws(WireError) -> [UInt8] {
        let start = position
        let count = Int(try readBigEndianUInt16())
        guard count <= limit else {
            position = start
            throw .invalidField("length")
        }
        do {
            return try readBytes(count)
        } catch {
            position = start
            throw error
        }
    }

    /// Reads everything that is left.
    package mutating func readRemaining() -> [UInt8] {
        (try? readBytes(remaining)) ?? []  // Cannot fail: exactly what remains is asked for.
    }

    package mutating func skip(_ count: Int) throws(WireError) {
        try require(count)
        position += count
    }

    /// Throws unless the whole input has been read.
    package func finish() throws(WireError) {
        guard remaining == 0 else { throw .trailingBytes }
    }

    private mutating func readBigEndian(byteCount: Int) throws(WireError) -> UInt64 {
        try require(byteCount)
        var value: UInt64 = 0
        for offset in position..<(position + byteCount) {
            value = value << 8 | UInt64(bytes[offset])
        }
        position += byteCount
        return value
    }

    private func require(_ count: Int) throws(WireError) {
        guard count >= 0, count <= bytes.count - position else { throw .truncated }
    }
}
