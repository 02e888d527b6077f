package import SansIO
package import Wire

/// Which way packets to one peer take: a *primary* path, a *standby* that is proven in advance, and when to change.
///
/// ```
///   heard, pong, add, closed ──▶ known paths, each with RTT, loss, last answer
///   traffic ──▶ pings while packets flow ──▶ unanswered? ──▶ doubt: both paths carry every packet
///                       │                                      │ primary answers: as before
///                       ▼                                      ▼ only the standby does: it is the primary
///               comparison of all paths ──▶ move to a better one, once
/// ```
/// - Whatever works first is used: a session may begin on a relay. A straight path that a ping has proven replaces it.
/// - While packets flow, the primary and the standby are pinged about every second; others seldom; with no packets, nothing.
/// - *Doubt* (`PeerPathsDoubt`) begins when packets have gone out and nothing has come back for `PathMeasure.patience`, when two
///   pings in a row are late, or when the peer says that it is in doubt.
/// - A better path (`PeerPathsChoice`) is taken when three samples in a row say so, and two paths are not swapped again soon.
///
/// The two sides choose on their own and may use different paths. That converges, since neither follows the other's choice: each
/// goes by its own pings, which see the way there and the way back, so both sides measure the same. One exception: a peer that
/// sends from an endpoint never seen before has moved, and is followed at once, once in `roamingInterval`; the endpoint left
/// gets copies until the new one has answered a ping.
/// A stock WireGuard program answers no pings: its path is where it was heard last, and only the tunnel's own timers
/// tell that it is gone.
///
/// Pings ride inside the tunnel, so only the peer itself can answer them, and they are as long as their answers.
package struct PeerPaths: Sendable {
    package struct Statistics: Equatable, Sendable {
        /// Median of the last three pings.
        package var roundTripTime: Duration?
        package var loss: Double
        package var lastHeard: Instant?
    }

    struct OutstandingPing: Sendable {
        var nonce: UInt64
        var path: Path
        var sentAt: Instant
        var isInDoubt: Bool
        /// Packets of containers that had gone to the peer, if they take this path.
        var packetsSent: UInt64?
    }

    /// Candidates probed for one peer.
    package static let candidateLimit = 16
    /// Paths remembered for one peer; the one that was silent longest makes room.
    package static let pathLimit = 2 * candidateLimit
    /// How long a peer that nothing is sent to is watched closely, and how long at all.
    package static let activeTime: Duration = .seconds(10)
    package static let quietTime: Duration = .seconds(60)
    package static let roamingInterval: Duration = .seconds(1)
    static let outstandingLimit = 256
    /// Between two advances at least.
    static let shortestPause: Duration = .milliseconds(2)

    /// Whether the peer answers pings, so that its path can be checked.
    let answersPings: Bool
    package internal(set) var current: Path?
    package internal(set) var currentSince: Instant?
    /// What takes over at once when the current path fails.
    package internal(set) var standby: Path?
    /// Until then packets are kept back, so that none overtakes those on the slower path that was left.
    package internal(set) var holdUntil: Instant?
    package internal(set) var history = PathHistory()
    var traffic = Traffic()
    var regularity = Regularity()
    /// Pings sent from then on tell of packets that took the path in use, and no other.
    var countsTrafficFrom = Instant.zero
    var level = Level.idle
    var known: [KnownPath] = []
    var candidates: [Endpoint] = []
    var outstanding: [OutstandingPing] = []
    var probeRound = 0
    var nextProbe: Instant?
    var advancedAt: Instant?
    /// Pings come faster until then, for one was lost.
    var vigilantUntil: Instant?
    /// All paths that work are pinged as often until then, for the one in use has slowed down.
    var searchingUntil: Instant?
    /// The ping that was sent because of a silence, and the silence.
    var earlyPing: (silence: Instant, sentAt: Instant)?
    var doubt: Doubt?
    var comparison: Comparison?
    var comparisonNotBefore: Instant?
    var lastFollowedAt: Instant?
    var flaps = FlapGuard()

    package init(answersPings: Bool = true) {
        self.answersPings = answersPings
    }

    package func statistics(of path: Path) -> Statistics? {
        knownPath(path).map {
            Statistics(roundTripTime: $0.measure.roundTripTime, loss: $0.measure.loss, lastHeard: $0.lastHeard)
        }
    }

    package var currentRoundTrip: Duration? { current.flatMap { knownPath($0)?.measure.roundTripTime } }
    package var knownPathCount: Int { known.count }

    /// Where every packet goes as well, while it is in doubt whether the current path leads to the peer.
    package var duplicate: Path? { doubt?.duplicate }

    /// Whether packets flow, and a relay more would do good: there is no standby.
    package var lacksStandby: Bool { level >= .quiet && answersPings && current != nil && standby == nil }

    /// Whether a path is in use, or the one that would be next.
    package func isFirst(_ path: Path) -> Bool { path == current || path == standby || path == duplicate }

    package var isInDoubt: Bool { doubt != nil }

    /// Since when no packets of ours take a path; `nil` while they do.
    package func leftSince(_ path: Path) -> Instant? {
        path == current || path == duplicate ? nil : currentSince ?? .zero
    }

    /// Relays that circuits to the peer go through.
    package var relays: [Int] { known.compactMap { $0.isSilent || $0.isLeaving ? nil : $0.relay?.peer } }

    /// When `advance(to:using:)` next has work to do.
    package var nextDeadline: Instant? {
        // Whatever is wrong here must not keep the caller from everything else.
        dueNext.map { max($0, (advancedAt ?? .zero) + Self.shortestPause) }
    }

    /// The same without the pause. A few advances at one moment, for a move makes other pings due, leave nothing that is due.
    package var dueNext: Instant? {
        let pings = doubt == nil ? known.compactMap { nextPing(of: $0) }.min() : nil
        let expected = expectationDeadline
        return [pings, nextProbe, suspicionDeadline, expected, doubt?.deadline, comparison?.deadline]
            .compactMap { $0 }.min()
    }

    // MARK: what comes in

    /// Endpoints at which the peer may be reached, best first; the probes start anew when they change.
    package mutating func setCandidates(_ endpoints: [Endpoint], at now: Instant) {
        let bounded = Array(endpoints.prefix(Self.candidateLimit))
        guard bounded != candidates else { return }
        candidates = bounded
        if let current, !current.isDirectDatagram { probeAnew(at: now) }
    }

    /// A path stands, though nothing came along it yet: a circuit, or a link.
    package mutating func add(_ path: Path, through relay: Relay? = nil, at now: Instant) {
        if let index = known.firstIndex(where: { $0.path == path }) {
            known[index].relay = relay ?? known[index].relay
        } else {
            insert(KnownPath(path, relay: relay, since: now))
        }
        chooseStandby()
    }

    /// The peer was heard: an authenticated packet arrived along `path`.
    package mutating func heard(
        along path: Path, through relay: Relay? = nil, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Action] {
        let isNew = knownPath(path) == nil
        if isNew { insert(KnownPath(path, relay: relay, since: now)) }
        update(path) { known in
            known.lastHeard = now
            known.relay = relay ?? known.relay
        }
        guard let current else { return use(path, because: .firstHeard, at: now) }
        guard path != current else { return [] }
        guard answersPings else { return follow(path, at: now) }
        if hasMoved(to: path, isNew: isNew, at: now) {
            return follow(path, at: now) + continueDoubt(at: now, using: &random)
        }
        guard let known = knownPath(path), !known.isProven, known.lastPinged.map({ now - $0 >= .seconds(1) }) ?? true
        else { return [] }
        // Inbound works; ask whether outbound does.
        return ping(path, at: now, using: &random)
    }

    /// A circuit or a link that led to the peer is gone.
    package mutating func closed(_ path: Path, at now: Instant) -> [Action] {
        known.removeAll { $0.path == path }
        outstanding.removeAll { $0.path == path }
        doubt?.forget(path)
        guard current == path else {
            guard standby == path else { return [] }
            chooseStandby()
            return [.update] + (lacksStandby ? [.seek] : [])
        }
        return use(bestOther(), because: path.isDirect ? .linkClosed : .circuitClosed, at: now)
    }

    /// The relay of these paths will go: others are to be used while it still forwards.
    package mutating func leaving(through relay: Int, at now: Instant) -> [Action] {
        for index in known.indices where known[index].relay?.peer == relay { known[index].isLeaving = true }
        chooseStandby()
        guard let current, knownPath(current)?.isLeaving == true else {
            return [.update] + (lacksStandby ? [.seek] : [])
        }
        guard let other = standby else { return [.update, .seek] }
        return use(other, because: .relayLeaving, at: now)
    }

    /// Addresses of this host changed, or it slept: every candidate is worth a new try, and the path in use a check.
    package mutating func networkChanged(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard answersPings, current != nil, level > .idle else { return [] }
        probeRound = 0
        nextProbe = candidates.isEmpty ? nil : now
        outstanding = []
        return beginDoubt(.networkChanged, at: now, using: &random)
    }

    /// The session ended: nothing is known to work any more.
    package mutating func reset() {
        let (candidates, history) = (candidates, history)
        self = PeerPaths(answersPings: answersPings)
        self.candidates = candidates
        self.history = history
    }

    package mutating func advance(
        to now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        advancedAt = now
        updateLevel(at: now)
        var actions = expirePings(at: now)
        if doubt == nil { actions += suspect(at: now, using: &random) }
        if doubt == nil {
            if let current, let due = expectationDeadline, due <= now {
                actions += ping(current, at: now, using: &random)
            }
            actions += pingDue(at: now, using: &random)
        } else {
            actions += continueDoubt(at: now, using: &random)
        }
        if let due = comparison?.deadline, due <= now { actions += continueComparison(at: now, using: &random) }
        if let due = nextProbe, due <= now { actions += probe(at: now, using: &random) }
        return actions
    }

    // MARK: steps

    func knownPath(_ path: Path) -> KnownPath? { known.first { $0.path == path } }

    mutating func update(_ path: Path, _ body: (inout KnownPath) -> Void) {
        guard let index = known.firstIndex(where: { $0.path == path }) else { return }
        body(&known[index])
    }

    mutating func insert(_ path: KnownPath) {
        if known.count >= Self.pathLimit {
            let oldest = known.indices.filter { known[$0].path != current && known[$0].path != standby }
                .min { (known[$0].lastHeard ?? .zero) < (known[$1].lastHeard ?? .zero) }
            if let oldest { known.remove(at: oldest) }
        }
        known.append(path)
    }

    /// Whether a path that was heard is where the peer is now, rather than another of its paths.
    ///
    /// An endpoint never seen before is; so is any path, when nothing has come along our own for longer than its pings would let it
    /// be silent.
    private func hasMoved(to path: Path, isNew: Bool, at now: Instant) -> Bool {
        guard let current, let own = knownPath(current), doubt == nil,
            lastFollowedAt.map({ now - $0 >= Self.roamingInterval }) ?? true
        else { return false }
        if current.isDirectDatagram, path.isDirectDatagram, isNew { return true }
        guard path.isDirect == current.isDirect, !own.isProven || level < .active else { return false }
        let lastAnswered = own.lastAnswered ?? own.since
        return now - lastAnswered > .seconds(15)
    }
}
