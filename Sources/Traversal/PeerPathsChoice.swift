import SansIO

// Choice: which path is the best one, and whether it is worth a move.
extension PeerPaths {
    /// All paths are asked three times in a short while, and then compared: so a move goes to the best of all, at once.
    struct Comparison: Sendable {
        static let interval: Duration = .milliseconds(200)

        let startedAt: Instant
        var roundsLeft: Int
        /// More rounds that may follow for a path that looks best and has not answered often enough.
        var extraRounds = 3
        var deadline: Instant
    }

    /// A path must be better by so much, or by so large a part of the cost of the one in use, in seconds, beyond what jitter
    /// makes of it: the worst of its last three samples against the best of the other's.
    private static let margin = 0.005
    private static let marginPart = 0.15
    private static let comparisonPause: Duration = .seconds(2)
    private static let comparedLimit = 8
    private static let longestHold: Duration = .milliseconds(250)

    /// Takes a path into use.
    mutating func use(_ path: Path?, because reason: Reason, at now: Instant) -> [Action] {
        let old = current
        holdUntil = hold(from: old, to: path, because: reason, at: now)
        endDoubt(at: now)
        comparison = nil
        earlyPing = nil
        if let old = old.flatMap(knownPath), let path = path.flatMap(knownPath) {
            flaps.noteMove(old.way, path.way, at: now)
        }
        history.note(.init(at: now, from: old, to: path, reason: reason))
        current = path
        currentSince = now
        searchingUntil = nil
        restartTraffic(isMoved: true, at: now)
        chooseStandby()
        if path?.isDirectDatagram == true {
            nextProbe = nil
        } else {
            probeAnew(at: now)
        }
        return [.use(path, reason: reason)] + (path != nil && lacksStandby ? [.seek] : [])
    }

    /// How long packets must wait so that they do not overtake those sent along the slower path before.
    private func hold(from old: Path?, to new: Path?, because reason: Reason, at now: Instant) -> Instant? {
        guard doubt == nil, reason != .unanswered, reason != .roamed, reason != .circuitClosed, reason != .linkClosed,
            let before = old.flatMap(knownPath)?.measure, let slow = before.recent.max(),
            let after = new.flatMap(knownPath)?.measure, let sampled = after.recent.min()
        else { return nil }
        // One or two samples may have been lucky; or late, as the first along a new path often is.
        let fast = after.recent.count < PathMeasure.recentCount ? sampled * 3 / 4 : sampled
        guard slow > fast else { return nil }
        let margin: Duration = .milliseconds(before.recent.count < PathMeasure.recentCount ? 12 : 4)
        return now + min((slow - fast) / 2 + margin + .nanoseconds(Int64(before.jitter * 5e8)), Self.longestHold)
    }

    // MARK: standby

    /// Settles what takes over when the path in use fails: independent of it, and proven if one is.
    mutating func chooseStandby(anew: Bool = false) {
        guard let current, let own = knownPath(current), answersPings else {
            standby = nil
            return
        }
        let eligible = known.filter { $0.path != current && $0.isUsable && $0.isIndependent(of: own) }
        let best = eligible.min { rank($0) < rank($1) }
        if let standby, let kept = eligible.first(where: { $0.path == standby }),
            !anew || !isWorth(leaving: kept, for: best)
        {
            // A circuit beside a straight path, and a straight path beside a circuit, are worth more than another of a kind.
            if best.map({ $0.path.isDirect == kept.path.isDirect || $0.path.isDirect == own.path.isDirect }) ?? true {
                return
            }
        }
        standby = best?.path
    }

    private func isWorth(leaving kept: KnownPath, for best: KnownPath?) -> Bool {
        guard let best, best.path != kept.path, let ours = kept.cost(.lower),
            let theirs = best.cost(.upper)
        else { return false }
        return isWorth(ours, theirs)
    }

    /// Whether a path of the one cost is to be left for one of the other.
    func isWorth(_ ours: Double, _ theirs: Double) -> Bool {
        theirs + max(Self.margin, ours * Self.marginPart) <= ours
    }

