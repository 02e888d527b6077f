package import SansIO
import Wire

/// Questions whose answer takes more than one step: aliases, search paths, other servers.
extension Resolver {
    // MARK: the client's search path

    /// A waiter for the rest of the search path, where the client is known to have one that begins with the name's end: what it
    /// would ask next, one question after the other, is answered now. `nil` where that does not apply.
    func searching(
        _ query: Query, _ denial: PreparedAnswer, _ message: Span<UInt8>, _ client: Client
    ) -> Waiter? {
        guard settings.answersSearchPath, query.flags.wantsRecursion, let address = client.address,
            let namespace = index.namespace(ofClient: address),
            let services = index.rules.clusterDomain.prepending("svc"),
            let first = services.prepending(namespace),
            let searched = name.name.relative(to: first), !searched.isRoot
        else { return nil }
        var waiter = waiter(query, message, client)
        let others = [services, index.rules.clusterDomain] + settings.searchDomains + [.root]
        waiter.candidates = others.compactMap { $0.prepending(searched) }
        waiter.denial = denial
        guard nextCandidate(&waiter) else { return nil }
        return waiter
    }

    /// Turns to the next name of the search path, as if the name asked for were an alias of it.
    func nextCandidate(_ waiter: inout Waiter) -> Bool {
        guard !waiter.candidates.isEmpty else { return false }
        waiter.target = waiter.candidates.removeFirst().lowercased
        waiter.chain = [ResourceRecord(waiter.name, .cname, ttl: index.rules.ttl, .name(waiter.target))]
        return true
    }

    // MARK: questions that may lead elsewhere

    /// Follows aliases and the search path until there is an answer, or a question for an upstream.
    mutating func resolve(_ waiter: Waiter, at now: Instant, _ output: inout [UInt8]) -> Outcome {
        var waiter = waiter
        while true {
            let target = QueryName(waiter.target)
            let question = Message.Question(waiter.target, waiter.query.type)
            switch index.answer(target, waiter.query.type) {
            case .found(let answer):
                finish(waiter, .noError, answer.message(to: question), &output)
                return .answered
            case .noData(let answer):
                finish(waiter, .noError, answer.message(to: question), &output)
                return .answered
            case .noName(let answer):
                if waiter.denial != nil {
                    if nextCandidate(&waiter) { continue }
                    deny(waiter, &output)
                } else {
                    finish(waiter, .nameError, answer.message(to: question), &output)
                }
                return .answered
            case .alias(let next):
                waiter.hops += 1
                let record = ResourceRecord(waiter.target, .cname, ttl: index.rules.ttl, .name(next))
                waiter.chain.append(record)
                if waiter.query.type == .cname {
                    finish(waiter, .noError, Message(id: 0), &output)
                    return .answered
                }
                waiter.target = next
                guard waiter.hops < Waiter.hopLimit else {
                    fail(waiter, &output)
                    return .answered
                }
            case .elsewhere:
                guard let outcome = resolveForeign(&waiter, target, at: now, &output) else { continue }
                return outcome
            }
        }
    }

    /// `nil` when the next candidate's turn has come.
    mutating func resolveForeign(
        _ waiter: inout Waiter, _ target: QueryName, at now: Instant, _ output: inout [UInt8]
    ) -> Outcome? {
        let key = AnswerCache.Key(name: target.wire, query: waiter.query)
        let entry = cache.find(key, at: now)
        let hasFailed = cache.hasFailed(key, at: now) || forwarder.isCutOff(from: key.name)
        if let entry, now < entry.freshUntil || hasFailed {
            if entry.code == .nameError, waiter.denial != nil, nextCandidate(&waiter) { return nil }
            give(entry, to: waiter, at: now, &output)
            return .answered
        }
        guard !cache.hasFailed(key, at: now) else {
            fail(waiter, &output)
            return .answered
        }
        let staleAt = entry == nil ? nil : now + cache.settings.staleDelay
        switch forwarder.ask(key, for: waiter, staleAt: staleAt, at: now) {
        case .started:
            counters.forwarded += 1
            return .pending
        case .joined:
            counters.joined += 1
            return .pending
        case .refused:
            if forwarder.hasUpstreams { counters.overloaded += 1 }
            if let entry { give(entry, to: waiter, at: now, &output) } else { fail(waiter, &output) }
            return .answered
        }
    }

