import Datapath
import Identity
import Noise
import Relay
import SansIO
import Traversal
import Wire

// The snapshot for the packet threads.
extension Node {
    /// What the packet threads know of a peer is to be made anew.
    mutating func touch(_ number: Int) {
        peers[number]?.entry = nil
        areTablesStale = true
    }

    /// As `touch`, for all: an endpoint changed that circuits of others go through.
    mutating func touchAll() {
        for peer in peers.all { peers[peer.number]?.entry = nil }
        areTablesStale = true
    }

    mutating func publishIfStale() {
        if areRoutesStale {
            routes = RouteTable(routeList)
            areRoutesStale = false
            areTablesStale = true
        }
        guard areTablesStale else { return }
        areTablesStale = false
        generation += 1
        var entries: [PeerEntry] = []
        var byNumber: [Int: PeerEntry] = [:]
        for peer in peers.all {
            let entry = peer.entry ?? makeEntry(peer)
            peers[peer.number]?.entry = entry
            entries.append(entry)
            byNumber[peer.number] = entry
        }
        let live = sessions.entries.compactMap { slot -> Tables.Session? in
            guard let keypair = slot.value.keypair, let entry = byNumber[slot.value.peer] else { return nil }
            return Tables.Session(keypair, peer: entry)
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
                case .direct(let endpoint)? = peers[circuit.relay]?.paths.current
            else { return nil }
            return Destination(
                endpoint, localAddress: peers[circuit.relay]?.localAddress, circuit: relayID)
        }
    }

    private var routeList: [(prefix: IPPrefix, value: Int)] {
        // Of two equal prefixes the later counts: nobody's record takes away a client that is attached here.
        (peers.all.filter { $0.nodeID != nil } + peers.all.filter(\.isClient))
            .flatMap { peer in peer.sources.map { (prefix: $0, value: peer.number) } }
    }

    var circuitEntries: [CircuitEntry] {
        var entries: [CircuitEntry] = []
        for (identifier, slot) in circuits.entries {
            guard case .local(let circuit) = slot, case .direct(let endpoint)? = peers[circuit.relay]?.paths.current
            else { continue }
            let others = otherSources(of: circuit.relay, than: endpoint)
            entries.append(CircuitEntry(id: identifier, source: endpoint, otherSources: others, role: .end))
        }
        for circuit in relay.all {
            for leg in [circuit.opener, circuit.target] {
                guard let (from, to) = circuit.legs(from: leg.relayID), let replyID = to.replyID,
                    let meter = relay.meters[from.peer],
                    case .direct(let source)? = peers[from.peer]?.paths.current,
                    case .direct(let target)? = peers[to.peer]?.paths.current
                else { continue }
                let next = Destination(target, localAddress: peers[to.peer]?.localAddress, circuit: replyID)
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
