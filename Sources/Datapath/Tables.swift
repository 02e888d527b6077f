package import Noise
package import Relay
package import SansIO
package import Traversal
package import Wire

/// Everything the packet threads know: an immutable snapshot, made by the control thread and swapped as a whole.
///
/// Look-ups are array accesses. A receiver index names its slot in `sessions` with its low 16 bits, a circuit
/// identifier its slot in `circuits`; the remaining bits are random and are compared.
package final class Tables: Sendable {
    /// Counts snapshots; a packet thread takes a new one when this number has changed.
    package let generation: UInt64
    package let peers: [PeerEntry?]
    package let routes: RouteTable
    /// Judges the MACs of strangers' initiations to this node; `nil`: they are not checked.
    package let handshakeMACs: HandshakeMACs?
    private let sessions: [Session?]
    private let circuits: CircuitTable
    /// Where peers are.
    private let endpoints: Set<Endpoint>

    /// A keypair that messages may arrive on, and whose it is.
    package struct Session: Sendable {
        package let keypair: Keypair
        package let peer: PeerEntry

        package init(_ keypair: Keypair, peer: PeerEntry) {
            self.keypair = keypair
            self.peer = peer
        }
    }

    package static let empty = Tables(generation: 0)

    /// `routes` lead to indices of `peers`; every `PeerEntry.index` is its own place there. Of two sessions or circuits
    /// in one slot the later counts; who allocates identifiers sees to it that there are none.
    package convenience init(
        generation: UInt64, peers: [PeerEntry] = [], sessions: [Session] = [], circuits: [CircuitEntry] = [],
        routes: RouteTable = .empty, handshakeMACs: HandshakeMACs? = nil
    ) {
        self.init(
            generation: generation, peers: peers, sessions: sessions, circuits: CircuitTable(circuits),
            endpoints: Set(peers.flatMap(\.endpoints)), routes: routes, handshakeMACs: handshakeMACs)
    }

    /// The same of parts that many tables have in common. Precondition: `endpoints` are those of `peers`.
    package init(
        generation: UInt64, peers: [PeerEntry], sessions: [Session], circuits: CircuitTable, endpoints: Set<Endpoint>,
        routes: RouteTable, handshakeMACs: HandshakeMACs?
    ) {
        self.generation = generation
        self.routes = routes
        self.handshakeMACs = handshakeMACs
        self.circuits = circuits
        self.endpoints = endpoints
        self.peers = slotTable(peers) { $0.index }
        self.sessions = slotTable(sessions) { Self.slot(ofReceiver: $0.keypair.localIndex) }
    }

    package static func slot(ofReceiver index: UInt32) -> Int { Int(index & 0xffff) }
    package static func slot(ofCircuit id: UInt64) -> Int { Int(id & 0xffff) }

    func session(receiver index: UInt32) -> Session? {
        let slot = Self.slot(ofReceiver: index)
        guard slot < sessions.count, let session = sessions[slot], session.keypair.localIndex == index else {
            return nil
        }
        return session
    }

    func circuit(_ id: UInt64) -> CircuitEntry? { circuits[id] }

    /// Whether a peer is at the other end: strangers have neither circuits nor links.
    func isKnown(_ path: Path) -> Bool {
        switch path {
        case .relayed: true
        case .direct(let endpoint): endpoint.isLink || endpoints.contains(endpoint)
        }
    }

    /// What a datagram is by its MACs too: `nil` for an initiation of somebody who does not know our key; one with a mac2 that no
    /// cookie of ours makes is one without.
    func judged(_ kind: DatagramKind, _ message: [UInt8], along path: Path) -> DatagramKind? {
        guard case .initiation(let hasCookie) = kind, case .direct(let source) = path, let macs = handshakeMACs else {
            return kind
        }
        guard macs.hasValidMAC1(message) else { return nil }
        return .initiation(hasCookie: hasCookie && macs.hasValidMAC2(message, from: source))
    }

    func peer(_ index: Int) -> PeerEntry? {
        peers.indices.contains(index) ? peers[index] : nil
    }

}

/// Entries by their slots; of two in one the later counts.
private func slotTable<Entry>(_ entries: [Entry], slot: (Entry) -> Int) -> [Entry?] {
    let count = entries.reduce(0) { max($0, slot($1) + 1) }
    var table = [Entry?](repeating: nil, count: count)
    for entry in entries { table[slot(entry)] = entry }
    return table
}

