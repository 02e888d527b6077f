import Identity
import Wire

/// The node's peers by number, by tunnel key and by node identifier.
///
/// A number is used again only after many others were freed, so that what the packet threads still say about a removed peer
/// is not taken for another's.
struct PeerTable {
    private static let restingLimit = 256

    private var slots: [Peer?] = []
    private var free: [Int] = []
    private var byKey: [Bytes32: Int] = [:]
    private var byNode: [NodeID: Int] = [:]

    var count: Int { slots.count - free.count }

    /// Every peer, in the order of their numbers.
    var all: [Peer] { slots.compactMap { $0 } }

    subscript(number: Int) -> Peer? {
        get { slots.indices.contains(number) ? slots[number] : nil }
        _modify {
            precondition(slots.indices.contains(number), "peer \(number) was never made")
            yield &slots[number]
        }
    }

    func number(ofKey key: Bytes32) -> Int? { byKey[key] }
    func number(ofNode node: NodeID) -> Int? { byNode[node] }

    /// Makes a peer; `make` is told its number. Precondition: no peer has this key yet.
    mutating func insert(key: Bytes32, _ make: (Int) -> Peer) -> Int {
        precondition(byKey[key] == nil)
        let number = free.count > Self.restingLimit ? free.removeFirst() : slots.count
        if number == slots.count { slots.append(nil) }
        slots[number] = make(number)
        byKey[key] = number
        return number
    }

    /// Ties a node's identifier to a peer.
    mutating func identify(_ number: Int, as node: NodeID) {
        if let old = self[number]?.nodeID, old != node { byNode[old] = nil }
        byNode[node] = number
    }

    mutating func remove(_ number: Int) {
        guard let peer = self[number] else { return }
        byKey[peer.tunnelKey] = nil
        if let node = peer.nodeID, byNode[node] == number { byNode[node] = nil }
        slots[number] = nil
        free.append(number)
    }
}
