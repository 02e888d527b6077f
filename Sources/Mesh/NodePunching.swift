import Datapath
import Identity
import Noise
import SansIO
package import Traversal
import Wire

/// What the NATs of two nodes do, as far as the nodes know: what punches are counted by.
package struct NATPair: Hashable, Comparable, Sendable {
    package var own: NATKind
    package var peer: NATKind

    package static func < (left: NATPair, right: NATPair) -> Bool {
        (left.own.rawValue, left.peer.rawValue) < (right.own.rawValue, right.peer.rawValue)
    }
}

/// Punches that were tried, and those after which packets went directly.
package struct PunchCount: Equatable, Sendable {
    package var tried = 0
    package var won = 0
}

// Hole punching: direct paths through NATs and firewalls, arranged with the peer over the path that stands.
extension Node {
    /// Probes of all punches together: what anybody's words can make us send.
    static let punchProbeRate = 500

    // MARK: reasons to punch

    /// The path to a peer failed, or may have: what leads to it directly is looked for again, over whatever path is left.
    mutating func requestPunch(_ number: Int, at now: Instant) {
        punch(number, because: .pathLost, at: now)
    }

    /// Begins to punch unless packets go directly already.
    mutating func punchIfRelayed(_ number: Int, because reason: HolePunch.Reason, at now: Instant) {
        guard let peer = peers[number], peer.hasSession, !peer.hasDirectPath else { return }
        punch(number, because: reason, at: now)
    }

    /// Our addresses, or what others see of them, are other ones.
    mutating func punchAll(because reason: HolePunch.Reason, at now: Instant) {
        for peer in peers.all where peer.nodeID != nil { punchIfRelayed(peer.number, because: reason, at: now) }
    }

    /// A peer's path in use changed.
    mutating func notePathForPunching(_ number: Int, at now: Instant) {
        guard let peer = peers[number], peer.hasSession, !peer.isClient else { return }
        if peer.hasDirectPath, case .direct(let endpoint)? = peer.paths.current {
            let punchActions = peers[number]?.punch.succeeded(at: endpoint, at: now) ?? []
            apply(punchActions, to: number, at: now)
            abandonSearch(with: number, at: now)
        } else if peer.paths.current != nil, !peer.punch.isUnderWay {
            punch(number, because: .relayed, at: now)
        }
    }

    /// The session ended.
    mutating func endPunching(with number: Int, at now: Instant) {
        let punchActions = peers[number]?.punch.reset(at: now) ?? []
        apply(punchActions, to: number, at: now)
        abandonSearch(with: number, at: now)
    }

    private mutating func punch(_ number: Int, because reason: HolePunch.Reason, at now: Instant) {
        // Only who showed a certificate, now or before, is told where we are.
        guard let peer = peers[number], peer.nodeID != nil, peer.hasSession else { return }
        refreshMapping(at: now)
        let roundTrip = roundTrip(to: peer)
        let punchActions =
            peers[number]?.punch.begin(because: reason, towards: peer.candidates, roundTrip: roundTrip, at: now) ?? []
        apply(punchActions, to: number, at: now)
    }

    private func roundTrip(to peer: Peer) -> Duration? {
        peer.paths.current.flatMap { peer.paths.statistics(of: $0)?.roundTripTime }
    }

    // MARK: words

    /// A member says where it may be reached, and what it has opened for us.
    mutating func receivePunch(_ payload: [UInt8], from number: Int, along path: Path, at now: Instant) {
        guard let message = try? PunchMessage(parsing: payload.span), let peer = peers[number] else {
            counters.malformedFrames += 1
            return
        }
        guard peers[number]?.punchWords.take(at: now) == true else {
            counters.overBudget += 1
            return
        }
        peers[number]?.nat = message.nat
        peers[number]?.allocation = message.allocation
        peers[number]?.punchPath = path
        let told = dialable(message.candidates.map(\.endpoint))
        let (own, roundTrip) = (punchedFrom, roundTrip(to: peer))
        let punchActions =
            peers[number]?.punch.hear(message, towards: told, own: own, roundTrip: roundTrip, at: now) ?? []
        apply(punchActions, to: number, at: now)
    }

    /// Where our packets to peers outside come from, as far as is known: that is what a peer must have opened its side for.
    private var punchedFrom: [Endpoint] {
        candidates.filter { candidate in
            [.reflexive, .interface].contains(candidate.kind) && candidate.endpoint.address.isIPv4
        }
        .map(\.endpoint)
    }

    private func message(_ announcement: HolePunch.Announcement) -> PunchMessage {
        PunchMessage(
            generation: announcement.generation, answering: announcement.answering,
            wantsAnswer: announcement.wantsAnswer, nat: ownNAT, allocation: ownAllocation,
            candidates: candidates.map { PunchMessage.Candidate($0.endpoint, kind: Self.kind(of: $0)) },
            opened: announcement.opened)
    }

