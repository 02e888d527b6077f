import SansIO

/// What one side knows of one path to a peer.
struct KnownPath: Sendable {
    /// Answers in a row that make a path count again that had fallen silent.
    static let answersUntilTrusted = 3
    /// Unanswered pings in a row after which a path that is not in use counts as silent.
    static let missesUntilSilent = 2

    let path: Path
    /// Whom it goes through.
    var relay: PeerPaths.Relay?
    var measure = PathMeasure()
    let since: Instant
    var lastHeard: Instant?
    var lastAnswered: Instant?
    var lastPinged: Instant?
    /// When the newest ping was sent that was answered: those sent before it tell no more.
    var answeredSentAt: Instant?
    /// Since when it leads there and back without having been given up. Pings sent before are no measure of its loss.
    private(set) var trustedSince: Instant?
    /// Pings in a row that were not answered in time.
    var missed = 0
    /// Answers that it still owes before it counts again.
    private(set) var owedAnswers = 0
    /// The relay said that it will go.
    var isLeaving = false

    init(_ path: Path, relay: PeerPaths.Relay? = nil, since: Instant) {
        self.path = path
        self.relay = relay
        self.since = since
    }

    /// What its round-trip time counts as, beside others'. A circuit through a relay that we reach by a stream is no better than a
    /// stream of our own.
    var bias: Double { path.bias * (relay?.isStream == true ? Path.streamBias : 1) }

    func cost(_ bound: PathMeasure.Bound, leastLoss: Double = 0) -> Double? {
        measure.cost(bias: bias, bound, leastLoss: leastLoss)
    }

    /// What it is when it comes to moving to and fro.
    var way: FlapGuard.Way { relay.map { .relay(peer: $0.peer) } ?? .path(path) }

    /// A ping of ours along it was answered: it leads there and back.
    var isProven: Bool { lastAnswered != nil }
    /// It worked once and fell silent.
    var isSilent: Bool { owedAnswers > 0 }

    /// Whether packets may be sent along it. A circuit stands because the relay and the peer said so, even before a ping.
    var isUsable: Bool { !isSilent && !isLeaving && (isProven || !path.isDirect) }

    mutating func answered(_ sentAt: Instant, countsLoss: Bool, at now: Instant) {
        if isSilent, owedAnswers == Self.answersUntilTrusted { measure.forgetDelays() }
        measure.answered(after: now - sentAt, countsLoss: countsLoss)
        if owedAnswers == 1 || trustedSince == nil { trustedSince = now }
        owedAnswers = max(0, owedAnswers - 1)
        missed = 0
        lastAnswered = now
        lastHeard = now
        answeredSentAt = max(answeredSentAt ?? sentAt, sentAt)
    }

    mutating func fellSilent() { owedAnswers = Self.answersUntilTrusted }

    /// Whether a ping that stayed unanswered says something of the rate of loss. A path that is gone loses everything, which is no
    /// rate: it would not be trusted for long after it came back.
    func countsLoss(ofPingSentAt sentAt: Instant) -> Bool {
        !isSilent && trustedSince.map { $0 <= sentAt } ?? false
    }

    /// Whether losing `other` is no reason to lose this path: no relay in common, nor a relay's host.
    func isIndependent(of other: KnownPath) -> Bool {
        guard let relay, let otherRelay = other.relay else { return true }
        return relay.peer != otherRelay.peer && (relay.host == nil || relay.host != otherRelay.host)
    }
}
