import Datapath
import Identity
import Noise
import SansIO
import Traversal
import Wire

// Standbys: circuits opened in advance, so that there is another way when the one in use fails.
extension Node {
    /// Relays through which circuits are kept to a peer that packets flow with: while it is reached straight, and while it is not.
    static let standbyRelays = 2
    static let relaysInUse = 3
    /// More of them are asked at once when no known path answers.
    static let relaysSought = 3
    /// A relay that was asked for a circuit to a peer is not asked again for so long.
    static let relayPause: Duration = .seconds(10)

    /// Opens circuits to a peer through the best relays that none goes through yet, as many as are wanted.
    mutating func seekCircuits(to number: Int, at now: Instant) {
        guard let peer = peers[number], peer.hasSession, peer.isMember, let path = peer.paths.current,
            peer.paths.isInDoubt || peer.paths.lacksStandby
        else { return }
        let usable = Set(peer.paths.relays)
        let pending = peer.circuits.compactMap { identifier -> Int? in
            guard case .local(let circuit)? = circuits[identifier], circuit.relayID == nil else { return nil }
            return circuit.relay
        }
        let used = usable.union(pending)
        let wanted =
            peer.paths.isInDoubt
            ? Self.relaysSought : (path.isDirect ? Self.standbyRelays : Self.relaysInUse) - used.count
        guard wanted > 0 else { return }
        let others = relayCandidates(for: number).filter { relay in
            !used.contains(relay) && peer.relaysAsked[relay].map { now - $0 >= Self.relayPause } ?? true
        }
        for relay in others.prefix(wanted) { openCircuit(to: number, through: relay, carrying: [], at: now) }
        if others.isEmpty { approachRelays(of: number, at: now) }
    }

    /// A circuit that leads to a peer stands: it is one of its paths.
    mutating func addPath(circuit identifier: UInt64, at now: Instant) {
        let path = Path.relayed(circuit: identifier)
        guard case .local(let circuit)? = circuits[identifier], circuit.relayID != nil, let relay = relay(of: path)
        else {
            return
        }
        peers[circuit.peer]?.paths.add(path, through: relay, at: now)
        touch(circuit.peer)
        deadlines.set(peers[circuit.peer]?.paths.nextDeadline, for: .paths(circuit.peer))
    }

    /// A session begins: circuits that stood before it are paths of it.
    mutating func addStandingCircuits(to number: Int, at now: Instant) {
        for identifier in peers[number]?.circuits ?? [] { addPath(circuit: identifier, at: now) }
    }
}
