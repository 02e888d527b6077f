import Wire

/// Which records a node has that it learned lately; without any: the sender wants to be told from now on.
///
/// Encoded, big-endian: for each the first eight bytes of the node's identifier, and the record's number (8).
struct RecordNews: Equatable {
    struct Entry: Equatable, Sendable {
        var node: UInt64
        var number: UInt64
    }

    /// Entries in one message, so that it fits a frame.
    static let limit = 72

    var entries: [Entry]

    static func split(_ entries: [Entry]) -> [RecordNews] {
        stride(from: 0, to: entries.count, by: limit).map { start in
            RecordNews(entries: Array(entries[start..<min(start + limit, entries.count)]))
        }
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 16 * entries.count)
        for entry in entries {
            writer.append(bigEndian: entry.node)
            writer.append(bigEndian: entry.number)
        }
        return writer.bytes
    }
}

extension RecordNews {
    init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        entries = []
        while reader.remaining > 0 {
            guard entries.count < Self.limit else { throw .invalidField("entry count") }
            let node = try reader.readBigEndianUInt64()
            entries.append(Entry(node: node, number: try reader.readBigEndianUInt64()))
        }
    }
}