    /// What is better to fall back to, least first: of another kind than the path in use, proven, cheap.
    func rank(_ path: KnownPath) -> (Int, Int, Double) {
        let isOtherKind = path.path.isDirect != (current?.isDirect ?? false)
        let cost =
            path.cost(.upper) ?? path.measure.roundTripTime.map { $0.seconds * path.bias }
        return (isOtherKind ? 0 : 1, path.isProven ? 0 : 1, cost ?? 10)
    }

    /// What to use when the path in use is gone this moment.
    func bestOther() -> Path? {
        if let standby, knownPath(standby) != nil, standby != current { return standby }
        let others = known.filter { $0.path != current }
        let usable = others.filter(\.isUsable)
        return (usable.isEmpty ? others.filter { $0.lastHeard != nil && !$0.isLeaving && !$0.isSilent } : usable)
            .min { rank($0) < rank($1) }?.path
    }

    // MARK: moving to a better path

    /// A path answered a ping: does that change the choice?
    mutating func weigh(_ path: Path, wasUsable: Bool, at now: Instant) -> [Action] {
        guard let current, let own = knownPath(current), let answered = knownPath(path), answered.isUsable else {
            return []
        }
        let before = standby
        if !wasUsable { chooseStandby() }
        let changed: [Action] = standby == before ? [] : [.update]
        if own.isLeaving, path != current { return use(path, because: .relayLeaving, at: now) }
        if path == current {
            lookAround(own, at: now)
            guard own.measure.recent.count == 1, let proven = provenDirect(insteadOf: own, at: now) else {
                return changed
            }
            return use(proven.path, because: .provenDirect, at: now)
        }
        if isStraighter(path, than: current), isWelcome(answered, insteadOf: own, at: now) {
            return use(path, because: .provenDirect, at: now)
        }
        if !wasUsable || looksBetter(answered, than: own) { beginComparison(at: now) }
        return changed
    }

    private func isStraighter(_ path: Path, than current: Path) -> Bool {
        path.isDirectDatagram ? !current.isDirectDatagram : path.isStream && !current.isDirect
    }

    /// The straight path that was proven before there was anything to compare it with.
    private func provenDirect(insteadOf own: KnownPath, at now: Instant) -> KnownPath? {
        known.filter {
            isStraighter($0.path, than: own.path) && $0.isUsable && isWelcome($0, insteadOf: own, at: now)
        }.min { rank($0) < rank($1) }
    }

    /// Whether a straight path that answers replaces another kind of path at once.
    private func isWelcome(_ path: KnownPath, insteadOf own: KnownPath, at now: Instant) -> Bool {
        guard flaps.allows(own.way, path.way, at: now), path.measure.trafficLoss < 2 * TrafficLoss.tolerance,
            path.measure.pingLoss < 0.05 || path.measure.lostCount < 4, !isBeingMeasured(own, at: now)
        else { return false }
        guard let ours = own.measure.roundTripTime, let theirs = path.measure.recent.last else { return true }
        return theirs.seconds * path.bias <= ours.seconds * own.bias + Self.margin
    }

    /// Whether the first answer along a path is about to come: without it nobody knows for how long packets along a faster one must
    /// be held, so that they do not overtake those under way.
    private func isBeingMeasured(_ path: KnownPath, at now: Instant) -> Bool {
        path.measure.recent.isEmpty
            && outstanding.contains { $0.path == path.path && now - $0.sentAt < path.measure.patience }
    }

    /// The path in use answered: is it as good as it was?
    private mutating func lookAround(_ own: KnownPath, at now: Instant) {
        if hasSlowed(own, part: 0.5, margin: 0.01) { searchingUntil = now + Self.searchTime }
        if hasSlowed(own, part: Self.marginPart, margin: Self.margin) || own.measure.losesTraffic
            || own.measure.lostCount > 2
        {
            vigilantUntil = now + Self.vigilance
            beginComparison(at: now)
        } else if own.measure.traffic.hasJustLost {
            vigilantUntil = max(vigilantUntil ?? now, now + Self.searchTime)
        }
    }

    private func hasSlowed(_ own: KnownPath, part: Double, margin: Double) -> Bool {
        guard let last = own.measure.recent.last, let best = own.measure.recent.min() else { return false }
        return last.seconds > best.seconds * (1 + part) + margin
    }

