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

        /// A path is gone: it neither carries copies nor takes over.
        mutating func forget(_ path: Path) {
            if duplicate == path { duplicate = nil }
            answered.removeAll { $0 == path }
            if answered.isEmpty { switchAt = nil }
        }
    }

    /// How long it is tried before a path is given up with nothing in its place.
    package static let giveUpTime: Duration = .seconds(5)
    /// A peer that packets come from all the time is never silent for so long.
    static let pauseInTraffic: Duration = .milliseconds(30)
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
        let silence = traffic.silentSince.map {
            silenceEnds($0, along: known) ?? $0 + silencePatience(along: known).ask
        }
        let late = latePings(of: known)
        let overdue = late.count < 2 ? late.first.map { $0 + patience } : max(late[0] + patience, late[1] + firstDoubt)
        return [silence, overdue].compactMap { $0 }.min()
    }

    /// When a silence that was asked about becomes a doubt; `nil` before.
    private func silenceEnds(_ since: Instant, along known: KnownPath) -> Instant? {
        guard let earlyPing, earlyPing.silence == since else { return nil }
        let (ask, doubt) = silencePatience(along: known)
        return max(since + doubt, earlyPing.sentAt + (doubt - ask))
    }

    private func silencePatience(along known: KnownPath) -> (ask: Duration, doubt: Duration) {
        known.measure.patience(spacing: regularity.spacing)
    }

    /// When the pings along a path were sent that are newer than any that was answered.
    private func latePings(of known: KnownPath) -> [Instant] {
        outstanding.filter { $0.path == known.path && $0.sentAt > known.answeredSentAt ?? .zero }.map(\.sentAt)
    }

    mutating func suspect(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard let deadline = suspicionDeadline, deadline <= now, let current, let known = knownPath(current) else {
            return []
        }
        if let since = traffic.silentSince, since + silencePatience(along: known).ask <= now {
            guard let end = silenceEnds(since, along: known) else {
                earlyPing = (since, now)
                return ping(current, at: now, using: &random)
            }
            if end <= now { return beginDoubt(.silence, at: now, using: &random) }
        }
        let late = latePings(of: known)
        guard let first = late.first, first + known.measure.patience <= now else { return [] }
        // What came along other paths may have ended a silence that was there. While the peer is heard all the time, one ping
        // that is late need not mean anything.
        if late.count == 1, isHeard(at: now) { return ping(current, at: now, using: &random) }
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
        if let due = doubt.switchAt, due <= now {
            if let next = successor() {
                update(current) { $0.fellSilent() }
                return use(next, because: doubt.cause == .networkChanged ? .linkChanged : .unanswered, at: now)
            }
            // Those that answered are leaving.
            self.doubt?.switchAt = nil
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

    /// Of the paths that answered the one that costs least by its answer now; the standby unless another is much better.
    private func successor() -> Path? {
        let answered = known.filter { doubt?.answered.contains($0.path) == true && !$0.isLeaving }
        let trusted = answered.filter { !$0.isSilent }
        let best = (trusted.isEmpty ? answered : trusted).min { cost(now: $0) < cost(now: $1) }
        if let kept = answered.first(where: { $0.path == standby }), let best,
            !isWorth(cost(now: kept), cost(now: best))
        {
            return kept.path
        }
        return best?.path
    }

    private func cost(now known: KnownPath) -> Double { (known.measure.recent.last?.seconds ?? 10) * known.bias }

    mutating func endDoubt(at now: Instant) {
        if let since = doubt?.duplicatedSince, doubt?.duplicate != nil { history.noteDuplicated(now - since) }
        doubt = nil
        restartTraffic(isMoved: false, at: now)
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
