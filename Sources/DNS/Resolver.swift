package import SansIO
package import Wire

/// A server of names as one value: questions in, answers out; from the zones of this host, from the cache, or from upstreams.
///
/// ```
///   query ─▶ zones ─▶ cache ─▶ forwarder ─▶ upstreams
///             │        │          │
///             └────────┴──────────┴─▶ answer
/// ```
/// Not thread-safe and never waiting: one thread owns it, hands it what arrives, and carries out `takeActions()` after each
/// call that may have made some.
package struct Resolver: Sendable {
    /// What became of a query.
    package enum Outcome: Equatable, Sendable {
        /// The answer stands in the output.
        case answered
        /// It comes as an action with the query's token.
        case pending
        /// There is none.
        case dropped
    }

    /// How a query came, and from whom.
    package struct Client: Equatable, Sendable {
        package var address: IPAddress?
        package var isStream: Bool
        /// The shell's name for whoever asked, for answers that come later.
        package var token: UInt64

        package init(_ address: IPAddress?, isStream: Bool = false, token: UInt64) {
            self.address = address
            self.isStream = isStream
            self.token = token
        }
    }

    /// The zones; may be replaced between any two calls.
    package var index = ZoneIndex.empty
    package internal(set) var counters = NameCounters()
    let settings: ResolverSettings
    var cache: AnswerCache
    var forwarder: Forwarder
    var name = QueryName()
    private var turn: UInt32 = 0

    /// - Parameter random: unguessable, for identifiers and for the case of questions.
    package init(
        _ settings: ResolverSettings = ResolverSettings(), random: any RandomNumberGenerator & Sendable, at now: Instant
    ) {
        self.settings = settings
        cache = AnswerCache(settings.cache)
        forwarder = Forwarder(settings.forwarding, random: random, at: now)
    }

    package var nextDeadline: Instant? { forwarder.nextDeadline }
    package var upstreams: [UpstreamState] { forwarder.states }
    package var cachedCount: Int { cache.count }

    package func cachedAnswers(at now: Instant) -> [CachedAnswer] { cache.listing(at: now) }

    package mutating func clearCache() { cache.removeAll() }

    package mutating func setForwarding(_ forwarding: ForwardingSettings, at now: Instant) {
        forwarder.configure(forwarding, at: now)
    }

    package mutating func takeActions() -> [NameAction] { forwarder.takeActions() + answers.take() }

    /// Answers that came after their queries had been `pending`.
    var answers = LateAnswers()

    // MARK: queries

    /// Takes a query; its answer is appended to `output` if there is one at once.
    package mutating func receive(
        _ message: Span<UInt8>, from client: Client, at now: Instant, into output: inout [UInt8]
    ) -> Outcome {
        counters.queries += 1
        if client.isStream { counters.overStreams += 1 }
        let query: Query
        do throws(Query.Refusal) {
            query = try Query.read(message, name: &name)
        } catch {
            guard case .reply(let code, let query) = error else {
                counters.dropped += 1
                return .dropped
            }
            refuse(query, code, message, client, &output)
            return .answered
        }
        guard query.questionClass == ResourceRecord.internet, !query.type.isMeta else {
            refuse(query, .refused, message, client, &output)
            return .answered
        }
        let writer = ResponseWriter(query: query, limitBytes: limit(of: query, client))
        var head = ResponseWriter.Head(isAuthoritative: true, offersRecursion: forwarder.hasUpstreams)
        switch index.answer(name, query.type) {
        case .found(let answer):
            turn = turn &* 1_664_525 &+ 1_013_904_223
            writer.write(head, answer, question: message, turn: turn >> 8, to: &output)
            noteAuthoritative(.noError)
        case .noData(let answer):
            writer.write(head, answer, question: message, to: &output)
            noteAuthoritative(.noError)
        case .noName(let answer):
            if let waiter = searching(query, answer, message, client) { return resolve(waiter, at: now, &output) }
            head.code = .nameError
            writer.write(head, answer, question: message, to: &output)
            noteAuthoritative(.nameError)
        case .alias:
            return resolve(waiter(query, message, client), at: now, &output)
        case .elsewhere:
            return receiveForeign(query, message, client, at: now, &output)
        }
        return .answered
    }

    private mutating func noteAuthoritative(_ code: ResponseCode) {
        counters.authoritative += 1
        counters.count(code)
    }

    private mutating func refuse(
        _ query: Query, _ code: ResponseCode, _ message: Span<UInt8>, _ client: Client, _ output: inout [UInt8]
    ) {
        let writer = ResponseWriter(query: query, limitBytes: limit(of: query, client))
        let head = ResponseWriter.Head(code: code, offersRecursion: forwarder.hasUpstreams)
        writer.write(head, .empty, question: message, to: &output)
        counters.count(code)
    }

    func limit(of query: Query, _ client: Client) -> Int {
        client.isStream ? Int(UInt16.max) : min(query.payloadBytes, EDNS.payloadLimit)
    }

    func waiter(_ query: Query, _ message: Span<UInt8>, _ client: Client) -> Waiter {
        var question: [UInt8] = []
        question.reserveCapacity(query.questionEnd)
        for offset in 0..<query.questionEnd { question.append(message[offset]) }
        return Waiter(
            token: client.token, query: query, question: question, limitBytes: limit(of: query, client),
            name: name.name, target: name.name)
    }

    /// A name of no zone of ours.
    private mutating func receiveForeign(
        _ query: Query, _ message: Span<UInt8>, _ client: Client, at now: Instant, _ output: inout [UInt8]
    ) -> Outcome {
        if let mark = name.name.relative(to: Forwarder.markDomain) {
            forwarder.noteReturn(of: mark.firstLabel)
            refuse(query, .refused, message, client, &output)
            return .answered
        }
        let key = AnswerCache.Key(name: name.wire, query: query)
        if let entry = cache.find(key, at: now), now < entry.freshUntil {
            let writer = ResponseWriter(query: query, limitBytes: limit(of: query, client))
            let head = ResponseWriter.Head(code: entry.code, offersRecursion: true)
            writer.write(
                head, entry.answer, question: message, aged: (entry.age(at: now), entry.ttlOffsets), to: &output)
            counters.cached += 1
            counters.count(entry.code)
            refresh(key, entry, at: now)
            return .answered
        }
        guard query.flags.wantsRecursion, forwarder.hasUpstreams else {
            refuse(query, .refused, message, client, &output)
            return .answered
        }
        return resolve(waiter(query, message, client), at: now, &output)
    }

    private mutating func refresh(_ key: AnswerCache.Key, _ entry: AnswerCache.Entry, at now: Instant) {
        guard entry.wantsRefresh(at: now), !forwarder.isAsking(key), !forwarder.isCutOff(from: key.name),
            !cache.hasFailed(key, at: now)
        else { return }
        if forwarder.ask(key, for: nil, staleAt: nil, at: now) == .started { counters.prefetched += 1 }
    }
}

/// Answers that wait to be taken as actions.
struct LateAnswers: Sendable {
    private var actions: [NameAction] = []

    mutating func add(_ token: UInt64, _ message: [UInt8]) {
        actions.append(.answer(token: token, message: message))
    }

    mutating func take() -> [NameAction] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }
}

/// How a `Resolver` behaves.
package struct ResolverSettings: Equatable, Sendable {
    package var forwarding = ForwardingSettings()
    package var cache = CacheSettings()
    /// Whether names along a known client's search path are answered at the first of its questions (CoreDNS: autopath).
    package var answersSearchPath = true
    /// What the clients' search paths have after the cluster's domains.
    package var searchDomains: [DomainName] = []

    package init() {}
}