    /// What the cache has, fresh or stale.
    mutating func give(
        _ entry: AnswerCache.Entry, to waiter: Waiter, at now: Instant, _ output: inout [UInt8]
    ) {
        let isStale = now >= entry.freshUntil
        if isStale { counters.stale += 1 } else { counters.cached += 1 }
        var message = entry.answer.message(to: Message.Question(waiter.target, waiter.query.type))
        let ttl =
            isStale
            ? cache.settings.staleTTL
            : UInt32(clamping: Int((entry.freshUntil - now).nanoseconds / 1_000_000_000))
        for part in [\Message.answers, \.authorities, \.additional] {
            for place in message[keyPath: part].indices { message[keyPath: part][place].ttl = ttl }
        }
        // RFC 8914 §4.4, §4.20: stale answer, stale denial.
        finish(waiter, entry.code, message, extendedError: isStale ? (entry.code == .nameError ? 19 : 3) : nil, &output)
    }

    mutating func deny(_ waiter: Waiter, _ output: inout [UInt8]) {
        guard let denial = waiter.denial else { return }
        let head = ResponseWriter.Head(code: .nameError, isAuthoritative: true, offersRecursion: forwarder.hasUpstreams)
        write(waiter, head, denial, &output)
        counters.authoritative += 1
    }

    /// Nobody knows; where only the search path led elsewhere, our own zone does.
    mutating func fail(_ waiter: Waiter, _ output: inout [UInt8]) {
        if waiter.denial != nil { return deny(waiter, &output) }
        // RFC 8914 §4.23: no reachable authority.
        let head = ResponseWriter.Head(
            code: .serverFailure, offersRecursion: forwarder.hasUpstreams, extendedError: 22)
        write(waiter, head, .empty, &output)
    }

    mutating func finish(
        _ waiter: Waiter, _ code: ResponseCode, _ found: Message, extendedError: UInt16? = nil, _ output: inout [UInt8]
    ) {
        if waiter.denial != nil { counters.searched += 1 }
        let answer = PreparedAnswer(
            to: waiter.name, answers: waiter.chain + found.answers, authorities: found.authorities,
            additional: found.additional)
        let isOurs = !waiter.chain.isEmpty || index.zone(of: waiter.name.wire) != nil
        let head = ResponseWriter.Head(
            code: code, isAuthoritative: isOurs, offersRecursion: forwarder.hasUpstreams, extendedError: extendedError)
        write(waiter, head, answer, &output)
    }

    mutating func write(
        _ waiter: Waiter, _ head: ResponseWriter.Head, _ answer: PreparedAnswer, _ output: inout [UInt8]
    ) {
        ResponseWriter(query: waiter.query, limitBytes: waiter.limitBytes)
            .write(head, answer, question: waiter.question.span, to: &output)
        counters.count(head.code)
    }

    // MARK: upstreams

    /// Takes what came for an exchange: a datagram, or a message of a connection.
    package mutating func receive(reply: [UInt8], of exchange: UInt64, at now: Instant) {
        forwarder.receive(reply, of: exchange, at: now)
        complete(at: now)
    }

    /// The exchange's socket refused, or its connection ended without an answer.
    package mutating func fail(exchange: UInt64, at now: Instant) {
        forwarder.fail(exchange, at: now)
        complete(at: now)
    }

    package mutating func advance(to now: Instant) {
        forwarder.advance(to: now)
        complete(at: now)
    }

    private mutating func complete(at now: Instant) {
        counters.strays = forwarder.strayCount
        for completion in forwarder.takeCompletions() {
            var answer: AnswerCache.Entry?
            switch completion.outcome {
            case .answer(let message):
                let name = DomainName(checked: completion.key.name)
                answer = AnswerCache.Entry(message, to: name, cache.settings, at: now)
                if let answer, answer.freshUntil > now { cache.store(answer, for: completion.key) }
            case .failure:
                cache.noteFailure(completion.key, at: now)
                answer = cache.find(completion.key, at: now)
            case .late: answer = cache.find(completion.key, at: now)
            }
            for waiter in completion.waiters { complete(waiter, with: answer, completion.outcome, at: now) }
        }
    }

    private mutating func complete(
        _ waiter: Waiter, with answer: AnswerCache.Entry?, _ outcome: Forwarder.Completion.Outcome, at now: Instant
    ) {
        var waiter = waiter
        var output: [UInt8] = []
        if let answer {
            if answer.code == .nameError, waiter.denial != nil {
                guard nextCandidate(&waiter) else {
                    deny(waiter, &output)
                    answers.add(waiter.token, output)
                    return
                }
                if resolve(waiter, at: now, &output) == .answered { answers.add(waiter.token, output) }
                return
            }
            if case .answer(let message) = outcome {
                var message = message
                for part in [\Message.answers, \.authorities, \.additional] {
                    for place in message[keyPath: part].indices {
                        message[keyPath: part][place].ttl = min(
                            message[keyPath: part][place].ttl, cache.settings.positiveLimit)
                    }
                }
                finish(waiter, answer.code, message, &output)
            } else {
                give(answer, to: waiter, at: now, &output)
            }
        } else {
            fail(waiter, &output)
        }
        answers.add(waiter.token, output)
    }
}
