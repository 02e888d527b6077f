package import SansIO
package import Wire

// Pings: when which path is asked, and what the answers and their absence say.
extension PeerPaths {
    /// Waits between rounds of probes towards candidates; the last repeats.
    package static let probeWaits: [Duration] = [
        .milliseconds(200), .milliseconds(300), .milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(30),
    ]
    /// Between two pings along the path in use and its standby, while packets flow.
    package static let activeInterval: Duration = .milliseconds(700)
    /// The same for `vigilance` after a ping was lost or the delay grew: it shows soon what has become of the path.
    package static let vigilantInterval: Duration = .milliseconds(250)
    package static let vigilance: Duration = .seconds(12)
    package static let quietInterval: Duration = .seconds(5)
    package static let keptInterval: Duration = .seconds(10)
    /// Of other paths that work.
    package static let otherInterval: Duration = .seconds(5)
    /// How long they are pinged as often as the path in use, once that has slowed down.
    static let searchTime: Duration = .seconds(4)
    /// Between rounds of probes at most while packets take a stream: datagrams may pass again any time.
    package static let streamProbeInterval: Duration = .seconds(5)
    private static let longestInterval: Duration = .seconds(30)
    /// A straight path that has missed so many pings is forgotten.
    private static let missesUntilForgotten = 8

    /// Whether a ping with this nonce was sent and not answered yet.
    package func awaits(_ nonce: UInt64) -> Bool { outstanding.contains { $0.nonce == nonce } }

    /// A pong came back along `path`; unknown nonces are ignored. It tells how many packets of containers had arrived at the peer
    /// before the ping.
    package mutating func pong(
        nonce: UInt64, along path: Path, arrived: UInt32, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let index = outstanding.firstIndex(where: { $0.nonce == nonce }), outstanding[index].path == path else {
            return []
        }
        let ping = outstanding.remove(at: index)
        if knownPath(path) == nil { insert(KnownPath(path, since: now)) }
        let before = knownPath(path)
        update(path) { $0.answered(ping.sentAt, countsLoss: !ping.isInDoubt, at: now) }
        countTraffic(ping, arrived: arrived, at: now)
        guard current != nil else { return use(path, because: .firstHeard, at: now) }
        if doubt != nil { return answeredInDoubt(along: path, at: now, using: &random) }
        return weigh(path, wasUsable: before?.isUsable == true && before?.isProven == true, at: now)
    }

    /// Pings straight endpoints at once, whatever path is in use: to open NATs towards them, or because they are new.
    package mutating func probe(
        _ endpoints: [Endpoint], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard answersPings else { return [] }
        return endpoints.prefix(Self.candidateLimit).flatMap { ping(.direct($0), at: now, using: &random) }
    }

    /// Pings the path in use unless that was done a moment ago: somebody else's path depends on it.
    package mutating func verify(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard let current, knownPath(current)?.lastPinged.map({ now - $0 >= .milliseconds(200) }) ?? true else {
            return []
        }
        return ping(current, at: now, using: &random)
    }

    /// When a path is to be pinged next; `nil`: not at all.
    func nextPing(of known: KnownPath) -> Instant? {
        guard let interval = interval(of: known) else { return nil }
        return known.lastPinged.map { $0 + interval } ?? known.since
    }

    private func interval(of known: KnownPath) -> Duration? {
        let isFirst = known.path == current || known.path == standby
        switch level {
        case .idle: return nil
        case .kept: return known.path == current ? Self.keptInterval : nil
        case .quiet: return isFirst ? Self.quietInterval : Self.longestInterval
        case .active:
            if isFirst { return vigilantUntil == nil ? Self.activeInterval : Self.vigilantInterval }
            if known.isUsable, known.isProven {
                if searchingUntil != nil { return Self.vigilantInterval }
                return vigilantUntil == nil ? Self.otherInterval : Self.activeInterval
            }
            return min(.milliseconds(500 << min(known.missed, 6)), Self.longestInterval)
        }
    }

    mutating func pingDue(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        if let until = vigilantUntil, until <= now { vigilantUntil = nil }
        if let until = searchingUntil, until <= now { searchingUntil = nil }
        var actions: [Action] = []
        for path in known where nextPing(of: path).map({ $0 <= now }) ?? false {
            actions += ping(path.path, at: now, using: &random)
        }
        return actions
    }

    mutating func ping(
        _ path: Path, inDoubt: Bool = false, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        update(path) { $0.lastPinged = now }
        guard answersPings else { return [] }
        // What was asked along other paths gives way: the deadlines of the path in use go by its last pings.
        if outstanding.count >= Self.outstandingLimit {
            outstanding.remove(at: outstanding.firstIndex { $0.path != current } ?? 0)
        }
        let nonce = UInt64.random(in: .min ... .max, using: &random)
        outstanding.append(
            OutstandingPing(
                nonce: nonce, path: path, sentAt: now, isInDoubt: doubt != nil,
                packetsSent: path == current ? traffic.packetsSent : nil))
        return [.ping(path, nonce: nonce, inDoubt: inDoubt)]
    }

    /// Gives up waiting for answers that are long overdue.
    mutating func expirePings(at now: Instant) -> [Action] {
        var actions: [Action] = []
        var remaining: [OutstandingPing] = []
        for ping in outstanding {
            let patience = knownPath(ping.path)?.measure.patience ?? .milliseconds(500)
            if now - ping.sentAt < min(max(patience * 3, .milliseconds(1500)), .seconds(3)) {
                remaining.append(ping)
            } else {
                actions += missed(ping, at: now)
            }
        }
        outstanding = remaining
        return actions
    }

    private mutating func missed(_ ping: OutstandingPing, at now: Instant) -> [Action] {
        guard var path = knownPath(ping.path), path.answeredSentAt.map({ $0 < ping.sentAt }) ?? true || !ping.isInDoubt
        else { return [] }
        if !ping.isInDoubt, path.countsLoss(ofPingSentAt: ping.sentAt) { path.measure.lost() }
        let isOvertaken = path.answeredSentAt.map { $0 > ping.sentAt } ?? false
        if !isOvertaken { path.missed += 1 }
        let fallsSilent =
            path.path != current && path.isProven && !path.isSilent && path.missed >= KnownPath.missesUntilSilent
        if fallsSilent { path.fellSilent() }
        update(ping.path) { $0 = path }
        if path.path == current || path.path == standby { vigilantUntil = now + Self.vigilance }
        if path.path != current, path.path.isDirect, path.missed >= Self.missesUntilForgotten {
            known.removeAll { $0.path == path.path }
        }
        guard fallsSilent, path.path == standby else { return [] }
        chooseStandby()
        return [.update] + (lacksStandby ? [.seek] : [])
    }

    // MARK: candidates

    mutating func probeAnew(at now: Instant) {
        probeRound = 0
        nextProbe = candidates.isEmpty || !answersPings ? nil : now
    }

    mutating func probe(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        let wait = Self.probeWaits[min(probeRound, Self.probeWaits.count - 1)]
        nextProbe = now + (current?.isStream == true ? min(wait, Self.streamProbeInterval) : wait)
        probeRound += 1
        if current?.isDirectDatagram == true, probeRound >= 4 { nextProbe = nil }
        return candidates.flatMap { candidate in
            let path = Path.direct(candidate)
            // What works is pinged in its own time.
            return path == current ? [] : ping(path, at: now, using: &random)
        }
    }
}