/// The circuits that frames may arrive on, by their slots.
package struct CircuitTable: Sendable {
    private let entries: [CircuitEntry?]

    package init(_ entries: [CircuitEntry] = []) {
        self.entries = slotTable(entries) { Tables.slot(ofCircuit: $0.id) }
    }

    package subscript(id: UInt64) -> CircuitEntry? {
        let slot = Tables.slot(ofCircuit: id)
        guard slot < entries.count, let entry = entries[slot], entry.id == id else { return nil }
        return entry
    }

    /// Those that there are, in the order of their slots.
    package var all: [CircuitEntry] { entries.compactMap(\.self) }
}

/// Where datagrams to a peer go: an endpoint, and the relay's circuit when the endpoint is a relay.
package struct Destination: Hashable, Sendable {
    package var endpoint: Endpoint
    /// The local address to leave from; `nil` lets routing choose.
    package var localAddress: IPAddress?
    /// The identifier that the relay gave the circuit, written before every message.
    package var circuit: UInt64?

    package init(_ endpoint: Endpoint, localAddress: IPAddress? = nil, circuit: UInt64? = nil) {
        self.endpoint = endpoint
        self.localAddress = localAddress
        self.circuit = circuit
    }
}

/// A peer as the packet threads see it.
package final class PeerEntry: Sendable {
    package let index: Int
    /// The session to send on; `nil` before a handshake is through.
    package let keypair: Keypair?
    /// Where to send; `nil` while no path is known.
    package let destination: Destination?
    /// Where every message goes as well, while it is in doubt whether `destination` still leads to the peer. The receiver's
    /// replay window drops the second copy.
    package let duplicate: Destination?
    /// Until then messages are kept back, so that none overtakes those still on their way along a slower path.
    package let holdUntil: Instant?
    /// When that was settled. What has taken the slower path since, for the tables were not there yet, adds to the time.
    package let movedAt: Instant?
    /// The path that packets from the peer are expected on; any other is reported as `.moved`.
    package let path: Path?
    /// Its certified prefixes. While there are none (certificate not verified) only control frames pass.
    package let sources: SourceSet
    package let activity: Activity
    /// Largest inner packet that the path takes.
    package let innerMTU: Int

    package init(
        index: Int, keypair: Keypair?, destination: Destination?, path: Path?, sources: SourceSet, activity: Activity,
        innerMTU: Int, duplicate: Destination? = nil, holdUntil: Instant? = nil, movedAt: Instant? = nil
    ) {
        precondition(index >= 0 && innerMTU >= 576)
        self.index = index
        self.keypair = keypair
        self.destination = destination
        self.path = path
        self.sources = sources
        self.activity = activity
        self.innerMTU = innerMTU
        self.duplicate = duplicate
        self.holdUntil = holdUntil
        self.movedAt = movedAt
    }

    /// Where the peer is.
    package var endpoints: [Endpoint] {
        var endpoints: [Endpoint] = []
        if case .direct(let endpoint)? = path { endpoints.append(endpoint) }
        if let destination { endpoints.append(destination.endpoint) }
        if let duplicate { endpoints.append(duplicate.endpoint) }
        return endpoints
    }
}

/// A circuit that frames may arrive on, at its relay or at one of its ends.
package struct CircuitEntry: Sendable {
    package enum Role: Sendable {
        /// This node relays: frames go on to `destination`, whose `circuit` is the next receiver's identifier. `meter` is that
        /// of the member that sends them.
        case relay(to: Destination, meter: RelayMeter)
        /// This node is the end: the frame holds a message of a peer.
        case end
    }

    /// The identifier in frames to this node.
    package let id: UInt64
    /// Where frames are expected from.
    package let source: Endpoint
    /// Where else the sender has shown itself: which of its addresses it sends from is its own choice.
    package let otherSources: [Endpoint]
    package let role: Role

    package init(id: UInt64, source: Endpoint, otherSources: [Endpoint] = [], role: Role) {
        self.id = id
        self.source = source
        self.otherSources = otherSources
        self.role = role
    }

    /// Frames are accepted from no other endpoint than those of the sender.
    package func accepts(from origin: Endpoint) -> Bool { source == origin || otherSources.contains(origin) }
}
