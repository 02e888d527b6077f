import Datapath
import Identity
import Relay
import SansIO
import Traversal
import Wire

/// A circuit that ends here.
struct LocalCircuit: Equatable, Sendable {
    /// The peer that relays.
    let relay: Int
    /// Whom the circuit leads to.
    let peer: Int
    /// What our frames to the relay carry; `nil` while the relay has not confirmed.
    var relayID: UInt64?
    let since: Instant
    /// The relay leaves and was told that we have left the circuit.
    var isReleased = false
}

/// What one slot of the circuit table is for.
enum CircuitSlot: Equatable, Sendable {
    case local(LocalCircuit)
    /// A leg of a circuit that this node relays; the state is the relay server's.
    case forwarded
}

/// Why a circuit was closed, as `ControlFrame.circuitClosed` carries it; 1–4 are `RelayServer.Refusal`.
enum CircuitCloseReason: UInt8 {
    case peerLeft = 16
    case notAnswered = 17
    case replaced = 18
}

// Circuits at their ends: opening, answering, sending along.
extension Node {
    /// Circuits that lead to one peer; the oldest that is not in use makes room.
    static let circuitsPerPeer = 8
    /// Of them through one relay: one that each side has opened, and what takes their place. A relay that offers more, in whoever's
    /// name, takes no room from others.
    static let circuitsPerPeerAndRelay = 3
    /// Circuits that one relay may have with us, whoever they lead to.
    static let circuitsPerRelay = 1024
    /// How long a circuit may be without its relay's or its target's answer.
    static let circuitAnswerTime: Duration = .seconds(10)

    /// Asks `relay` for a circuit to `peer` whose first frame is `message`.
    mutating func openCircuit(to peer: Int, through relay: Int, carrying message: [UInt8], at now: Instant) {
        guard let target = peers[peer]?.nodeID,
            let identifier = insertCircuit(LocalCircuit(relay: relay, peer: peer, since: now), at: now)
        else { return }
        peers[peer]?.relaysAsked[relay] = now
        send(.circuitOpen(replyID: identifier, target: target.bytes, route: nil, message: message), to: relay, at: now)
    }

    mutating func receiveOffer(
        relayID: UInt64, origin: Bytes32, message: [UInt8], from relay: Int, at now: Instant
    ) {
        guard let peer = peerNumber(of: NodeID(origin)), peer != relay,
            let identifier = insertCircuit(
                LocalCircuit(relay: relay, peer: peer, relayID: relayID, since: now), at: now)
        else {
            send(
                .circuitClosed(identifier: relayID, reason: CircuitCloseReason.notAnswered.rawValue), to: relay, at: now
            )
            return
        }
        areTablesStale = true
        pendingAcceptance = identifier
        addPath(circuit: identifier, at: now)
        if !message.isEmpty { receive(message, along: .relayed(circuit: identifier), at: now) }
        if pendingAcceptance != nil {
            // The message did not call for an answer: the circuit stands all the same.
            pendingAcceptance = nil
            send(.circuitAccept(relayID: relayID, replyID: identifier, message: []), to: relay, at: now)
        }
    }

    private mutating func insertCircuit(_ circuit: LocalCircuit, at now: Instant) -> UInt64? {
        guard let peer = peers[circuit.peer], let relay = peers[circuit.relay],
            relay.carriedCircuitCount < Self.circuitsPerRelay
        else { return nil }
        let sameWay = peer.circuits.filter { self.relay(of: .relayed(circuit: $0))?.peer == circuit.relay }
        let crowd =
            sameWay.count >= Self.circuitsPerPeerAndRelay
            ? sameWay : peer.circuits.count >= Self.circuitsPerPeer ? peer.circuits : []
        if let oldest = crowd.first(where: { !peer.paths.isFirst(.relayed(circuit: $0)) }) {
            closeCircuit(oldest, at: now)
        }
        guard let identifier = place(.local(circuit)) else { return nil }
        peers[circuit.peer]?.circuits.append(identifier)
        peers[circuit.relay]?.carriedCircuitCount += 1
        return identifier
    }

