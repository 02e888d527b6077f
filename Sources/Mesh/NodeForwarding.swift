import Identity
import Relay
import SansIO
import Traversal
import Wire

// Circuits at their relay: opening, joining the legs, closing.
extension Node {
    /// Relays that a circuit may have gone through when it comes to one that does not see its target.
    static let relaysPassedLimit = 2

    /// Whether this node's certificate gives it the right to relay.
    var isRelayPermitted: Bool { identity.certificate.rights.contains(.relay) }

    /// How busy this node is as a relay, as pongs tell it: 255 when it takes no circuits.
    var relayLoad: UInt8 {
        guard isRelayPermitted, isReachable || isReachableLocally, relay.mode == .on,
            relay.circuitCount < relay.limits.circuits
        else {
            return 255
        }
        return UInt8(254 * relay.circuitCount / relay.limits.circuits)
    }

    /// Somebody wants a circuit: for itself, or as a relay that does not see the target on behalf of `route.origin`.
    mutating func receiveOpen(
        replyID: UInt64, target: Bytes32, route: ControlFrame.Route?, message: [UInt8], from opener: Int,
        at now: Instant
    ) {
        guard let sender = peers[opener]?.nodeID else { return }
        let origin = route.map { NodeID($0.origin) } ?? sender
        let passed = Int(route?.relays ?? 0)
        let outcome = openForwarding(
            replyID: replyID, from: origin, to: NodeID(target), passed: passed, by: opener, at: now)
        switch outcome {
        case .success(let (next, relayID, isTarget)):
            let frame: ControlFrame =
                isTarget
                ? .circuitOffer(relayID: relayID, origin: origin.bytes, message: message)
                : .circuitOpen(
                    replyID: relayID, target: target, route: .init(origin: origin.bytes, relays: UInt8(passed + 1)),
                    message: message)
            send(frame, to: next, at: now)
        case .failure(let refusal):
            counters.circuitsRefused += 1
            relay.noteRefusal(refusal)
            send(.circuitClosed(identifier: replyID, reason: refusal.rawValue), to: opener, at: now)
        }
    }

    private mutating func openForwarding(
        replyID: UInt64, from origin: NodeID, to target: NodeID, passed: Int, by opener: Int, at now: Instant
    ) -> Result<(next: Int, relayID: UInt64, isTarget: Bool), RelayServer.Refusal> {
        if let refusal = relay.refusal(for: opener) { return .failure(refusal) }
        guard isRelayPermitted, peers[opener]?.paths.current?.isDirect == true, isMember(origin), origin != target,
            origin != identity.nodeID, target != identity.nodeID
        else { return .failure(.notPermitted) }
        guard let next = nextHop(to: target, from: origin, passed: passed, by: opener) else {
            return .failure(.targetUnreachable)
        }
        guard let openerID = place(.forwarded) else { return .failure(.tooManyCircuits) }
        guard let targetID = place(.forwarded) else {
            circuits[openerID] = nil
            return .failure(.tooManyCircuits)
        }
        relay.open(by: opener, replyID: replyID, relayID: openerID, target: next, targetRelayID: targetID, at: now)
        return .success((next, targetID, peers[next]?.nodeID == target))
    }

    private func isMember(_ node: NodeID) -> Bool {
        peerNumber(of: node).map { peers[$0]?.isMember == true } ?? false || directory.record(of: node) != nil
    }

    /// The target if this node sees it, else a relay that probably does: one that the target says it keeps a tunnel with, else the
    /// nearest. Each relay on the way counts, and nobody passes a circuit back, so that there are no loops.
    private func nextHop(to target: NodeID, from origin: NodeID, passed: Int, by opener: Int) -> Int? {
        if let number = peerNumber(of: target), number != opener, peers[number]?.isMember == true,
            peers[number]?.paths.current?.isDirect == true
        {
            return number
        }
        guard passed < Self.relaysPassedLimit else { return nil }
        return relayCandidates(for: peerNumber(of: target)).first { number in
            number != opener && peers[number]?.nodeID != origin && peers[number]?.nodeID != target
        }
    }

    mutating func receiveAccept(
        relayID: UInt64, replyID: UInt64, message: [UInt8], from peer: Int, at now: Instant
    ) {
        guard let circuit = relay.accept(relayID: relayID, by: peer, replyID: replyID),
            let openerReplyID = circuit.opener.replyID
        else { return }
        areTablesStale = true
        send(
            .circuitReady(replyID: openerReplyID, relayID: circuit.opener.relayID, message: message),
            to: circuit.opener.peer, at: now)
    }

    mutating func receiveClosed(_ identifier: UInt64, reason: UInt8, from peer: Int, at now: Instant) {
        switch circuits[identifier] {
        case .local(let circuit)? where circuit.relay == peer:
            if circuit.relayID == nil {
                events(
                    .circuitRefused(relay: name(of: peer), target: name(of: circuit.peer), reason: reason))
            }
            let target = circuit.peer
            dropCircuit(identifier, at: now)
            if peers[target]?.hasSession == false { connectThroughNextRelay(target, at: now) }
        case .forwarded?:
            if let circuit = relay.close(identifier, by: peer) {
                announceClosed(circuit, except: peer, reason: reason, at: now)
            }
        default: break
        }
    }

    /// Tells the ends of a relayed circuit that it is gone, and frees its slots.
    mutating func announceClosed(
        _ circuit: RelayServer.Circuit, except peer: Int?, reason: UInt8 = CircuitCloseReason.peerLeft.rawValue,
        at now: Instant
    ) {
        circuits[circuit.opener.relayID] = nil
        circuits[circuit.target.relayID] = nil
        areTablesStale = true
        for leg in [circuit.opener, circuit.target] where leg.peer != peer {
            guard let replyID = leg.replyID, peers[leg.peer]?.hasSession == true else { continue }
            send(.circuitClosed(identifier: replyID, reason: reason), to: leg.peer, at: now)
        }
    }
}
