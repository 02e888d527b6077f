import SansIO
package import Wire

/// Another server that questions are passed on to, and what is known of it.
struct Upstream: Sendable {
    private static let firstTimeout: Duration = .milliseconds(1000)
    private static let leastTimeout: Duration = .milliseconds(400)
    private static let leastProbeTimeout: Duration = .milliseconds(500)
    private static let mostTimeout: Duration = .milliseconds(2000)
    private static let failuresUntilDown = 2
    private static let leastProbeInterval: Duration = .seconds(1)
    private static let mostProbeInterval: Duration = .seconds(10)

    let endpoint: Endpoint
    /// The label by which a question of ours is known when it comes back to us.
    let mark: [UInt8]
    private(set) var roundTrip: Duration?
    private var variation: Duration = .zero
    private(set) var failures = 0
    private var probeInterval = Self.leastProbeInterval
    /// A question of ours came back through it.
    var leadsBack = false
    /// Its answers do not keep the case of the question.
    var foldsCase = false
    var refusesEDNS = false
    var queries: UInt64 = 0
    var answers: UInt64 = 0
    var timeouts: UInt64 = 0

    init(_ endpoint: Endpoint, mark: [UInt8]) {
        self.endpoint = endpoint
        self.mark = mark
    }

    var isDown: Bool { failures >= Self.failuresUntilDown }

    /// How long to wait for an answer (RFC 6298's estimate, in other bounds).
    var timeout: Duration {
        guard let roundTrip else { return Self.firstTimeout }
        return min(max(roundTrip + variation * 4, Self.leastTimeout), Self.mostTimeout)
    }

    /// A probe is answered without asking others.
    var probeTimeout: Duration { max(timeout / 2, Self.leastProbeTimeout) }

    mutating func noteAnswer(after time: Duration) {
        answers += 1
        failures = 0
        probeInterval = Self.leastProbeInterval
        if let old = roundTrip {
            let difference = time > old ? time - old : old - time
            variation = variation * 3 / 4 + difference / 4
            roundTrip = old * 7 / 8 + time / 8
        } else {
            roundTrip = time
            variation = time / 2
        }
    }

    /// A probe without an answer, or a refusal by the system; a question without one may only be a hard question.
    mutating func noteFailure() {
        failures += 1
    }

    /// How long to wait before the next probe: longer each time, once it is down.
    mutating func takeProbeInterval() -> Duration {
        guard isDown else { return .zero }
        defer { probeInterval = min(probeInterval * 2, Self.mostProbeInterval) }
        return probeInterval
    }
}

/// An upstream's state, for people.
package struct UpstreamState: Equatable, Sendable {
    package let endpoint: Endpoint
    package let isDown: Bool
    package let leadsBack: Bool
    package let roundTrip: Duration?
    package let queries: UInt64
    package let answers: UInt64
    package let timeouts: UInt64

    init(_ upstream: Upstream) {
        endpoint = upstream.endpoint
        isDown = upstream.isDown
        leadsBack = upstream.leadsBack
        roundTrip = upstream.roundTrip
        queries = upstream.queries
        answers = upstream.answers
        timeouts = upstream.timeouts
    }
}

/// Whom questions are passed on to.
package struct ForwardingSettings: Equatable, Sendable {
    /// Names in `domain` are asked of `servers`; the longest domain that fits counts, and the root fits all.
    package struct Route: Equatable, Sendable {
        package var domain: DomainName
        package var servers: [Endpoint]

        package init(_ domain: DomainName, servers: [Endpoint]) {
            self.domain = domain
            self.servers = servers
        }
    }

    package var routes: [Route] = []
    /// Questions on their way at once; each takes up to two descriptors.
    package var outstandingLimit = 512
    /// Clients that may wait for them.
    package var waiterLimit = 8192

    package init(routes: [Route] = []) {
        self.routes = routes
    }
}
