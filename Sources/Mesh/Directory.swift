import Identity
import Wire

/// The newest record of every other node that is known, with the bytes that its signature covers.
struct Directory: Sendable {
    struct Entry: Sendable {
        var record: NodeRecord
        var encoded: [UInt8]
    }

    private var entries: [NodeID: Entry] = [:]
    private var nodesByPrefix: [UInt64: NodeID] = [:]

    var count: Int { entries.count }

    func entry(of node: NodeID) -> Entry? { entries[node] }
    func record(of node: NodeID) -> NodeRecord? { entries[node]?.record }

    /// All records, ordered by node.
    var all: [Entry] { entries.values.sorted { $0.record.nodeID < $1.record.nodeID } }

    /// The bytes of the record of the node whose identifier begins with these eight bytes.
    func encoded(beginning prefix: UInt64) -> [UInt8]? {
        nodesByPrefix[prefix].flatMap { entries[$0]?.encoded }
    }

    func number(beginning prefix: UInt64) -> UInt64? {
        nodesByPrefix[prefix].flatMap { entries[$0]?.record.number }
    }

    /// Takes a verified record, of the newest certificate of its node, unless a newer one, or the same, is here. A record of
    /// another certificate gives way whatever its number says. Whether it was taken.
    mutating func merge(_ record: NodeRecord, encoded: [UInt8]) -> Bool {
        if let known = entries[record.nodeID], known.record.chain == record.chain, !record.supersedes(known.record) {
            return false
        }
        entries[record.nodeID] = Entry(record: record, encoded: encoded)
        nodesByPrefix[record.nodeID.bytes.leadingUInt64] = record.nodeID
        return true
    }

    mutating func remove(_ node: NodeID) {
        entries[node] = nil
        if nodesByPrefix[node.bytes.leadingUInt64] == node { nodesByPrefix[node.bytes.leadingUInt64] = nil }
    }

    /// What is here, in the form that peers compare: ranges that together cover all identifiers.
    var digests: [ControlFrame.Digest] {
        let entries = all.map { entry in
            ControlFrame.DigestEntry(node: entry.record.nodeID.bytes.leadingUInt64, number: entry.record.number)
        }
        var digests: [ControlFrame.Digest] = []
        var first: UInt64 = 0
        for start in stride(from: 0, to: max(entries.count, 1), by: ControlFrame.digestLimit) {
            let end = min(start + ControlFrame.digestLimit, entries.count)
            let last = end == entries.count ? UInt64.max : entries[end].node - 1
            // Two nodes whose identifiers begin alike make an empty range; then the later range holds both.
            guard first <= last else { continue }
            digests.append(.init(first: first, last: last, entries: Array(entries[start..<end])))
            first = last &+ 1
        }
        return digests
    }

    /// Records of nodes in a digest's range that it does not list.
    func missing(in digest: ControlFrame.Digest, limit: Int) -> [[UInt8]] {
        let listed = Set(digest.entries.map(\.node))
        return all.filter { entry in
            let node = entry.record.nodeID.bytes.leadingUInt64
            return (digest.first...digest.last).contains(node) && !listed.contains(node)
        }
        .prefix(limit).map(\.encoded)
    }
}
