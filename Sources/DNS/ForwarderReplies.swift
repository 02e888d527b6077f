import SansIO
import Wire

/// What upstreams answer, or do not, and how that is told from what others send in their name.
extension Forwarder {
    // MARK: answers

    mutating func receive(_ bytes: [UInt8], of number: UInt64, at now: Instant) {
        guard let exchange = exchanges[number] else { return }
        switch exchange.judge(bytes) {
        case .stray: strayCount += 1
        case .unproven:
            // Perhaps a server that does not keep the case, perhaps a guess: TCP tells.
            strayCount += 1
            retry(number, exchange, overStream: true, at: now) { _ in }
        case .genuine(let message, let keepsCase):
            if exchange.isStream, !keepsCase { upstreams[exchange.server]?.foldsCase = true }
            accept(message, of: number, exchange, at: now)
        }
    }

    private mutating func accept(_ message: Message, of number: UInt64, _ exchange: Exchange, at now: Instant) {
        upstreams[exchange.server]?.noteAnswer(after: now - exchange.sentAt)
        guard case .job(let key) = exchange.purpose else {
            end(number)
            probed.remove(exchange.server)
            return
        }
        switch message.responseCode {
        case .noError where message.flags.isTruncated && !exchange.isStream:
            retry(number, exchange, overStream: true, at: now) { _ in }
        case .noError, .nameError: finish(key, .answer(message))
        case .formatError where exchange.hasEDNS, .notImplemented where exchange.hasEDNS,
            .badVersion where exchange.hasEDNS:
            retry(number, exchange, overStream: exchange.isStream, at: now) { $0.refusesEDNS = true }
        default: turnAway(number, key, at: now)
        }
    }

    /// A server failed. The others may not; but what none of them can answer is not asked again (RFC 9520 §3.1).
    private mutating func turnAway(_ number: UInt64, _ key: AnswerCache.Key, at now: Instant) {
        end(number)
        jobs[key]?.exchanges.removeAll { $0 == number }
        guard let job = jobs[key] else { return }
        if choose(for: job) != nil {
            attempt(key, at: now)
        } else if let other = job.exchanges.last, let server = exchanges[other]?.server {
            let timeout = upstreams[server]?.timeout ?? .zero
            timers.set(timers.deadline(of: .attempt(other)) ?? now + timeout, for: .attempt(other))
        } else {
            finish(key, .failure)
        }
    }

    /// Puts the question to the same server once more, in another way.
    private mutating func retry(
        _ number: UInt64, _ exchange: Exchange, overStream: Bool, at now: Instant, _ learn: (inout Upstream) -> Void
    ) {
        end(number)
        if case .job(let key) = exchange.purpose { jobs[key]?.exchanges.removeAll { $0 == number } }
        guard var upstream = upstreams[exchange.server] else {
            if case .job(let key) = exchange.purpose { attempt(key, at: now) }
            return
        }
        learn(&upstream)
        upstreams[exchange.server] = upstream
        guard case .job(let key) = exchange.purpose else { return }
        var again = Exchange(
            exchange.purpose, to: upstream, at: now, name: DomainName(checked: key.name), type: key.type,
            wantsSignatures: key.wantsSignatures, disablesChecking: key.disablesChecking, using: &random)
        again.isStream = overStream
        add(again, to: key, at: now)
    }

    /// The system could not send, or the connection broke.
    mutating func fail(_ number: UInt64, at now: Instant) {
        guard let exchange = exchanges[number] else { return }
        end(number)
        upstreams[exchange.server]?.noteFailure()
        switch exchange.purpose {
        case .job(let key):
            jobs[key]?.exchanges.removeAll { $0 == number }
            startProbing(exchange.server, at: now)
            attempt(key, at: now)
        case .probe: scheduleProbe(exchange.server, at: now)
        }
    }

    /// No answer in time. One to a question may still come, and counts until the question is given up.
    private mutating func miss(_ number: UInt64, at now: Instant) {
        guard let exchange = exchanges[number] else { return }
        upstreams[exchange.server]?.timeouts += 1
        switch exchange.purpose {
        case .job(let key):
            startProbing(exchange.server, at: now)
            attempt(key, at: now)
        case .probe:
            end(number)
            upstreams[exchange.server]?.noteFailure()
            scheduleProbe(exchange.server, at: now)
        }
    }

    // MARK: probes

    /// Finds out whether a server is there, unless that is being done.
    private mutating func startProbing(_ server: Endpoint, at now: Instant) {
        guard !probed.contains(server) else { return }
        scheduleProbe(server, at: now)
    }

    private mutating func scheduleProbe(_ server: Endpoint, at now: Instant) {
        guard let interval = upstreams[server]?.takeProbeInterval() else { return }
        probed.insert(server)
        timers.set(now + interval, for: .probe(server))
    }

    /// Any answer to a marked question shows that a server is there; one that comes back to us, that it leads here.
    mutating func probe(_ server: Endpoint, at now: Instant) {
        guard let upstream = upstreams[server], let name = Self.markDomain.prepending(upstream.mark) else { return }
        probed.insert(server)
        _ = begin(Exchange(.probe, to: upstream, at: now, name: name, type: .txt, using: &random), at: now)
    }

    // MARK: time

    mutating func advance(to now: Instant) {
        while let timer = timers.popExpired(at: now) {
            switch timer {
            case .attempt(let number): miss(number, at: now)
            case .probe(let server): probe(server, at: now)
            case .stale(let key):
                guard let job = jobs[key] else { continue }
                jobs[key]?.waiters = []
                waiterCount -= job.waiters.count
                completions.append(Completion(key: key, waiters: job.waiters, outcome: .late))
            }
        }
    }
}
