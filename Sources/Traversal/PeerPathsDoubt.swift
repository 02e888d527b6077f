package import SansIO

// Doubt: whether the path in use still leads to the peer.
extension PeerPaths {
    /// While in doubt every packet goes along two paths, and all are asked.
    struct Doubt: Sendable {
        enum Cause: Sendable {
            /// Packets went out and nothing came back.
            case silence
            /// Pings are late, though the peer is heard.
            case latePings
            /// The peer doubts whether it reaches us.
            case peerInDoubt
            case networkChanged
            /// The peer sends from elsewhere.
            case roamed

            /// Whether the peer is told, so that it sends on two paths too. Not when it told us: each would wake the other for ever.
            var isToldToPeer: Bool { self != .peerInDoubt && self != .roamed }
        }

        let cause: Cause
        let since: Instant
        var duplicate: Path?
        var duplicatedSince: Instant?
        /// The first ping along the path in doubt.
        var askedAt: Instant
        var nextPing: Instant
        /// When other ways are sought, if nothing has answered.
        var nextSeek: Instant
        /// When the paths that answered may take over; set once one has.
        var switchAt: Instant?
        var answered: [Path] = []

        var deadline: Instant { min(nextPing, nextSeek, switchAt ?? .distantFuture) }
    }

    /// How long it is tried before a path is given up with nothing in its place.
    package static let giveUpTime: Duration = .seconds(5)
    /// A peer that packets come from all the time is never silent for so long.
    private static let pauseInTraffic: Duration = .milliseconds(30)
    private static let pingInterval: Duration = .milliseconds(60)
    private static let slowPingInterval: Duration = .milliseconds(500)
    /// How much longer than its round trip the path in doubt has for an answer, once another has given one. Both carry the packets
    /// meanwhile, so there is time for a few pings.
    private static let switchMargin: Duration = .milliseconds(150)
    private static let seekInterval: Duration = .seconds(1)

    /// When, if nothing is heard until then, suspicion goes one step further.
    var suspicionDeadline: Instant? {
        guard doubt == nil, answersPings, let current, let known = knownPath(current) else { return nil }
        let (patience, firstDoubt) = (known.measure.patience, known.measure.firstDoubt)
        var silence: Instant?
        if let since = traffic.silentSince {
            if let earlyPing, earlyPing.silence == since {
                silence = max(since + patience, earlyPing.sentAt + (patience - firstDoubt))
            } else {
                silence = since + firstDoubt
            }
        }
        let late = latePings(of: known)
        let overdue = late.count < 2 ? late.first.map { $0 + patience } : max(late[0] + patience, late[1] + firstDoubt)
        return [silence, overdue].compactMap { $0 }.min()
    }

    /// When the pings along a path were sent that are newer than any that was answered.
    private func latePings(of known: KnownPath) -> [Instant] {
        outstanding.filter { $0.path == known.path && $0.sentAt > known.answeredSentAt ?? .zero }.map(\.sentAt)
    }

    mutating func suspect(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard let deadline = suspicionDeadline, deadline <= now, let current, let known = knownPath(current) else {
            return []
        }
        if let since = traffic.silentSince, since + known.measure.firstDoubt <= now {
            guard let earlyPing, earlyPing.silence == since else {
                earlyPing = (since, now)
                return ping(current, at: now, using: &random)
            }
            let (patience, firstDoubt) = (known.measure.patience, known.measure.firstDoubt)
            if max(since + patience, earlyPing.sentAt + (patience - firstDoubt)) <= now {
                return beginDoubt(.silence, at: now, using: &random)
            }
        }
        let late = latePings(of: known)
        guard let first = late.first, first + known.measure.patience <= now else { return [] }
        // What came along other paths may have ended a silence that was there. While the peer is heard all the time, one ping
        // that is late need not mean anything.
        let isHeard = traffic.silentSince.map { now - $0 < Self.pauseInTraffic } ?? true
        if late.count == 1, isHeard { return ping(current, at: now, using: &random) }
        guard late.count == 1 || late[1] + known.measure.firstDoubt <= now else { return [] }
        return beginDoubt(.latePings, at: now, using: &random)
    }

    /// The peer's ping said that it does not know whether it reaches us: our packets take two paths as well, so that an
    /// answer comes through within this round trip.
    package mutating func peerDoubts(
        along path: Path, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard answersPings, current != nil else { return [] }
        guard doubt == nil else {
            guard doubt?.duplicate == nil, path != current else { return [] }
            doubt?.duplicate = path
            doubt?.duplicatedSince = now
            return [.update]
        }
        return beginDoubt(.peerInDoubt, duplicate: path == current ? nil : path, at: now, using: &random)
    }