    mutating func receiveReady(
        replyID: UInt64, relayID: UInt64, message: [UInt8], from relay: Int, at now: Instant
    ) {
        guard case .local(var circuit)? = circuits[replyID], circuit.relay == relay else {
            // The onward part of a circuit that this node relays.
            receiveAccept(relayID: replyID, replyID: relayID, message: message, from: relay, at: now)
            return
        }
        circuit.relayID = relayID
        circuits[replyID] = .local(circuit)
        areTablesStale = true
        addPath(circuit: replyID, at: now)
        if !message.isEmpty { receive(message, along: .relayed(circuit: replyID), at: now) }
    }

    /// Gives a circuit an identifier; `nil` when there are too many.
    mutating func place(_ circuit: CircuitSlot) -> UInt64? {
        var source = random
        defer { random = source }
        return circuits.insert(circuit, using: &source)
    }

    /// Sends a tunnel message along a path. The answer to an offer rides in its acceptance.
    mutating func send(_ message: [UInt8], along path: Path, at now: Instant) {
        if case .relayed(let identifier) = path, pendingAcceptance == identifier,
            case .local(let circuit)? = circuits[identifier], let relayID = circuit.relayID
        {
            pendingAcceptance = nil
            send(.circuitAccept(relayID: relayID, replyID: identifier, message: message), to: circuit.relay, at: now)
            return
        }
        guard let destination = destination(of: path) else { return }
        if destination.circuit == nil { noteSent(to: destination.endpoint, at: now) }
        actions.append(.send(message, to: destination))
    }

    /// Forgets a circuit that ends here, and lets its peer find another way.
    mutating func dropCircuit(_ identifier: UInt64, at now: Instant) {
        guard case .local(let circuit)? = circuits[identifier] else { return }
        circuits[identifier] = nil
        areTablesStale = true
        peers[circuit.relay]?.carriedCircuitCount -= 1
        guard peers[circuit.peer] != nil else { return }
        peers[circuit.peer]?.circuits.removeAll { $0 == identifier }
        updatePaths(circuit.peer, at: now) { paths, _ in paths.closed(Path.relayed(circuit: identifier), at: now) }
    }

    /// Forgets every circuit through a relay whose session ended or which started anew.
    mutating func dropCircuits(through relay: Int, at now: Instant) {
        for (identifier, slot) in circuits.entries {
            if case .local(let circuit) = slot, circuit.relay == relay { dropCircuit(identifier, at: now) }
        }
    }

    /// Closes the circuits that lead to a peer, telling the relays.
    mutating func closeCircuits(to peer: Int, except kept: UInt64? = nil, at now: Instant) {
        for identifier in peers[peer]?.circuits ?? [] where identifier != kept {
            closeCircuit(identifier, at: now)
        }
    }

    private mutating func closeCircuit(_ identifier: UInt64, at now: Instant) {
        guard case .local(let circuit)? = circuits[identifier] else { return }
        if let relayID = circuit.relayID {
            let reason = CircuitCloseReason.replaced.rawValue
            send(.circuitClosed(identifier: relayID, reason: reason), to: circuit.relay, at: now)
        }
        dropCircuit(identifier, at: now)
    }

    /// Forgets circuits that a relay of ours, or the target of one that we relay, has not answered: frames get lost.
    mutating func dropUnansweredCircuits(at now: Instant) {
        for (identifier, slot) in circuits.entries {
            if case .local(let circuit) = slot, circuit.relayID == nil, now - circuit.since >= Self.circuitAnswerTime {
                dropCircuit(identifier, at: now)
            }
        }
        for circuit in relay.closeUnanswered(openedBefore: now - Self.circuitAnswerTime) {
            announceClosed(circuit, except: nil, at: now)
        }
    }
}
