import Wire

/// Reads a message's fields front to back, following the pointers of compressed names (RFC 1035 §4.1.4).
struct MessageReader {
    private let bytes: [UInt8]
    /// Offset of the next unread byte.
    private(set) var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - position }

    mutating func readUInt8() throws(WireError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func readUInt16() throws(WireError) -> UInt16 {
        guard remaining >= 2 else { throw .truncated }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func readUInt32() throws(WireError) -> UInt32 {
        guard remaining >= 4 else { throw .truncated }
        return UInt32(try readUInt16()) << 16 | UInt32(try readUInt16())
    }

    mutating func readBytes(_ count: Int) throws(WireError) -> [UInt8] {
        guard remaining >= count else { throw .truncated }
        defer { position += count }
        return Array(bytes[position..<(position + count)])
    }

    /// Every pointer must point before the run of labels that it ends, so that no chain of them comes back.
    mutating func readName() throws(WireError) -> DomainName {
        var wire: [UInt8] = []
        var cursor = position
        var runStart = position
        var end: Int?
        while true {
            guard cursor < bytes.count else { throw .truncated }
            let length = Int(bytes[cursor])
            switch length >> 6 {
            case 0:
                guard length > 0 else {
                    wire.append(0)
                    position = end ?? cursor + 1
                    return DomainName(checked: wire)
                }
                guard bytes.count - cursor > length else { throw .truncated }
                guard wire.count + length + 1 < DomainName.limitBytes else { throw .invalidField("name") }
                wire.append(contentsOf: bytes[cursor...(cursor + length)])
                cursor += length + 1
            case 3:
                guard cursor + 1 < bytes.count else { throw .truncated }
                let target = (length & 0x3f) << 8 | Int(bytes[cursor + 1])
                guard target < runStart else { throw .invalidField("compression pointer") }
                end = end ?? cursor + 2
                cursor = target
                runStart = target
            default: throw .invalidField("label")
            }
        }
    }
}
