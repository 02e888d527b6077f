import Identity
package import Relay
package import SansIO
import Traversal
import Wire

// Relaying at run time: on, off, and stopping in good order.
extension Node {
    package enum RelayCommand: Equatable, Sendable {
        case on
        /// At once: circuits that run here end now.
        case off
        /// In good order: who depends on this relay finds another way first. At the end of `within` what is left ends all the same.
        case drain(within: Duration)
    }

    package struct RelayStatus: Equatable, Sendable {
        package enum State: Equatable, Sendable {
            case on
            case off
            case draining(until: Instant)
            /// It may relay, but strangers do not reach it.
            case unreachable
            /// Its certificate does not give it the right to.
            case notPermitted
        }

        /// One peer that has circuits here, and what it had this node relay.
        package struct Member: Equatable, Sendable {
            package var name: String
            package var circuits: Int
            package var counts: RelayCounters.Counts
        }

        package var state: State
        package var circuits: Int
        package var circuitLimit: Int
        package var members: [Member]
        package var circuitsOpened: Int
        /// All that was relayed since the start.
        package var total: RelayCounters.Counts
        package var refusals: [RelayServer.Refusal: Int]
    }

    /// How long circuits may still run when an operator does not say.
    package static let drainTime: Duration = .seconds(30)
    /// The same when the host leaves the mesh.
    package static let leavingDrainTime: Duration = .seconds(3)
    /// From the last packet along a circuit that was left until the relay hears that no more will come.
    private static let releaseTime: Duration = .milliseconds(300)
    /// Words get lost: who has not left a relay that drains is told so again.
    private static let drainWordInterval: Duration = .milliseconds(500)

    package var relayStatus: RelayStatus {
        let state: RelayStatus.State =
            switch relay.mode {
            case .off: .off
            case .on where !isRelayPermitted: .notPermitted
            case .draining(let deadline): .draining(until: deadline)
            case .on: relayLoad == .max && relay.circuitCount == 0 && !isReachable ? .unreachable : .on
            }
        let circuits = relay.all
        let members = relay.peers.map { number in
            RelayStatus.Member(
                name: name(of: number),
                circuits: circuits.count { $0.opener.peer == number || $0.target.peer == number },
                counts: relay.meters[number]?.counts ?? RelayCounters.Counts())
        }
        return RelayStatus(
            state: state, circuits: relay.circuitCount, circuitLimit: relay.limits.circuits, members: members,
            circuitsOpened: relay.openedCount, total: relay.quota.counts, refusals: relay.refusals)
    }

    /// Whether a drain is under way and circuits still run.
    package var isDraining: Bool {
        if case .draining = relay.mode { relay.circuitCount > 0 } else { false }
    }

    package mutating func setRelaying(_ command: RelayCommand, at now: Instant) {
        switch command {
        case .on:
            let wasDraining = relay.mode != .off && relay.mode != .on
            relay.mode = .on
            deadlines.remove(.drain)
            if wasDraining { tell(.resumed, to: relay.peers, at: now) }
        case .off: stopRelaying(at: now)
        case .drain(let time):
            guard relay.mode != .off else { return }
            relay.mode = .draining(until: now + time)
            advanceDrain(to: now)
            endDrainIfDone(at: now)
        }
        refreshRecord(at: now)
    }

    /// To be called before `leave`: a relay in use lets those that depend on it go first. `false`: nobody does.
    package mutating func prepareToLeave(at now: Instant) -> Bool {
        guard relay.circuitCount > 0 else { return false }
        setRelaying(.drain(within: Self.leavingDrainTime), at: now)
        return isDraining
    }

    /// Tells those that have not left yet; at the deadline what is left ends.
    mutating func advanceDrain(to now: Instant) {
        guard case .draining(let deadline) = relay.mode else { return }
        guard now < deadline else { return stopRelaying(at: now) }
        tell(.draining(deadline: deadline - now), to: relay.remainingPeers, at: now)
        deadlines.set(min(deadline, now + Self.drainWordInterval), for: .drain)
    }

    private mutating func stopRelaying(at now: Instant) {
        relay.mode = .off
        deadlines.remove(.drain)
        for circuit in relay.all {
            if let closed = relay.close(circuit.opener.relayID, by: nil) {
                announceClosed(closed, except: nil, at: now)
            }
        }
        refreshRecord(at: now)
    }

    func endsRelaying(_ circuit: RelayServer.Circuit) -> Bool { circuit.opener.isReleased && circuit.target.isReleased }

    mutating func endDrainIfDone(at now: Instant) {
        guard case .draining = relay.mode, relay.circuitCount == 0 else { return }
        relay.mode = .off
        deadlines.remove(.drain)
    }

    private mutating func tell(_ message: RelayingMessage, to numbers: [Int], at now: Instant) {
        for number in numbers { send(.extended(.relaying, message.encoded), to: number, at: now) }
    }

    // MARK: words of others

    mutating func receiveRelaying(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let message = try? RelayingMessage(parsing: payload.span) else {
            counters.malformedFrames += 1
            return
        }
        switch message {
        case .draining: relayLeaves(number, at: now)
        case .resumed: peers[number]?.isLeavingRelay = false
        case .released(let identifier):
            guard let circuit = relay.release(identifier, by: number) else { return }
            if endsRelaying(circuit), let closed = relay.close(circuit.opener.relayID, by: nil) {
                announceClosed(closed, except: nil, at: now)
                endDrainIfDone(at: now)
            }
        }
    }

    /// A relay will go: whoever is reached through it is reached another way before it does. Until its record says that it relays
    /// again it is no relay for us.
    private mutating func relayLeaves(_ number: Int, at now: Instant) {
        peers[number]?.isLeavingRelay = true
        for (identifier, circuit) in localCircuits(through: number) {
            if circuit.isReleased {
                // It still counts on us: our word was lost.
                var unreleased = circuit
                unreleased.isReleased = false
                circuits[identifier] = .local(unreleased)
            }
            updatePaths(circuit.peer, at: now) { paths, _ in paths.leaving(through: number, at: now) }
        }
        if deadlines.deadline(of: .release) == nil { deadlines.set(now + Self.releaseTime, for: .release) }
    }

    /// Tells relays that leave which of their circuits we have left.
    mutating func releaseCircuits(at now: Instant) {
        var isWaiting = false
        for peer in peers.all where peer.isLeavingRelay && peer.hasSession {
            for (identifier, circuit) in localCircuits(through: peer.number) where !circuit.isReleased {
                let paths = peers[circuit.peer]?.paths
                let left = paths?.leftSince(.relayed(circuit: identifier))
                guard let relayID = circuit.relayID, left.map({ now - $0 >= Self.releaseTime }) ?? false else {
                    isWaiting = true
                    continue
                }
                var released = circuit
                released.isReleased = true
                circuits[identifier] = .local(released)
                send(
                    .extended(.relaying, RelayingMessage.released(identifier: relayID).encoded), to: peer.number,
                    at: now)
            }
        }
        deadlines.set(isWaiting ? now + Self.releaseTime : nil, for: .release)
    }

    private func localCircuits(through relay: Int) -> [(UInt64, LocalCircuit)] {
        circuits.entries.compactMap { identifier, slot in
            if case .local(let circuit) = slot, circuit.relay == relay { (identifier, circuit) } else { nil }
        }
    }
}
