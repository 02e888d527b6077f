import Identity

/// Records that are to be passed on, and who has them already.
///
/// Whoever learns a record waits for a moment before it tells its peers: most of them hear of it from somebody else meanwhile, and
/// often say so by passing it on themselves.
struct Spreading: Sendable {
    private var holders: [NodeID: Set<Int>] = [:]

    var isEmpty: Bool { holders.isEmpty }

    /// A record of `node` is news; `numbers` have it.
    mutating func add(_ node: NodeID, knownTo numbers: [Int]) { holders[node] = Set(numbers) }

    /// A peer passed on the record that is here.
    mutating func note(_ node: NodeID, isKnownTo number: Int) { holders[node]?.insert(number) }

    /// What waits, ordered by node, with those who need not be told.
    mutating func takeAll() -> [(node: NodeID, holders: Set<Int>)] {
        defer { holders = [:] }
        return holders.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
