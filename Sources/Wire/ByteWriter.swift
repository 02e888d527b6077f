/// Builds a message front to back in an array.
///
/// For control messages; the packet path writes into buffers of its own.
package struct ByteWriter {
    package private(set) var bytes: [UInt8] = []

    package init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    package var count: Int { bytes.count }

    package mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    package mutating func append(_ block: [UInt8]) {
        bytes.append(contentsOf: block)
    }

    package mutating func append(bigEndian value: UInt16) {
        append(bigEndian: UInt64(value), byteCount: 2)
    }

    package mutating func append(bigEndian value: UInt32) {
        append(bigEndian: UInt64(value), byteCount: 4)
    }

    package mutating func append(bigEndian value: UInt64) {
        append(bigEndian: value, byteCount: 8)
    }

    package mutating func append(littleEndian value: UInt32) {
        append(bigEndian: value.byteSwapped)
    }

    package mutating func append(littleEndian value: UInt64) {
        append(bigEndian: value.byteSwapped)
    }

    /// Writes the 16-bit big-endian length of `block`, then `block`.
    ///
    /// Precondition: `block` has at most 65,535 bytes; its maker bounds it.
    package mutating func append(lengthPrefixed block: [UInt8]) {
        append(bigEndian: UInt16(block.count))
        append(block)
    }

    private mutating func append(bigEndian value: UInt64, byteCount: Int) {
        for index in (0..<byteCount).reversed() {
            bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))))
        }
    }
}
