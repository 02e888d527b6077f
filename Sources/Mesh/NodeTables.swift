import Datapath
import Identity
import Noise
import Relay
import SansIO
import Traversal
import Wire

// The snapshot for the packet threads.
extension Node {
    private static let routingPause: Duration = .milliseconds(20)

    /// What the packet threads know of a peer is to be made anew.
    mutating func touch(_ number: Int) {
        peers[number]?.entry = nil
        areTablesStale = true
    }

    /// As `touch`, for all that it may concern: an endpoint changed that circuits of others go through, or a setting.
    mutating func touchAll() {
        for number in peers.numbers {
            guard let entry = peers.entry(of: number) else { continue }
            let isStraight = entry.destination?.circuit == nil && entry.duplicate?.circuit == nil
            let isCurrent = entry.path == peers.path(of: number) && entry.innerMTU == configuration.innerMTU
            if !isStraight || !isCurrent { peers[number]?.entry = nil }
        }
        areTablesStale = true
    }

    /// Where packets for a node go is to be made anew. Of nodes without a session, for which packets have to wait anyway, many
    /// are heard of at once: their routes are settled together, a moment later.
    mutating func routesChanged(of number: Int, at now: Instant) {
        if peers.isConnected(number) {
            touch(number)
            areRoutesStale = true
        } else {
            peers[number]?.entry = nil
            if deadlines.deadline(of: .routes) == nil { deadlines.set(now + Self.routingPause, for: .routes) }
        }
    }

    mutating func publishIfStale() {
        if areRoutesStale {
            deadlines.remove(.routes)
            // Of two equal prefixes the later counts: nobody's record takes away a client that is attached here.
            routes = RouteTable(peers.routes)
            areRoutesStale = false
            areTablesStale = true
        }
        guard areTablesStale else { return }
        areTablesStale = false
        generation += 1
        var entries: [PeerEntry] = []
        for number in peers.numbers {
            if let entry = peers.entry(of: number) {
                entries.append(entry)
            } else if let entry = peers[number].map(makeEntry) {
                peers[number]?.entry = entry
                entries.append(entry)
                noteReach(of: number)
                notePlaces(of: number, entry.endpoints)
            }
        }
        if areCircuitsStale {
            publishedCircuits = CircuitTable(circuitEntries)
            areCircuitsStale = false
        }
        if arePlacesStale {
            publishedPlaces = Set(peerPlaces.values.flatMap(\.self))
            arePlacesStale = false
        }
        var live: [Tables.Session] = []
        sessions.forEach { _, slot in
            guard let keypair = slot.keypair, let entry = peers.entry(of: slot.peer) else { return }
            live.append(Tables.Session(keypair, peer: entry))
        }
        actions.insert(
            .publish(
                Tables(
                    generation: generation, peers: entries, sessions: live, circuits: publishedCircuits,
                    endpoints: publishedPlaces, routes: routes, handshakeMACs: responder.macs)),
            at: 0)
    }

    private func makeEntry(_ peer: Peer) -> PeerEntry {
        func destination(of path: Path?) -> Destination? {
            path.flatMap { self.destination(of: $0, localAddress: peer.localAddress) }
        }
        return PeerEntry(
            index: peer.number, keypair: peer.sending, destination: destination(of: peer.paths.current),
            path: peer.paths.current, sources: SourceSet(peer.sources), activity: peer.tunnel.activity,
            innerMTU: configuration.innerMTU, duplicate: destination(of: peer.paths.duplicate),
            holdUntil: peer.paths.holdUntil, movedAt: peer.paths.currentSince)
    }

    /// Where datagrams along a path go; `nil` for a circuit that does not stand.
    func destination(of path: Path, localAddress: IPAddress? = nil) -> Destination? {
        switch path {
        case .direct(let endpoint): return Destination(endpoint, localAddress: localAddress)
        case .relayed(let identifier):
            guard case .local(let circuit)? = circuits[identifier], let relayID = circuit.relayID,
                case .direct(let endpoint)? = peers.path(of: circuit.relay)
            else { return nil }
            return Destination(endpoint, localAddress: peers.localAddress(of: circuit.relay), circuit: relayID)
        }
    }

    /// Where frames of a peer's circuits come from and go to may have changed.
    private mutating func noteReach(of number: Int) {
        var reach: CircuitReach?
        if case .direct(let endpoint)? = peers.path(of: number) {
            reach = CircuitReach(
                endpoint: endpoint, localAddress: peers.localAddress(of: number),
                others: peers[number]?.paths.heardEndpoints.filter { $0 != endpoint } ?? [])
        }
        guard reach != circuitReaches[number] else { return }
        circuitReaches[number] = reach
        areCircuitsStale = true
    }

    private mutating func notePlaces(of number: Int, _ places: [Endpoint]) {
        guard peerPlaces[number, default: []] != places else { return }
        peerPlaces[number] = places.isEmpty ? nil : places
        arePlacesStale = true
    }

    /// A peer is gone, and with it what the tables said of it.
    mutating func forgetInTables(_ number: Int) {
        if peerPlaces.removeValue(forKey: number) != nil { arePlacesStale = true }
        if circuitReaches.removeValue(forKey: number) != nil { areCircuitsStale = true }
        areTablesStale = true
    }

    private var circuitEntries: [CircuitEntry] {
        var entries: [CircuitEntry] = []
        circuits.forEach { identifier, slot in
            guard case .local(let circuit) = slot, let reach = circuitReaches[circuit.relay] else { return }
            entries.append(
                CircuitEntry(id: identifier, source: reach.endpoint, otherSources: reach.others, role: .end))
        }
        relay.forEach { circuit in
            for (from, to) in [(circuit.opener, circuit.target), (circuit.target, circuit.opener)] {
                guard let replyID = to.replyID, let meter = relay.meters[from.peer],
                    let source = circuitReaches[from.peer], let target = circuitReaches[to.peer]
                else { continue }
                let next = Destination(target.endpoint, localAddress: target.localAddress, circuit: replyID)
                entries.append(
                    CircuitEntry(
                        id: from.relayID, source: source.endpoint, otherSources: source.others,
                        role: .relay(to: next, meter: meter)))
            }
        }
        return entries
    }
}

/// Where a peer's frames come from and go to.
struct CircuitReach: Equatable, Sendable {
    /// Of the path that packets to it take.
    var endpoint: Endpoint
    var localAddress: IPAddress?
    /// Each side chooses for itself which way it sends: a peer with two addresses may send frames from one while we send to
    /// the other.
    var others: [Endpoint]
}