    private static func kind(of candidate: OwnCandidate) -> PunchMessage.Candidate.Kind {
        switch candidate.kind {
        case .advertised: .advertised
        case .mapped: .mapped
        case .interface, .privateInterface: .interface
        case .reflexive: .reflexive
        }
    }

    // MARK: carrying out

    mutating func advancePunch(_ number: Int, at now: Instant) {
        let punchActions = peers[number]?.punch.advance(to: now) ?? []
        apply(punchActions, to: number, at: now)
        searchIfPunchIsInVain(number, at: now)
    }

    private mutating func apply(_ punchActions: [HolePunch.Action], to number: Int, at now: Instant) {
        for action in punchActions {
            switch action {
            case .tell(let announcement): tell(message(announcement), to: number, at: now)
            case .probe(let endpoint):
                guard punchProbes.take(at: now) else {
                    counters.punchProbesHeldBack += 1
                    continue
                }
                let pathActions = peers[number]?.paths.probe([endpoint], at: now, using: &random) ?? []
                apply(pathActions, to: number, at: now)
            case .due(let reason): punchIfRelayed(number, because: reason, at: now)
            case .ended(let attempt): note(attempt, with: number, at: now)
            }
        }
        deadlines.set(peers[number]?.punch.nextDeadline, for: .punch(number))
    }

    /// Along the path in use, and along another that may still work when that one is a direct path which may not.
    private mutating func tell(_ message: PunchMessage, to number: Int, at now: Instant) {
        guard let peer = peers[number] else { return }
        let frame = ControlFrame.extended(.punch, message.encoded)
        send(frame, to: number, at: now)
        guard peer.paths.current?.isDirect == true else { return }
        if let other = peer.circuits.first(where: isReady).map({ Path.relayed(circuit: $0) }) ?? peer.punchPath,
            other != peer.paths.current
        {
            send(frame, to: number, along: other, at: now)
        }
    }

    private mutating func note(_ attempt: HolePunch.Attempt, with number: Int, at now: Instant) {
        guard let peer = peers[number], attempt.outcome != .abandoned else { return }
        let pair = NATPair(own: ownNAT, peer: peer.nat)
        var isWon = peer.hasDirectPath
        if case .won? = attempt.outcome { isWon = true }
        punchCounts[pair, default: PunchCount()].tried += 1
        if isWon { punchCounts[pair, default: PunchCount()].won += 1 }
        // Said once, until it goes better or the peer moves.
        guard peer.isPunchFailureReported == isWon else { return }
        peers[number]?.isPunchFailureReported = !isWon
        if !isWon { events(.punchFailed(peer: peer.name, tried: attempt.targets.map(\.endpoint), pair: pair)) }
    }

    // MARK: pings

    /// Sends a ping. One that nobody is known to wait for may not come to the other side's NAT before its punch has left there.
    mutating func sendPing(nonce: UInt64, inDoubt: Bool, to number: Int, along path: Path, at now: Instant) {
        guard let peer = peers[number], case .direct(let endpoint) = path, path != peer.paths.current,
            peer.paths.statistics(of: path) == nil, !isReachableUnasked(peer), peer.punch.isBrief(endpoint, at: now)
        else {
            send(.ping(nonce: nonce, inDoubt: inDoubt), to: number, along: path, at: now)
            return
        }
        sendBriefly(.ping(nonce: nonce, inDoubt: inDoubt), to: number, at: endpoint, at: now)
    }

    /// Sends a short frame so that it opens our NAT towards an endpoint and does not come to the peer's.
    mutating func sendBriefly(_ frame: ControlFrame, to number: Int, at endpoint: Endpoint, at now: Instant) {
        let tunnelActions = updateTunnel(number, at: now) { tunnel throws(NoiseError) in
            tunnel.send(frame.encoded, at: now)
        }
        for action in tunnelActions ?? [] {
            if case .send(let message) = action, message.first != InitiationMessage.type {
                noteSent(to: endpoint, at: now)
                actions.append(.sendBriefly(message, to: Destination(endpoint), hops: HolePunch.briefHops))
            } else {
                apply([action], to: number, along: nil, at: now)
            }
        }
    }

    /// Whether a peer says that strangers reach it: no NAT there waits to be opened.
    func isReachableUnasked(_ peer: Peer) -> Bool {
        peer.nodeID.flatMap { directory.record(of: $0)?.abilities.contains(.reachable) } ?? true
    }

    // MARK: what is known

    /// The punch under way with a peer, or else the last one, and what is known of the peer's NAT.
    package func punchEvidence(of number: Int) -> (attempt: HolePunch.Attempt?, pair: NATPair)? {
        guard let peer = peers[number] else { return nil }
        return (peer.punch.lastAttempt, NATPair(own: ownNAT, peer: peer.nat))
    }
}

extension Peer {
    /// Whether packets go straight to the peer by UDP: nothing is left to be punched.
    var hasDirectPath: Bool {
        guard case .direct(let endpoint)? = paths.current else { return false }
        return endpoint.link?.kind != .stream
    }
}
