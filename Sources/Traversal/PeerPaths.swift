package import SansIO
package import Wire

/// A way to reach a peer.
package enum Path: Hashable, Sendable {
    /// UDP to this endpoint.
    case direct(Endpoint)
    /// Through a relay, by the circuit whose frames to us carry this identifier.
    case relayed(circuit: UInt64)

    package var isDirect: Bool {
        if case .direct = self { true } else { false }
    }
}

/// Which way packets to one peer take, decided by what has been heard along each.
///
/// - Whatever works first is used: a session may begin on a relay.
/// - A direct path is *proven* by a pong that answers our ping along it; then it replaces a relayed one.
/// - An authenticated packet along another path of the same kind moves us there: at once on the side that *follows*
///   (WireGuard's roaming); on the side that *leads* only when a ping along its own path stays unanswered. Otherwise two sides
///   that chose different paths would follow each other back and forth for ever. A peer whose source changes with every packet
///   is followed once in `roamingInterval`, so that it does not make us work for each.
/// - While packets flow, the path in use is pinged; when three pings in a row stay unanswered it is given up, a direct one
///   for the circuit if one stands.
/// - A stock WireGuard program answers no pings: its path is where it was heard last, and only the tunnel's own timers
///   tell that it is gone.
///
/// Pings ride inside the tunnel, so only the peer itself can answer them, and they are as small as their answers.
package struct PeerPaths: Sendable {
    package enum Action: Equatable, Sendable {
        case ping(Path, nonce: UInt64)
        /// Packets take this path from now on; `nil`: there is none.
        case use(Path?, reason: Reason)
    }

    /// Why a path was taken or left; shown to operators.
    package enum Reason: String, Equatable, Sendable {
        case firstHeard = "first path that answered"
        case provenDirect = "direct path proven"
        case roamed = "peer moved"
        case unanswered = "path stopped answering"
        case circuitClosed = "circuit closed"
        case linkClosed = "link closed"
        case linkChanged = "network changed"
    }

    package struct Statistics: Equatable, Sendable {
        /// Smoothed round-trip time, RFC 6298 §2 with α = 1/8.
        package var roundTripTime: Duration?
        package var lastHeard: Instant
    }

    private struct OutstandingPing: Sendable {
        var path: Path
        var sentAt: Instant
    }

    /// Candidates probed for one peer.
    package static let candidateLimit = 16
    /// Waits between rounds of probes towards candidates; the last repeats.
    package static let probeWaits: [Duration] = [
        .milliseconds(200), .milliseconds(300), .milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(30),
    ]
    package static let checkInterval: Duration = .seconds(10)
    package static let checkRetry: Duration = .seconds(1)
    package static let missesUntilGivenUp = 3
    /// How long the leading side waits for the answer to a ping before it follows the other to another path.
    package static let doubtTime: Duration = .milliseconds(500)
    package static let roamingInterval: Duration = .seconds(1)
    /// Paths with statistics; the one that was silent longest makes room.
    package static let statisticsLimit = 2 * candidateLimit
    private static let outstandingLimit = 256

    /// Whether the peer answers pings, so that its path can be checked.
    private let answersPings: Bool
    package private(set) var current: Path?
    package private(set) var currentSince: Instant?
    /// The circuit to fall back to, while one stands.
    package private(set) var circuit: UInt64?
    private var candidates: [Endpoint] = []
    private var statistics: [Path: Statistics] = [:]
    private var outstanding: [UInt64: OutstandingPing] = [:]
    private var probeRound = 0
    private var nextProbe: Instant?
    private var nextCheck: Instant?
    private var misses = 0
    private var isInUse = false
    private var lastFollowedAt: Instant?
    private let isLeading: Bool
    /// Where the peer sends from, while it is asked whether our own path to it still works.
    private var rival: (path: Path, decideAt: Instant)?

    /// `isLeading`: of two nodes exactly one leads. A stock WireGuard peer never pings, so we follow it.
    package init(isLeading: Bool = false, answersPings: Bool = true) {
        self.isLeading = isLeading
        self.answersPings = answersPings
    }

    package func statistics(of path: Path) -> Statistics? { statistics[path] }
    package var knownPathCount: Int { statistics.count }

    /// When `advance(to:using:)` next has work to do.
    package var nextDeadline: Instant? {
        [nextProbe, nextCheck, rival?.decideAt].compactMap { $0 }.min()
    }

    /// Endpoints at which the peer may be reached, best first; the probes start anew when they change.
    package mutating func setCandidates(_ endpoints: [Endpoint], at now: Instant) {
        let bounded = Array(endpoints.prefix(Self.candidateLimit))
        guard bounded != candidates else { return }
        candidates = bounded
        if current?.isDirect == false { probeAnew(at: now) }
    }

    /// Whether packets flow to or from the peer: only then is the path in use checked.
    package mutating func setInUse(_ isInUse: Bool, at now: Instant) {
        guard answersPings, isInUse != self.isInUse else { return }
        self.isInUse = isInUse
        misses = 0
        nextCheck = isInUse && current != nil ? now : nil
        if isInUse, current?.isDirect == false { probeAnew(at: now) }
    }

    /// The peer was heard: an authenticated packet arrived along `path`.
    package mutating func heard(
        along path: Path, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        statistics[path, default: Statistics(lastHeard: now)].lastHeard = now
        forgetOldestPath()
        if case .relayed(let identifier) = path { circuit = identifier }
        switch (current, path) {
        case (nil, _):
            return use(path, because: .firstHeard, at: now)
        case (.direct(let endpoint)?, .direct(let source)) where endpoint != source:
            return follow(path, at: now, using: &random)
        case (.relayed?, .direct):
            // Inbound works; ask whether outbound does.
            return ping(path, at: now, using: &random)
        case (.relayed(let old)?, .relayed(let new)) where old != new:
            return follow(path, at: now, using: &random)
        default:
            if path == current { misses = 0 }
            return []
        }
    }

    /// Pings straight endpoints at once, whatever path is in use: to open NATs towards them, or because they are new.
    package mutating func probe(
        _ endpoints: [Endpoint], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard answersPings else { return [] }
        return endpoints.prefix(Self.candidateLimit).flatMap { ping(.direct($0), at: now, using: &random) }
    }

    /// Whether a ping with this nonce was sent and not answered yet.
    package func awaits(_ nonce: UInt64) -> Bool { outstanding[nonce] != nil }

    /// A pong came back along `path`; unknown nonces are ignored.
    package mutating func pong(nonce: UInt64, along path: Path, at now: Instant) -> [Action] {
        guard let ping = outstanding.removeValue(forKey: nonce), ping.path == path else { return [] }
        let sample = now - ping.sentAt
        let smoothed = statistics[path]?.roundTripTime.map { ($0 * 7 + sample) / 8 } ?? sample
        statistics[path] = Statistics(roundTripTime: smoothed, lastHeard: now)
        if path == current {
            misses = 0
            rival = nil
            nextCheck = isInUse ? now + Self.checkInterval : nil
        }
        guard path.isDirect, current?.isDirect != true else { return [] }
        return use(path, because: .provenDirect, at: now)
    }

    /// A circuit to the peer stands, though nothing came through it yet: what to fall back to.
    package mutating func standBy(circuit identifier: UInt64) {
        if circuit == nil { circuit = identifier }
    }

    /// A circuit or a link that led to the peer is gone.
    package mutating func closed(_ path: Path, at now: Instant) -> [Action] {
        if let circuit, path == .relayed(circuit: circuit) { self.circuit = nil }
        if rival?.path == path { rival = nil }
        statistics[path] = nil
        guard current == path else { return [] }
        let fallback = path.isDirect ? circuit.map { Path.relayed(circuit: $0) } : nil
        return use(fallback, because: path.isDirect ? .linkClosed : .circuitClosed, at: now)
    }

    /// Addresses of this host changed: every candidate is worth a new try, and the path in use a check.
    package mutating func networkChanged(at now: Instant) {
        guard answersPings else { return }
        if current != nil { nextCheck = now }
        probeAnew(at: now)
    }

    /// The session ended: nothing is known to work any more.
    package mutating func reset() {
        current = nil
        currentSince = nil
        circuit = nil
        statistics = [:]
        outstanding = [:]
        nextProbe = nil
        nextCheck = nil
        rival = nil
        misses = 0
        lastFollowedAt = nil
    }

    package mutating func advance(
        to now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        var actions: [Action] = []
        if let due = nextProbe, due <= now {
            nextProbe = now + Self.probeWaits[min(probeRound, Self.probeWaits.count - 1)]
            probeRound += 1
            for endpoint in candidates { actions += ping(.direct(endpoint), at: now, using: &random) }
        }
        if let rival, rival.decideAt <= now { actions += use(rival.path, because: .roamed, at: now) }
        if let due = nextCheck, due <= now { actions += check(at: now, using: &random) }
        return actions
    }

    /// The peer sends along another path than we do.
    private mutating func follow(
        _ path: Path, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard isLeading, let current else {
            if let lastFollowedAt, now - lastFollowedAt < Self.roamingInterval { return [] }
            lastFollowedAt = now
            return use(path, because: .roamed, at: now)
        }
        guard rival == nil else {
            rival?.path = path
            return []
        }
        rival = (path, now + Self.doubtTime)
        return ping(current, at: now, using: &random)
    }

    private mutating func check(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard let current else {
            nextCheck = nil
            return []
        }
        if misses >= Self.missesUntilGivenUp {
            let fallback = current.isDirect ? circuit.map { Path.relayed(circuit: $0) } : nil
            return use(fallback, because: .unanswered, at: now)
        }
        misses += 1
        nextCheck = now + Self.checkRetry
        return ping(current, at: now, using: &random)
    }

    private mutating func use(_ path: Path?, because reason: Reason, at now: Instant) -> [Action] {
        current = path
        currentSince = now
        misses = 0
        rival = nil
        nextCheck = path != nil && isInUse ? now + Self.checkInterval : nil
        if path?.isDirect == true {
            nextProbe = nil
        } else {
            probeAnew(at: now)
        }
        return [.use(path, reason: reason)]
    }

    private mutating func probeAnew(at now: Instant) {
        probeRound = 0
        nextProbe = candidates.isEmpty || current?.isDirect == true ? nil : now
    }

    private mutating func ping(
        _ path: Path, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        if outstanding.count >= Self.outstandingLimit {
            outstanding = outstanding.filter { now - $0.value.sentAt < .seconds(5) }
        }
        guard outstanding.count < Self.outstandingLimit else { return [] }
        let nonce = UInt64.random(in: .min ... .max, using: &random)
        outstanding[nonce] = OutstandingPing(path: path, sentAt: now)
        return [.ping(path, nonce: nonce)]
    }

    private mutating func forgetOldestPath() {
        guard statistics.count > Self.statisticsLimit else { return }
        let oldest = statistics.filter { $0.key != current }.min { $0.value.lastHeard < $1.value.lastHeard }
        if let oldest { statistics[oldest.key] = nil }
    }
}
