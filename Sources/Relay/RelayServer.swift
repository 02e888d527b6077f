package import SansIO

/// The relaying side of one node: which circuits run through it, who opened them and how each leg is named.
///
/// A circuit joins two members that both have a tunnel with the relay. Each leg has two identifiers: the *relay identifier*
/// stands in frames from the member to the relay and is chosen here; the *reply identifier* stands in frames from the relay
/// to the member and is chosen by that member, so that each receiver finds its state by array index.
/// ```
///   A ── relayID(A) ──▶        ── replyID(B) ──▶ B
///     ◀── replyID(A) ── relay ◀── relayID(B) ──
/// ```
/// Control messages run inside the members' tunnels, which authenticates them; the forwarded frames are opaque.
/// Peers are the node's own peer numbers. Circuits are bounded per peer and in total.
package struct RelayServer: Sendable {
    package struct Limits: Equatable, Sendable {
        /// Circuits that one peer may have opened at a time.
        package var circuitsPerPeer = 256
        /// Circuits in all; each takes two slots of the circuit table.
        package var circuits = 8192

        package init() {}
    }

    package enum Mode: Equatable, Sendable {
        case on
        case off
        /// No circuits any more; those that stand run until then at most.
        case draining(until: Instant)
    }

    /// Why no circuit was opened.
    package enum Refusal: UInt8, Error, Hashable, CaseIterable, Sendable {
        case relayingIsOff = 1
        case notPermitted = 2
        case targetUnreachable = 3
        case tooManyCircuits = 4
        case draining = 5
    }

    package struct Leg: Equatable, Sendable {
        package let peer: Int
        package let relayID: UInt64
        /// `nil` until the target has answered the offer.
        package var replyID: UInt64?
        /// The peer has said that nothing of its comes along the circuit any more.
        package internal(set) var isReleased = false
    }

    package struct Circuit: Equatable, Sendable {
        package var opener: Leg
        package var target: Leg
        package let openedAt: Instant

        /// The leg that `relayID` names, and the other one.
        package func legs(from relayID: UInt64) -> (from: Leg, to: Leg)? {
            if opener.relayID == relayID { return (opener, target) }
            if target.relayID == relayID { return (target, opener) }
            return nil
        }
    }

    package let limits: Limits
    /// The rates that members' frames are kept within.
    package let quota = RelayQuota()
    /// What has been relayed for each member that a circuit was opened by or to, until it is gone.
    package private(set) var meters: [Int: RelayMeter] = [:]
    package var mode: Mode
    package private(set) var openedCount = 0
    package private(set) var refusals: [Refusal: Int] = [:]
    /// Circuits by the opener's relay identifier, and that identifier by the target's.
    private var circuits: [UInt64: Circuit] = [:]
    private var openerIDs: [UInt64: UInt64] = [:]
    private var openCounts: [Int: Int] = [:]

    package init(limits: Limits = Limits(), mode: Mode) {
        self.limits = limits
        self.mode = mode
    }

    package var circuitCount: Int { circuits.count }
    /// Everybody who has a circuit here, in the order of their numbers.
    package var peers: [Int] { Set(circuits.values.flatMap { [$0.opener.peer, $0.target.peer] }).sorted() }

    /// Those of them that have not said of every circuit that nothing of theirs comes along it any more.
    package var remainingPeers: [Int] {
        Set(circuits.values.flatMap { [$0.opener, $0.target] }.filter { !$0.isReleased }.map(\.peer)).sorted()
    }

    package mutating func noteRefusal(_ refusal: Refusal) { refusals[refusal, default: 0] += 1 }

    /// Whether `peer` may open one more circuit; asked before identifiers are allocated.
    package func refusal(for peer: Int) -> Refusal? {
        switch mode {
        case .on: break
        case .off: return .relayingIsOff
        case .draining: return .draining
        }
        if circuits.count >= limits.circuits || openCounts[peer, default: 0] >= limits.circuitsPerPeer {
            return .tooManyCircuits
        }
        return nil
    }

    /// Enters a circuit whose opener is ready to receive under `replyID`; the target is still to answer.
    package mutating func open(
        by opener: Int, replyID: UInt64, relayID: UInt64, target: Int, targetRelayID: UInt64, at now: Instant
    ) {
        circuits[relayID] = Circuit(
            opener: Leg(peer: opener, relayID: relayID, replyID: replyID),
            target: Leg(peer: target, relayID: targetRelayID, replyID: nil), openedAt: now)
        openerIDs[targetRelayID] = relayID
        for peer in [opener, target] where meters[peer] == nil { meters[peer] = RelayMeter(quota) }
        openCounts[opener, default: 0] += 1
        openedCount += 1
    }

    /// The target's answer to an offer. `nil` if `peer` was offered no circuit of that name.
    package mutating func accept(relayID: UInt64, by peer: Int, replyID: UInt64) -> Circuit? {
        guard let openerID = openerIDs[relayID], var circuit = circuits[openerID], circuit.target.peer == peer else {
            return nil
        }
        circuit.target.replyID = replyID
        circuits[openerID] = circuit
        return circuit
    }

    /// One end says that it uses the circuit no more. `nil` if `peer` has no leg of that name.
    package mutating func release(_ relayID: UInt64, by peer: Int) -> Circuit? {
        guard var circuit = circuit(relayID), circuit.legs(from: relayID)?.from.peer == peer else { return nil }
        if circuit.opener.relayID == relayID {
            circuit.opener.isReleased = true
        } else {
            circuit.target.isReleased = true
        }
        circuits[circuit.opener.relayID] = circuit
        return circuit
    }

    /// The circuit that has `relayID` on one of its legs.
    package func circuit(_ relayID: UInt64) -> Circuit? {
        circuits[relayID] ?? openerIDs[relayID].flatMap { circuits[$0] }
    }

    /// Closes the circuit named by either leg, if `peer` is one of its ends (or `nil` for the relay itself).
    package mutating func close(_ relayID: UInt64, by peer: Int?) -> Circuit? {
        guard let circuit = circuit(relayID), peer == nil || circuit.opener.peer == peer || circuit.target.peer == peer
        else { return nil }
        circuits[circuit.opener.relayID] = nil
        openerIDs[circuit.target.relayID] = nil
        let remaining = openCounts[circuit.opener.peer, default: 1] - 1
        openCounts[circuit.opener.peer] = remaining > 0 ? remaining : nil
        return circuit
    }

    /// Closes every circuit of a peer that is gone, in the order of the openers' identifiers.
    package mutating func removePeer(_ peer: Int) -> [Circuit] {
        defer { meters[peer] = nil }
        return circuits(of: peer).compactMap { close($0.opener.relayID, by: nil) }
    }

    private func circuits(of peer: Int) -> [Circuit] {
        circuits.values
            .filter { $0.opener.peer == peer || $0.target.peer == peer }
            .sorted { $0.opener.relayID < $1.opener.relayID }
    }

    /// Closes circuits whose target has not answered the offer in time, in the order of the openers' identifiers.
    package mutating func closeUnanswered(openedBefore deadline: Instant) -> [Circuit] {
        circuits.values
            .filter { $0.target.replyID == nil && $0.openedAt <= deadline }
            .sorted { $0.opener.relayID < $1.opener.relayID }
            .compactMap { close($0.opener.relayID, by: nil) }
    }

    /// All circuits, in no order.
    package func forEach(_ body: (Circuit) -> Void) {
        for circuit in circuits.values { body(circuit) }
    }

    /// All circuits, in the order of the openers' identifiers.
    package var all: [Circuit] {
        circuits.values.sorted { $0.opener.relayID < $1.opener.relayID }
    }
}