    mutating func beginDoubt(
        _ cause: Doubt.Cause, duplicate: Path? = nil, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard doubt == nil || cause == .networkChanged, current != nil else { return [] }
        comparison = nil
        earlyPing = nil
        let second = standby ?? duplicate ?? bestOther()
        let patience = current.flatMap(knownPath)?.measure.patience ?? .milliseconds(500)
        doubt = Doubt(
            cause: cause, since: now, duplicate: second, duplicatedSince: second == nil ? nil : now, askedAt: now,
            nextPing: now, nextSeek: second == nil ? now : now + patience)
        if cause != .peerInDoubt { history.noteDoubt() }
        return [.update] + continueDoubt(at: now, using: &random)
    }

    mutating func continueDoubt(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard let doubt, let current else { return [] }
        if let due = doubt.switchAt, due <= now, let next = successor() {
            update(current) { $0.fellSilent() }
            return use(next, because: doubt.cause == .networkChanged ? .linkChanged : .unanswered, at: now)
        }
        let age = now - doubt.since
        if age >= Self.giveUpTime, doubt.answered.isEmpty {
            for index in known.indices where !known[index].isSilent { known[index].fellSilent() }
            return use(nil, because: .unanswered, at: now)
        }
        var actions: [Action] = []
        if doubt.nextPing <= now {
            self.doubt?.nextPing = now + (age < .seconds(1) ? Self.pingInterval : Self.slowPingInterval)
            actions += pingAll(inDoubt: doubt.cause.isToldToPeer, at: now, using: &random)
        }
        if doubt.nextSeek <= now {
            self.doubt?.nextSeek = doubt.answered.isEmpty ? now + Self.seekInterval : .distantFuture
            if doubt.answered.isEmpty {
                actions.append(.seek)
                if nextProbe == nil || doubt.cause != .networkChanged { probeAnew(at: now) }
            }
        }
        return actions
    }

    /// Asks every path: first those that packets take.
    private mutating func pingAll(
        inDoubt: Bool, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        let first = [current, doubt?.duplicate].compactMap { $0 }
        let others = known.filter { !first.contains($0.path) && $0.missed < 4 }.map(\.path)
        return (first + others.prefix(6)).flatMap { ping($0, inDoubt: inDoubt, at: now, using: &random) }
    }

    /// A pong came while in doubt.
    mutating func answeredInDoubt(
        along path: Path, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let doubt, let current else { return [] }
        if path == current {
            endDoubt(at: now)
            return [.update] + weigh(path, wasUsable: true, at: now)
        }
        // A path that had fallen silent must answer a few times before it is trusted, unless there is nothing else.
        if !doubt.answered.contains(path) { self.doubt?.answered.append(path) }
        var actions: [Action] = []
        if doubt.duplicate.map({ !doubt.answered.contains($0) && $0 != path }) ?? true {
            if doubt.duplicate == nil { self.doubt?.duplicatedSince = now }
            self.doubt?.duplicate = path
            actions.append(.update)
        }
        if doubt.switchAt == nil {
            let own = knownPath(current)?.measure
            let roundTrip = max(own?.smoothed ?? .milliseconds(150), own?.recent.max() ?? .zero)
            self.doubt?.switchAt = max(now, doubt.askedAt + roundTrip * 2 + Self.switchMargin)
        }
        return actions + continueDoubt(at: now, using: &random)
    }

    /// Of the paths that answered, the standby before others, else the one that costs least.
    private func successor() -> Path? {
        let answered = known.filter { doubt?.answered.contains($0.path) == true && !$0.isLeaving }
        if let standby, answered.contains(where: { $0.path == standby }) { return standby }
        return (answered.filter { !$0.isSilent }.isEmpty ? answered : answered.filter { !$0.isSilent })
            .min { rank($0) < rank($1) }?.path
    }

    mutating func endDoubt(at now: Instant) {
        if let since = doubt?.duplicatedSince, doubt?.duplicate != nil { history.noteDuplicated(now - since) }
        doubt = nil
    }

    /// The peer is elsewhere: packets go there at once, and to where it was until it has answered.
    mutating func follow(_ path: Path, at now: Instant) -> [Action] {
        if !answersPings {
            if let lastFollowedAt, now - lastFollowedAt < Self.roamingInterval { return [] }
            lastFollowedAt = now
            return use(path, because: .roamed, at: now)
        }
        lastFollowedAt = now
        let old = current
        let actions = use(path, because: .roamed, at: now)
        doubt = Doubt(
            cause: .roamed, since: now, duplicate: old, duplicatedSince: now, askedAt: now, nextPing: now,
            nextSeek: now + .milliseconds(500))
        return actions
    }
}
