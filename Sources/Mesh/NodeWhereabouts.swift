import Identity
import SansIO
import Traversal
import Wire

// Where a peer is that a search looks for, as third nodes see it.
extension Node {
    /// Third nodes asked where a peer is.
    private static let witnessLimit = 3

    /// Asks nodes that the peer keeps a tunnel with, the relays between us first, what they see its packets come from.
    mutating func askWhereabouts(at now: Instant) {
        guard let running = search, let peer = peers[running.peer], let node = peer.nodeID else { return }
        let between = peer.circuits.compactMap { identifier -> Int? in
            if case .local(let circuit)? = circuits[identifier] { circuit.relay } else { nil }
        }
        var witnesses: [Int] = []
        for witness in between + relayCandidates()
        where witness != running.peer && !witnesses.contains(witness) && witnesses.count < Self.witnessLimit {
            witnesses.append(witness)
        }
        search?.witnesses = witnesses
        for witness in witnesses { tell(.whereabouts(of: node.bytes), to: witness, at: now) }
    }

    /// Tells a member what we see another one's packets come from.
    mutating func answerWhereabouts(of node: NodeID, to number: Int, at now: Instant) {
        guard let peer = peerNumber(of: node).flatMap({ peers[$0] }), peer.isMember, peer.number != number,
            case .direct(let endpoint)? = peer.paths.current, isSearchable(endpoint)
        else { return }
        tell(.seen(node: node.bytes, at: endpoint), to: number, at: now)
    }

    mutating func receiveSeen(_ node: NodeID, at endpoint: Endpoint, from number: Int, at now: Instant) {
        if node == identity.nodeID {
            receiveComparison(endpoint, from: number, at: now)
            return
        }
        guard var running = search, running.target == nil, running.witnesses.contains(number),
            peers[running.peer]?.nodeID == node, isSearchable(endpoint), claims(running.peer, endpoint.address)
        else { return }
        running.target = endpoint
        search = running
        searchEvidence[running.peer]?.target = endpoint
        carryOut(self.search?.search.attested(at: now, using: &random) ?? [], at: now)
    }

    /// Whether an endpoint may be searched at all: somewhere outside, by IPv4, and not our own NAT.
    private func isSearchable(_ endpoint: Endpoint) -> Bool {
        endpoint.address.isIPv4 && !endpoint.address.isPrivate && isDialable(endpoint)
            && !ownCandidates.contains { $0.address == endpoint.address }
    }

    /// Whether the peer itself has said that it is there: a relay alone cannot choose whom we probe either.
    private func claims(_ number: Int, _ address: IPAddress) -> Bool {
        guard let peer = peers[number] else { return false }
        let told = peer.candidates + (peer.punch.lastAttempt?.targets.map(\.endpoint) ?? [])
        return told.contains { $0.address == address }
    }
}
