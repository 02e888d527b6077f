/// Builds a message front to back, with names compressed against those before them (RFC 1035 §4.1.4).
///
/// For answers that are made once and for questions to others; the answers that go out by the thousand are prepared
/// (`PreparedAnswer`).
struct MessageWriter {
    private(set) var bytes: [UInt8] = []
    /// Where names written so far, and their ends, begin; in lower case.
    private var offsets: [ArraySlice<UInt8>: Int] = [:]
    private static let pointerLimit = 0x4000

    /// What stands before the first field that counts, such as a header that is written later.
    init(skipping count: Int = 0) {
        bytes.reserveCapacity(512)
        bytes.append(contentsOf: repeatElement(0, count: count))
    }

    var count: Int { bytes.count }

    mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    mutating func append(_ block: [UInt8]) {
        bytes.append(contentsOf: block)
    }

    mutating func append(bigEndian value: UInt16) {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func append(bigEndian value: UInt32) {
        append(bigEndian: UInt16(value >> 16))
        append(bigEndian: UInt16(truncatingIfNeeded: value))
    }

    mutating func set(_ value: UInt16, at offset: Int) {
        bytes[offset] = UInt8(value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// Later names may point to it in either case, since whoever can follow pointers follows them into data too.
    mutating func append(_ name: DomainName, compressed: Bool) {
        let lower = name.wire.asciiLowercased
        var position = 0
        while name.wire[position] != 0 {
            let rest = lower[position...]
            if compressed, let offset = offsets[rest] {
                append(bigEndian: UInt16(0xc000 | offset))
                return
            }
            if bytes.count < Self.pointerLimit, offsets[rest] == nil { offsets[rest] = bytes.count }
            let end = position + 1 + Int(name.wire[position])
            bytes.append(contentsOf: name.wire[position..<end])
            position = end
        }
        bytes.append(0)
    }

    /// Appends a whole record and returns where its TTL stands.
    @discardableResult
    mutating func append(_ record: ResourceRecord) -> Int {
        append(record.name, compressed: true)
        append(bigEndian: record.type.rawValue)
        append(bigEndian: record.recordClass)
        let ttlOffset = count
        append(bigEndian: record.ttl)
        append(bigEndian: UInt16(0))
        let start = count
        record.data.write(record.type, to: &self)
        set(UInt16(count - start), at: start - 2)
        return ttlOffset
    }
}