    private func looksBetter(_ other: KnownPath, than own: KnownPath) -> Bool {
        guard let theirs = other.measure.recent.last, let ours = own.measure.roundTripTime else { return true }
        let cost = ours.seconds * own.bias
        return isWorth(cost, theirs.seconds * other.bias)
            || own.measure.lostCount > other.measure.lostCount + 1
    }

    private mutating func beginComparison(at now: Instant) {
        guard level >= .quiet, comparison == nil, comparisonNotBefore.map({ $0 <= now }) ?? true,
            known.contains(where: { $0.path != current && $0.isUsable })
        else { return }
        comparison = Comparison(startedAt: now, roundsLeft: PathMeasure.recentCount, deadline: now)
    }

    mutating func continueComparison(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard let comparison, doubt == nil else { return [] }
        let compared = known.filter { $0.path == current || $0.isUsable }.sorted { rank($0) < rank($1) }
        if comparison.roundsLeft == 0 {
            guard comparison.extraRounds > 0, lacksAnswers(of: compared, since: comparison.startedAt, at: now) else {
                return decide(at: now)
            }
            self.comparison?.extraRounds -= 1
        } else {
            self.comparison?.roundsLeft -= 1
        }
        let slowest = compared.compactMap(\.measure.recent.last).max() ?? .milliseconds(200)
        self.comparison?.deadline =
            now
            + (comparison.roundsLeft > 1
                ? Comparison.interval : min(max(slowest * 5 / 4, .milliseconds(100)), .seconds(1)))
        let paths = [current].compactMap { $0 } + compared.map(\.path).filter { $0 != current }
        return paths.prefix(Self.comparedLimit).flatMap { ping($0, at: now, using: &random) }
    }

    /// Whether a path's newest answer promises more than any can prove: moving elsewhere now would only be the first of two moves.
    private func lacksAnswers(of compared: [KnownPath], since start: Instant, at now: Instant) -> Bool {
        guard let current, let own = knownPath(current), let ours = own.cost(.lower) else { return false }
        let proven = min(ours, rivals(of: own, at: now).map(\.cost).min() ?? ours)
        return compared.contains { path in
            guard path.path != current, path.isProven, path.answeredSentAt.map({ $0 >= start }) ?? false,
                flaps.allows(own.way, path.way, at: now), let newest = path.measure.recent.last
            else { return false }
            return sharedLoss(of: path) == 0 && isWorth(proven, newest.seconds * path.bias)
                && path.cost(.upper).map { $0 + own.measure.jitter + path.measure.jitter > proven } ?? true
        }
    }

    /// What the other paths cost at most, so that one is only left for one that is surely better.
    private func rivals(of own: KnownPath, at now: Instant) -> [(path: KnownPath, cost: Double)] {
        known.compactMap { path in
            guard path.path != own.path, path.isUsable, flaps.allows(own.way, path.way, at: now),
                let cost = path.cost(.upper, leastLoss: sharedLoss(of: path))
            else { return nil }
            return (path, cost + own.measure.jitter + path.measure.jitter)
        }
    }

    /// What is lost along other paths through the same relay: it is this one's loss as well.
    private func sharedLoss(of path: KnownPath) -> Double {
        known.filter { $0.path != path.path && !$0.isIndependent(of: path) }.map(\.measure.shownLoss).max() ?? 0
    }

    private mutating func decide(at now: Instant) -> [Action] {
        comparison = nil
        comparisonNotBefore = now + Self.comparisonPause
        guard let current, let own = knownPath(current), let ours = own.cost(.lower) else {
            return []
        }
        let before = standby
        guard let best = rivals(of: own, at: now).min(by: { $0.cost < $1.cost }), isWorth(ours, best.cost) else {
            chooseStandby(anew: true)
            return standby == before ? [] : [.update]
        }
        let isFaster = (best.path.measure.recent.max() ?? .zero) < (own.measure.recent.min() ?? .zero)
        let actions = use(best.path.path, because: isFaster ? .faster : .lessLoss, at: now)
        chooseStandby(anew: true)
        return actions
    }
}
