import SansIO
import Wire

/// Asks upstreams, one after the other until one answers, and never the same question twice at once.
///
/// Every question goes from a port of its own with a random identifier and random case (`Exchange`), first over UDP, and over
/// TCP where the answer was cut or did not prove that it belongs to the question. A chain of servers that leads back here ends
/// at the question that is already on its way; a marked question that returns tells which upstream it was.
struct Forwarder: Sendable {
    /// A question on its way, and who waits for it.
    struct Job: Sendable {
        let key: AnswerCache.Key
        let startedAt: Instant
        var waiters: [Waiter] = []
        var tried: [Endpoint] = []
        var attempts = 0
        /// The latest, and the one before it, whose answer still counts.
        var exchanges: [UInt64] = []
    }

    /// What became of a question.
    struct Completion: Sendable {
        enum Outcome: Sendable {
            case answer(Message)
            case failure
            /// It goes on, but these have waited long enough for something stale.
            case late
        }

        let key: AnswerCache.Key
        let waiters: [Waiter]
        let outcome: Outcome
    }

    enum Timer: Hashable, Sendable {
        case attempt(UInt64)
        case stale(AnswerCache.Key)
        case probe(Endpoint)
    }

    private static let attemptLimit = 5
    private static let timeLimit: Duration = .milliseconds(4500)
    private static let waitersPerJob = 512
    private static let exchangesPerJob = 2
    /// Names of our own below a domain that nobody has (RFC 6761 §6.4).
    static let markDomain = DomainName(checked: [13] + Array("kubemesh-loop".utf8) + [7] + Array("invalid".utf8) + [0])

    private(set) var settings: ForwardingSettings
    var upstreams: [Endpoint: Upstream] = [:]
    var jobs: [AnswerCache.Key: Job] = [:]
    var exchanges: [UInt64: Exchange] = [:]
    /// Servers with a probe on its way, or soon.
    var probed: Set<Endpoint> = []
    var timers = Deadlines<Timer>()
    private var nextExchange: UInt64 = 1
    var waiterCount = 0
    var random: any RandomNumberGenerator & Sendable
    private(set) var actions: [NameAction] = []
    var strayCount: UInt64 = 0
    var completions: [Completion] = []

    init(_ settings: ForwardingSettings, random: any RandomNumberGenerator & Sendable, at now: Instant) {
        self.settings = ForwardingSettings()
        self.random = random
        configure(settings, at: now)
    }

    var hasUpstreams: Bool { settings.routes.contains { !$0.servers.isEmpty } }
    var nextDeadline: Instant? { timers.earliest }
    var jobCount: Int { jobs.count }

    /// Replaces the routes; questions on their way go on, with what is known of servers that stay.
    mutating func configure(_ new: ForwardingSettings, at now: Instant) {
        settings = new
        let wanted = Set(new.routes.flatMap(\.servers))
        for endpoint in upstreams.keys.sorted() where !wanted.contains(endpoint) {
            upstreams[endpoint] = nil
            probed.remove(endpoint)
            timers.remove(.probe(endpoint))
        }
        for endpoint in wanted.sorted() where upstreams[endpoint] == nil {
            let mark = UInt64.random(in: .min ... .max, using: &random)
            upstreams[endpoint] = Upstream(endpoint, mark: Array(String(mark, radix: 36).utf8))
            probe(endpoint, at: now)
        }
    }

    /// Whether nobody who could be asked for this name answers at present.
    func isCutOff(from name: [UInt8]) -> Bool {
        servers(for: name).allSatisfy { upstreams[$0]?.isDown ?? true }
    }

    func isAsking(_ key: AnswerCache.Key) -> Bool { jobs[key] != nil }

    var states: [UpstreamState] {
        upstreams.values.sorted { $0.endpoint < $1.endpoint }.map { UpstreamState($0) }
    }

    mutating func takeActions() -> [NameAction] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    mutating func takeCompletions() -> [Completion] {
        defer { completions.removeAll() }
        return completions
    }

    // MARK: questions

    enum Admission { case started, joined, refused }

