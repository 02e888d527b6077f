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
            }
        }
        var live: [Tables.Session] = []
        sessions.forEach { _, slot in
            guard let keypair = slot.keypair, let entry = peers.entry(of: slot.peer) else { return }
            live.append(Tables.Session(keypair, peer: entry))
        }
        actions.insert(
            .publish(
                Tables(
                    generation: generation, peers: entries, sessions: live, circuits: circuitEntries, routes: routes,
                    handshakeMACs: responder.macs)),
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

    var circuitEntries: [CircuitEntry] {
        var entries: [CircuitEntry] = []
        circuits.forEach { identifier, slot in
            guard case .local(let circuit) = slot, case .direct(let endpoint)? = peers.path(of: circuit.relay)
            else { return }
            let others = otherSources(of: circuit.relay, than: endpoint)
            entries.append(CircuitEntry(id: identifier, source: endpoint, otherSources: others, role: .end))
        }
        for circuit in relay.all {
            for leg in [circuit.opener, circuit.target] {
                guard let (from, to) = circuit.legs(from: leg.relayID), let replyID = to.replyID,
                    let meter = relay.meters[from.peer],
                    case .direct(let source)? = peers.path(of: from.peer),
                    case .direct(let target)? = peers.path(of: to.peer)
                else { continue }
                let next = Destination(target, localAddress: peers.localAddress(of: to.peer), circuit: replyID)
                let others = otherSources(of: from.peer, than: source)
                entries.append(
                    CircuitEntry(
                        id: leg.relayID, source: source, otherSources: others, role: .relay(to: next, meter: meter)))
            }
        }
        return entries
    }

    /// Each side chooses for itself which way it sends: a member with two addresses may send frames from one while we send
    /// to the other.
    private func otherSources(of number: Int, than source: Endpoint) -> [Endpoint] {
        peers[number]?.paths.heardEndpoints.filter { $0 != source } ?? []
    }
}
