package import SansIO
package import Wire

/// Opens the NATs and firewalls between us and one peer, in step with it: UDP hole punching (RFC 5128 §3.3).
///
/// Both sides tell each other, over the path that they have, where they may be reached, and probe there at the same time:
///
///     we ── brief probes ─▷ │                             open our NAT and die on the way
///     we ── where we are, and what we have opened ──────────────────────────▶ peer   (over the relay)
///     we ◀── probes ─────────────────────────────────────────────────────── peer   pass our NAT and open theirs
///     we ◀── where they are, and what they have opened ──────────────────── peer   (over the relay)
///     we ── probes ────────────────────────────────────────────────────────▶ peer   pass theirs
///
/// A probe that arrives at a NAT which has not sent anything there yet may leave an entry that takes the port from the punch
/// that comes later: Linux's masquerade does that where the router itself lets the probe in. So while the peer has not said
/// that it opened its side for us, probes are *brief*: they pass our own router and no other. When the peer stays silent
/// they go all the way: most routers do not mind.
///
/// One attempt is a train of probes with growing pauses, begun anew when the peer brings news, and bounded. What it costs at
/// most is `targetLimit` × `shotTimes.count` × `seriesLimit` small datagrams. The pings and their answers are `PeerPaths`'.
package struct HolePunch: Sendable {
    package enum Action: Equatable, Sendable {
        /// Tell the peer over the path in use.
        case tell(Announcement)
        /// Ping this endpoint; `isBrief(_:at:)` says how far.
        case probe(Endpoint)
        /// It is time for another attempt: `begin`.
        case due(Reason)
        case ended(Attempt)
    }

    /// What goes into a word to the peer beside what only the node knows.
    package struct Announcement: Equatable, Sendable {
        package var generation: UInt32
        package var answering: UInt32
        package var wantsAnswer: Bool
        package var opened: [Endpoint]

        package init(generation: UInt32, answering: UInt32, wantsAnswer: Bool, opened: [Endpoint]) {
            self.generation = generation
            self.answering = answering
            self.wantsAnswer = wantsAnswer
            self.opened = opened
        }
    }

    /// Why an attempt was made; shown to operators.
    package enum Reason: String, Equatable, Sendable {
        case relayed = "no direct path"
        case asked = "asked by the peer"
        case candidatesChanged = "own addresses changed"
        case networkChanged = "network changed"
        case pathLost = "direct path lost"
        case stillRelayed = "still no direct path"
    }

    package enum Outcome: Equatable, Sendable {
        case won(Endpoint)
        case lost
        /// The session ended, or another attempt took its place.
        case abandoned
    }

    /// What was tried, and what came of it.
    package struct Attempt: Equatable, Sendable {
        package struct Target: Equatable, Sendable {
            package var endpoint: Endpoint
            package var probes = 0
            package var lastProbedAt: Instant?
        }

        package var reason: Reason
        package var begunAt: Instant
        package var endedAt: Instant?
        package var outcome: Outcome?
        /// Whether the peer has said a word in this attempt.
        package var isAnswered = false
        package var targets: [Target] = []
    }

    private struct Train: Sendable {
        var attempt: Attempt
        var shot = 0
        var series = 1
        var seriesBegunAt: Instant
        var nextShot: Instant?
        var briefUntil: Instant
        var isPeerOpen = false
    }

    /// When a series of probes sends each of its shots, since it began.
    package static let shotTimes: [Duration] = [0, 33, 67, 133, 267, 533, 1067, 2000].map { .milliseconds($0) }
    /// At these shots a peer that has not answered is told again: words get lost.
    private static let repeatedAtShots: Set = [4, 6]
    /// How often news of the peer begins the series anew within one attempt.
    package static let seriesLimit = 3
    /// How long the last shot may take to be answered.
    static let answerTime: Duration = .milliseconds(1500)
    package static let targetLimit = 16
    /// Between two attempts of our own.
    package static let pause: Duration = .seconds(1)
    /// Waits between attempts while there is no direct path; the last repeats.
    package static let retryWaits: [Duration] = [30, 60, 120, 300].map { .seconds($0) }
    /// How many hosts a brief probe reaches: our own router, and the one behind it that drops it.
    package static let briefHops: UInt8 = 2
    /// How long probes stay brief at least when the peer says nothing.
    static let briefTime: Duration = .milliseconds(300)

    private var train: Train?
    private var generation: UInt32 = 0
    /// The peer's last attempt that we heard of on this session.
    private var heardGeneration: UInt32 = 0
    private var begunAt: Instant?
    private var due: (at: Instant, reason: Reason)?
    private var losses = 0
    /// The attempt under way, or else the last one.
    package private(set) var lastAttempt: Attempt?

    package init() {}

    /// When `advance(to:)` next has work to do.
    package var nextDeadline: Instant? { train?.nextShot ?? due?.at }

    package var isUnderWay: Bool { train != nil }

    /// Whether a ping to an endpoint that the peer was never heard from must not come to the peer's NAT.
    ///
    /// Outside of an attempt always: then it keeps our own side open and does no harm.
    package func isBrief(_ endpoint: Endpoint, at now: Instant) -> Bool {
        guard endpoint.address.isIPv4, !endpoint.address.isPrivate else { return false }
        guard let train else { return true }
        return !train.isPeerOpen && now < train.briefUntil
    }

    /// Begins an attempt, or has one made when the pause since the last is over.
    ///
    /// - Parameters:
    ///   - endpoints: where the peer may be, as far as is known without it, best first.
    ///   - roundTrip: along the path in use, if it was measured.
    package mutating func begin(
        because reason: Reason, towards endpoints: [Endpoint], roundTrip: Duration?, at now: Instant
    ) -> [Action] {
        if reason == .candidatesChanged, train != nil { return tellAnew(at: now) }
        if let begunAt, now - begunAt < Self.pause {
            due = (begunAt + Self.pause, reason)
            return []
        }
        begunAt = now
        var actions = end(.abandoned, at: now)
        start(because: reason, towards: endpoints, roundTrip: roundTrip, at: now)
        actions += shoot(at: now)
        actions.append(tell(wantsAnswer: true))
        return actions
    }

    /// The peer said where it may be reached and what it has opened.
    ///
    /// - Parameters:
    ///   - word: as it came.
    ///   - endpoints: those of its candidates that may be probed, best first.
    ///   - own: where our packets to the Internet come from, if that is known.
    package mutating func hear(
        _ word: PunchMessage, towards endpoints: [Endpoint], own: [Endpoint], roundTrip: Duration?, at now: Instant
    ) -> [Action] {
        // Words may overtake each other; the counter of a session never goes back.
        guard word.generation >= heardGeneration else { return [] }
        let isNews = word.generation > heardGeneration
        heardGeneration = word.generation
        if train == nil {
            // A word that answers an attempt which is over asks for nothing.
            guard word.wantsAnswer else { return [] }
            start(because: .asked, towards: [], roundTrip: roundTrip, at: now)
        }
        guard var current = train else { return [] }
        let isOpen = !own.isEmpty && own.allSatisfy(word.opened.contains)
        let known = current.attempt.targets.map(\.endpoint)
        let added = endpoints.filter { !known.contains($0) }
        current.attempt.targets = Self.targets(endpoints + known, from: current.attempt.targets)
        current.attempt.isAnswered = true
        let isWorthProbing = isNews || !added.isEmpty || (isOpen && !current.isPeerOpen)
        current.isPeerOpen = current.isPeerOpen || isOpen
        train = current
        var actions: [Action] = []
        if isWorthProbing, current.series < Self.seriesLimit || current.shot == 0 {
            if current.shot > 0 { train?.series += 1 }
            train?.shot = 0
            train?.seriesBegunAt = now
            actions += shoot(at: now)
        }
        if word.wantsAnswer || !added.isEmpty { actions.append(tell(wantsAnswer: false)) }
        lastAttempt = train?.attempt
        return actions
    }

    /// Packets to the peer go directly to `endpoint` now.
    package mutating func succeeded(at endpoint: Endpoint, at now: Instant) -> [Action] {
        due = nil
        losses = 0
        return end(.won(endpoint), at: now)
    }

    /// The session ended: what is under way means nothing any more, and the next session counts from one.
    package mutating func reset(at now: Instant) -> [Action] {
        due = nil
        losses = 0
        generation = 0
        heardGeneration = 0
        begunAt = nil
        return end(.abandoned, at: now)
    }

    package mutating func advance(to now: Instant) -> [Action] {
        if let nextShot = train?.nextShot {
            guard nextShot <= now else { return [] }
            return shoot(at: now)
        }
        guard let due, due.at <= now else { return [] }
        self.due = nil
        return [.due(due.reason)]
    }

    // MARK: steps

    private mutating func start(
        because reason: Reason, towards endpoints: [Endpoint], roundTrip: Duration?, at now: Instant
    ) {
        generation += 1
        due = nil
        let attempt = Attempt(reason: reason, begunAt: now, targets: Self.targets(endpoints, from: []))
        let brief = max(Self.briefTime, roundTrip.map { $0 * 2 } ?? .zero)
        train = Train(attempt: attempt, seriesBegunAt: now, nextShot: now, briefUntil: now + brief)
        lastAttempt = attempt
    }

    /// The first `targetLimit` different endpoints, with what was done to those that are known.
    private static func targets(_ endpoints: [Endpoint], from known: [Attempt.Target]) -> [Attempt.Target] {
        var targets: [Attempt.Target] = []
        for endpoint in endpoints
        where targets.count < targetLimit && !targets.contains(where: { $0.endpoint == endpoint }) {
            targets.append(known.first { $0.endpoint == endpoint } ?? Attempt.Target(endpoint: endpoint))
        }
        return targets
    }

    private mutating func shoot(at now: Instant) -> [Action] {
        guard var current = train else { return [] }
        guard current.shot < Self.shotTimes.count else { return lose(at: now) }
        let shot = current.shot
        var actions: [Action] = []
        for index in current.attempt.targets.indices {
            current.attempt.targets[index].probes += 1
            current.attempt.targets[index].lastProbedAt = now
            actions.append(.probe(current.attempt.targets[index].endpoint))
        }
        current.shot += 1
        let isLast = current.shot == Self.shotTimes.count
        current.nextShot = isLast ? now + Self.answerTime : current.seriesBegunAt + Self.shotTimes[current.shot]
        train = current
        lastAttempt = current.attempt
        if !current.attempt.isAnswered, Self.repeatedAtShots.contains(shot) { actions.append(tell(wantsAnswer: true)) }
        return actions
    }

    /// Our own addresses changed in the middle of an attempt.
    private mutating func tellAnew(at now: Instant) -> [Action] {
        guard let current = train, current.series < Self.seriesLimit else { return [] }
        generation += 1
        train?.series += 1
        train?.shot = 0
        train?.seriesBegunAt = now
        return shoot(at: now) + [tell(wantsAnswer: !current.attempt.isAnswered)]
    }

    private func tell(wantsAnswer: Bool) -> Action {
        .tell(
            Announcement(
                generation: generation, answering: heardGeneration, wantsAnswer: wantsAnswer,
                opened: train?.attempt.targets.map(\.endpoint) ?? []))
    }

    private mutating func lose(at now: Instant) -> [Action] {
        due = (now + Self.retryWaits[min(losses, Self.retryWaits.count - 1)], .stillRelayed)
        losses += 1
        return end(.lost, at: now)
    }

    private mutating func end(_ outcome: Outcome, at now: Instant) -> [Action] {
        guard var attempt = train?.attempt else { return [] }
        train = nil
        attempt.endedAt = now
        attempt.outcome = outcome
        lastAttempt = attempt
        return [.ended(attempt)]
    }
}
