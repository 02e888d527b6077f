import Datapath
import Identity
import Noise
import SansIO
import Traversal
import Wire

/// The node's peers by number, by tunnel key and by node identifier.
///
/// A number is used again only after many others were freed, so that what the packet threads still say about a removed peer
/// is not taken for another's.
///
/// A peer is large: to copy one counts some sixty references. What is asked often is asked by accessors that look at one thing.
struct PeerTable {
    private static let restingLimit = 256

    /// The place of one peer, shared with copies of the table until the peer changes.
    private final class Slot {
        let isEmpty: Bool
        var peer: Peer?

        init(_ peer: Peer?) {
            self.peer = peer
            isEmpty = peer == nil
        }
    }

    private var slots: [Slot] = []
    private var free: [Int] = []
    private var byKey: [Bytes32: Int] = [:]
    private var byNode: [NodeID: Int] = [:]

    var count: Int { slots.count - free.count }

    /// Every peer, in the order of their numbers; each is copied.
    var all: [Peer] { slots.compactMap(\.peer) }

    subscript(number: Int) -> Peer? {
        _read {
            if slots.indices.contains(number) { yield slots[number].peer } else { yield nil }
        }
        _modify {
            precondition(slots.indices.contains(number), "peer \(number) was never made")
            if !isKnownUniquelyReferenced(&slots[number]) { slots[number] = Slot(slots[number].peer) }
            yield &slots[number].peer
        }
    }

    func number(ofKey key: Bytes32) -> Int? { byKey[key] }
    func number(ofNode node: NodeID) -> Int? { byNode[node] }

    /// Makes a peer; `make` is told its number. Precondition: no peer has this key yet.
    mutating func insert(key: Bytes32, _ make: (Int) -> Peer) -> Int {
        precondition(byKey[key] == nil)
        let number = free.count > Self.restingLimit ? free.removeFirst() : slots.count
        let slot = Slot(make(number))
        if number == slots.count { slots.append(slot) } else { slots[number] = slot }
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
        slots[number] = Slot(nil)
        free.append(number)
    }
}

// MARK: one thing of a peer, or of all

extension PeerTable {
    /// The numbers of all peers, in order.
    var numbers: [Int] { slots.indices.filter { !slots[$0].isEmpty } }

    /// Those with whom a session stands, in order.
    var connected: [Int] { slots.indices.filter { !slots[$0].isEmpty && slots[$0].peer!.sending != nil } }

    /// Of these the members, which have introduced themselves.
    var connectedMembers: [Int] {
        connected.filter { number in
            guard case .node = slots[number].peer!.role else { return false }
            return slots[number].peer!.greeting.received != nil
        }
    }

    func contains(_ number: Int) -> Bool { holds(number) }
    func isConnected(_ number: Int) -> Bool { holds(number) && slots[number].peer!.sending != nil }
    func isLeavingRelay(_ number: Int) -> Bool { holds(number) && slots[number].peer!.isLeavingRelay }
    func isAnchor(_ number: Int) -> Bool { holds(number) && slots[number].peer!.isAnchor }
    func node(of number: Int) -> NodeID? {
        guard holds(number), case .node(let node) = slots[number].peer!.role else { return nil }
        return node
    }

    func isClient(_ number: Int) -> Bool {
        guard holds(number), case .client = slots[number].peer!.role else { return false }
        return true
    }

    func path(of number: Int) -> Path? { holds(number) ? slots[number].peer!.paths.current : nil }
    func endpoint(of number: Int) -> Endpoint? { holds(number) ? slots[number].peer!.lastEndpoint : nil }
    func wantsNews(_ number: Int, at now: Instant) -> Bool {
        holds(number) && slots[number].peer!.newsWantedUntil > now
    }

    func localAddress(of number: Int) -> IPAddress? { holds(number) ? slots[number].peer!.localAddress : nil }
    func entry(of number: Int) -> PeerEntry? { holds(number) ? slots[number].peer!.entry : nil }

    /// The prefixes of nodes, then those of clients.
    var routes: [(prefix: IPPrefix, value: Int)] {
        var nodes: [(prefix: IPPrefix, value: Int)] = []
        var clients: [(prefix: IPPrefix, value: Int)] = []
        for number in numbers {
            switch slots[number].peer!.role {
            case .node: for prefix in slots[number].peer!.sources { nodes.append((prefix, number)) }
            case .client: for prefix in slots[number].peer!.sources { clients.append((prefix, number)) }
            case .unverified, .bootstrap: break
            }
        }
        return nodes + clients
    }

    /// Works on a peer's tunnel in place; `outcome` is `nil` after an error, which means a message that is forged, stale or a copy:
    /// its sender gets no answer. `nil` when there is no such peer.
    mutating func updateTunnel<Outcome>(
        _ number: Int, _ body: (inout Tunnel) throws(NoiseError) -> Outcome
    ) -> (outcome: Outcome?, deadline: Instant?)? {
        guard holds(number) else { return nil }
        if !isKnownUniquelyReferenced(&slots[number]) { slots[number] = Slot(slots[number].peer) }
        return Self.update(&slots[number].peer!.tunnel, body)
    }

    /// In place: to ask the peer's own tunnel for its deadline would copy it.
    private static func update<Outcome>(
        _ tunnel: inout Tunnel, _ body: (inout Tunnel) throws(NoiseError) -> Outcome
    ) -> (outcome: Outcome?, deadline: Instant?) {
        let outcome = try? body(&tunnel)
        return (outcome, tunnel.nextDeadline)
    }

    /// What `body` finds in a peer, of which no more is copied than it takes. `nil` when there is no such peer.
    @inline(__always)
    func look<Outcome>(at number: Int, _ body: (Peer) -> Outcome) -> Outcome? {
        holds(number) ? body(slots[number].peer!) : nil
    }

    /// Works on a peer in place. `nil` when there is no such peer.
    mutating func update<Outcome>(_ number: Int, _ body: (inout Peer) -> Outcome) -> Outcome? {
        guard holds(number) else { return nil }
        if !isKnownUniquelyReferenced(&slots[number]) { slots[number] = Slot(slots[number].peer) }
        return body(&slots[number].peer!)
    }

    private func holds(_ number: Int) -> Bool { slots.indices.contains(number) && !slots[number].isEmpty }
}