    /// Asks for `key` on behalf of a waiter, or of nobody. With `staleAt` the waiters are handed back then, as `late`.
    mutating func ask(_ key: AnswerCache.Key, for waiter: Waiter?, staleAt: Instant?, at now: Instant) -> Admission {
        guard waiter == nil || waiterCount < settings.waiterLimit else { return .refused }
        if let job = jobs[key] {
            guard let waiter else { return .joined }
            guard job.waiters.count < Self.waitersPerJob else { return .refused }
            jobs[key]?.waiters.append(waiter)
            waiterCount += 1
            if let staleAt, timers.deadline(of: .stale(key)) == nil { timers.set(staleAt, for: .stale(key)) }
            return .joined
        }
        guard jobs.count < settings.outstandingLimit, !servers(for: key.name).isEmpty else { return .refused }
        var job = Job(key: key, startedAt: now)
        if let waiter {
            job.waiters = [waiter]
            waiterCount += 1
        }
        jobs[key] = job
        if let staleAt { timers.set(staleAt, for: .stale(key)) }
        attempt(key, at: now)
        return .started
    }

    /// A marked question: one of ours that came back, if the mark is an upstream's. It is not asked any more.
    mutating func noteReturn(of mark: ArraySlice<UInt8>) {
        for (endpoint, upstream) in upstreams where upstream.mark.elementsEqual(mark) {
            upstreams[endpoint]?.leadsBack = true
        }
    }

    private func servers(for name: [UInt8]) -> [Endpoint] {
        let name = DomainName(checked: name)
        let fitting = settings.routes.filter { name.isWithin($0.domain) }
        let servers = fitting.max { $0.domain.wire.count < $1.domain.wire.count }?.servers ?? []
        return servers.filter { upstreams[$0]?.leadsBack != true }
    }

    /// The next to be asked: one not yet tried, one that answers, the quickest; those unknown come first.
    func choose(for job: Job) -> Endpoint? {
        let servers = servers(for: job.key.name).filter { !job.tried.contains($0) }
        return servers.enumerated().min { left, right in
            let (one, other) = (upstreams[left.element], upstreams[right.element])
            let oneRank = (one?.isDown == true ? 1 : 0, one?.roundTrip ?? .zero, left.offset)
            return oneRank < (other?.isDown == true ? 1 : 0, other?.roundTrip ?? .zero, right.offset)
        }?.element
    }

    mutating func attempt(_ key: AnswerCache.Key, at now: Instant) {
        guard var job = jobs[key] else { return }
        // Where nobody answers anyway one attempt is enough to find out whether that is still so.
        let limit = isCutOff(from: key.name) ? 1 : Self.attemptLimit
        guard job.attempts < limit, now < job.startedAt + Self.timeLimit else {
            finish(key, .failure)
            return
        }
        var chosen = choose(for: job)
        if chosen == nil {
            job.tried = []
            chosen = choose(for: job)
        }
        guard let chosen, let upstream = upstreams[chosen] else {
            finish(key, .failure)
            return
        }
        job.attempts += 1
        job.tried.append(chosen)
        let exchange = Exchange(
            .job(key), to: upstream, at: now, name: DomainName(checked: key.name), type: key.type,
            wantsSignatures: key.wantsSignatures, disablesChecking: key.disablesChecking, using: &random)
        jobs[key] = job
        add(exchange, to: key, at: now)
    }

    mutating func add(_ exchange: Exchange, to key: AnswerCache.Key, at now: Instant) {
        let number = begin(exchange, at: now)
        jobs[key]?.exchanges.append(number)
        guard let open = jobs[key]?.exchanges, open.count > Self.exchangesPerJob else { return }
        jobs[key]?.exchanges.removeFirst()
        end(open[0])
    }

    mutating func begin(_ exchange: Exchange, at now: Instant) -> UInt64 {
        let number = nextExchange
        nextExchange += 1
        exchanges[number] = exchange
        upstreams[exchange.server]?.queries += 1
        let message = exchange.message
        actions.append(
            exchange.isStream
                ? .connect(exchange: number, message: message, to: exchange.server)
                : .send(exchange: number, message: message, to: exchange.server))
        guard let upstream = upstreams[exchange.server] else { return number }
        var timeout = exchange.isStream ? max(upstream.timeout * 3, .seconds(1)) : upstream.timeout
        if case .probe = exchange.purpose { timeout = upstream.probeTimeout }
        timers.set(now + timeout, for: .attempt(number))
        return number
    }

    mutating func end(_ number: UInt64) {
        guard exchanges.removeValue(forKey: number) != nil else { return }
        timers.remove(.attempt(number))
        actions.append(.close(exchange: number))
    }

    mutating func finish(_ key: AnswerCache.Key, _ outcome: Completion.Outcome) {
        guard let job = jobs.removeValue(forKey: key) else { return }
        for exchange in job.exchanges { end(exchange) }
        timers.remove(.stale(key))
        waiterCount -= job.waiters.count
        completions.append(Completion(key: key, waiters: job.waiters, outcome: outcome))
    }
}
