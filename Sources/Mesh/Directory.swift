import Identity
import Wire

/// The newest record of every other node that is known, with the bytes that its signature covers.
struct Directory: Sendable {
    struct Entry: Sendable {
        var record: NodeRecord
        var encoded: [UInt8]
    }

    private var entries: [NodeID: Entry] = [:]
    /// The keys of `entries`, ordered.
    private var order: [NodeID] = []
    private var nodesByPrefix: [UInt64: NodeID] = [:]
    /// By the last eight bytes of a record, which are its signature's.
    private var nodesByEnd: [UInt64: NodeID] = [:]

    var count: Int { entries.count }

    func entry(of node: NodeID) -> Entry? { entries[node] }
    func record(of node: NodeID) -> NodeRecord? { entries[node]?.record }
    func encoded(of node: NodeID) -> [UInt8]? { entries[node]?.encoded }
    func chain(of node: NodeID) -> CertificateChain? { entries[node]?.record.chain }

    /// Whether a node relays for everybody, and for those on its networks; `nil` for a node without a record.
    func relaying(of node: NodeID) -> (anywhere: Bool, locally: Bool)? {
        entries[node].map { ($0.record.canRelay, $0.record.canRelayLocally) }
    }

    /// Whose record has exactly these bytes, if it is here.
    func node(withRecord encoded: [UInt8]) -> NodeID? {
        guard let node = nodesByEnd[Self.end(of: encoded)], entries[node]?.encoded == encoded else { return nil }
        return node
    }

    /// All records, ordered by node.
    var all: [Entry] { order.compactMap { entries[$0] } }

    /// The bytes of the record of the node whose identifier begins with these eight bytes.
    func encoded(beginning prefix: UInt64) -> [UInt8]? {
        nodesByPrefix[prefix].flatMap { entries[$0]?.encoded }
    }

    func node(beginning prefix: UInt64) -> NodeID? { nodesByPrefix[prefix] }

    func number(beginning prefix: UInt64) -> UInt64? {
        nodesByPrefix[prefix].flatMap { entries[$0]?.record.number }
    }

    /// Takes a verified record, of the newest certificate of its node, unless a newer one, or the same, is here. A record of
    /// another certificate gives way whatever its number says. Whether it was taken.
    mutating func merge(_ record: NodeRecord, encoded: [UInt8]) -> Bool {
        if let known = entries[record.nodeID], known.record.chain == record.chain, !record.supersedes(known.record) {
            return false
        }
        if let old = entries.updateValue(Entry(record: record, encoded: encoded), forKey: record.nodeID) {
            nodesByEnd[Self.end(of: old.encoded)] = nil
        } else {
            order.insert(record.nodeID, at: place { $0 < record.nodeID })
        }
        nodesByEnd[Self.end(of: encoded)] = record.nodeID
        nodesByPrefix[record.nodeID.bytes.leadingUInt64] = record.nodeID
        return true
    }

    mutating func remove(_ node: NodeID) {
        guard let old = entries.removeValue(forKey: node) else { return }
        order.remove(at: place { $0 < node })
        nodesByEnd[Self.end(of: old.encoded)] = nil
        if nodesByPrefix[node.bytes.leadingUInt64] == node { nodesByPrefix[node.bytes.leadingUInt64] = nil }
    }

    /// What is here, in the form that peers compare: ranges that together cover all identifiers.
    var digests: [ControlFrame.Digest] {
        let entries = order.map { node in
            ControlFrame.DigestEntry(
                node: node.bytes.leadingUInt64, number: self.entries[node]?.record.number ?? 0)
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
        let start = place { $0.bytes.leadingUInt64 < digest.first }
        let inRange = order[start...].prefix { $0.bytes.leadingUInt64 <= digest.last }
        return inRange.lazy.filter { !listed.contains($0.bytes.leadingUInt64) }.prefix(limit)
            .compactMap { entries[$0]?.encoded }
    }

    private static func end(of encoded: [UInt8]) -> UInt64 {
        encoded.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Where in `order` the nodes begin that `isBefore` does not hold for.
    private func place(where isBefore: (NodeID) -> Bool) -> Int {
        var range = 0..<order.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isBefore(order[middle]) ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }
}
