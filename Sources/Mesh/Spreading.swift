import Identity
import SansIO
import Wire

/// Records that are to be passed on, who has them already, and records that others have told of and nobody has brought.
///
/// Whoever learns a record waits for a moment before it tells its peers: most of them hear of it from somebody else meanwhile, and
/// often say so by passing it on themselves.
struct Spreading: Sendable {
    /// What was told of one node's record.
    private struct Missing: Sendable {
        /// Who is yet to be asked for it, in the order in which they told.
        var tellers: [(peer: Int, number: UInt64)]
        /// When the next of them is asked.
        var due: Instant
    }

    /// Records that others have and that we wait for; beyond this digests find them. One peer alone cannot fill it.
    static let missingLimit = 1024
    static let missingLimitPerPeer = 256
    /// Peers that are asked for one record, one after the other.
    static let tellersLimit = 4

    private var holders: [NodeID: Set<Int>] = [:]
    /// Records that were passed on to a few, and who else has them: the others are yet to be told that there is news.
    private var untold: [NodeID: Set<Int>] = [:]
    /// By the first eight bytes of the node's identifier.
    private var missing: [UInt64: Missing] = [:]
    /// How often each peer is among the tellers.
    private var tellings: [Int: Int] = [:]

    var isEmpty: Bool { holders.isEmpty }

    /// A record of `node` is news; `numbers` have it. So have those who told of this one, or of a later one.
    mutating func add(_ node: NodeID, number: UInt64, knownTo numbers: [Int]) {
        let tellers = missing[node.bytes.leadingUInt64]?.tellers.filter { $0.number >= number } ?? []
        holders[node] = Set(numbers + tellers.map(\.peer))
        untold[node] = nil
    }

    /// A peer passed on the record that is here, or told of it.
    mutating func note(_ node: NodeID, isKnownTo number: Int) {
        holders[node]?.insert(number)
        untold[node]?.insert(number)
    }

    /// What waits, ordered by node, with those who need not be told.
    mutating func takeAll() -> [(node: NodeID, holders: Set<Int>)] {
        defer { holders = [:] }
        return holders.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A record was passed on to a few, and `holders` have it now.
    mutating func tellLater(_ node: NodeID, knownTo holders: Set<Int>) { untold[node] = holders }

    /// As `takeAll`, of what others are to be told of.
    mutating func takeUntold() -> [(node: NodeID, holders: Set<Int>)] {
        defer { untold = [:] }
        return untold.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    // MARK: what others told of

    /// When somebody is to be asked.
    var nextDeadline: Instant? { missing.values.lazy.map(\.due).min() }

    /// A peer has a record that we lack; it is asked for it at `due`, or later when others told of it before. `false` when that
    /// is more than is remembered.
    mutating func noteMissing(_ entry: RecordNews.Entry, at peer: Int, askedAt due: Instant) -> Bool {
        let known = missing[entry.node]
        if let index = known?.tellers.firstIndex(where: { $0.peer == peer }) {
            missing[entry.node]?.tellers[index].number = entry.number
            return true
        }
        guard tellings[peer, default: 0] < Self.missingLimitPerPeer else { return false }
        if let known {
            guard known.tellers.count < Self.tellersLimit else { return true }
        } else {
            guard missing.count < Self.missingLimit else { return false }
            missing[entry.node] = Missing(tellers: [], due: due)
        }
        missing[entry.node]?.tellers.append((peer, entry.number))
        tellings[peer, default: 0] += 1
        return true
    }

    /// What is asked for now, by the peer that has it, all ordered. `isHere` says what has come meanwhile. Until `retry` the one
    /// who is asked may answer; then it is the next one's turn.
    mutating func takeMissing(
        at now: Instant, retryAt retry: Instant, unless isHere: (RecordNews.Entry) -> Bool
    ) -> [(peer: Int, nodes: [UInt64])] {
        var byPeer: [Int: [UInt64]] = [:]
        for node in missing.filter({ $0.value.due <= now }).keys.sorted() {
            let tellers = missing[node]?.tellers ?? []
            let lacking = tellers.filter { !isHere(RecordNews.Entry(node: node, number: $0.number)) }
            let rest = lacking.dropFirst()
            if let first = lacking.first { byPeer[first.peer, default: []].append(node) }
            for teller in tellers where !rest.contains(where: { $0.peer == teller.peer }) { forget(teller.peer) }
            missing[node] = rest.isEmpty ? nil : Missing(tellers: Array(rest), due: retry)
        }
        return byPeer.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private mutating func forget(_ peer: Int) {
        let remaining = tellings[peer, default: 1] - 1
        tellings[peer] = remaining > 0 ? remaining : nil
    }
}
