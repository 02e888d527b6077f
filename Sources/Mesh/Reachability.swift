package import SansIO
package import Wire

/// At which of its endpoints this node can be reached by those that it has not sent anything to, as others find by trying.
///
/// Endpoints are tested in rounds, each by up to three helpers. One nonce that arrives confirms an endpoint; it is refuted when
/// none arrives although two helpers sent one, or although the only helper did in three rounds one after the other. A round
/// in which nobody could help changes nothing.
package struct Reachability: Sendable {
    package enum Standing: Equatable, Sendable {
        /// Nobody could try yet.
        case untested
        case confirmed(at: Instant)
        /// Nothing arrived in so many rounds one after the other, which does not settle it yet.
        case failing(rounds: Int, wasConfirmed: Bool)
        case refuted(since: Instant)
    }

    package struct Target: Equatable, Sendable {
        package var endpoint: Endpoint
        package var standing: Standing
        /// Helpers that sent in the last round which somebody sent in.
        package var helperCount: Int
    }

    static let targetLimit = 6
    static let helperLimit = 3
    static let roundsOfOnlyHelper = 3
    /// Between rounds: when all is as it was, after a failure that is not settled yet, and after a change.
    static let interval: Duration = .seconds(240)
    static let doubtInterval: Duration = .seconds(10)
    static let settlingTime: Duration = .seconds(1)

    private struct Round: Sendable {
        var outstanding = 0
        var missed: Set<DialBackClient.Helper> = []
        var hasArrived = false
    }

    private(set) var targets: [Target] = []
    private var rounds: [Endpoint: Round] = [:]
    private(set) var nextRound: Instant?

    var isUnderWay: Bool { !rounds.isEmpty }
    /// Some endpoint was reached, and that does not yet seem to be over.
    var isConfirmed: Bool {
        targets.contains { target in
            switch target.standing {
            case .confirmed: true
            case .failing(_, let wasConfirmed): wasConfirmed
            case .untested, .refuted: false
            }
        }
    }

    func standing(of endpoint: Endpoint) -> Standing {
        targets.first { $0.endpoint == endpoint }?.standing ?? .untested
    }

    /// Nothing that was tried worked, and something was tried.
    var isRefuted: Bool {
        !targets.isEmpty
            && targets.allSatisfy { if case .refuted = $0.standing { true } else { false } }
    }

    /// Endpoints to test; a new one is tested soon.
    mutating func setTargets(_ endpoints: [Endpoint], at now: Instant) {
        let bounded = Array(endpoints.prefix(Self.targetLimit))
        guard bounded != targets.map(\.endpoint) else { return }
        let isNew = bounded.contains { endpoint in !targets.contains { $0.endpoint == endpoint } }
        targets = bounded.map { endpoint in
            targets.first { $0.endpoint == endpoint } ?? Target(endpoint: endpoint, standing: .untested, helperCount: 0)
        }
        rounds = rounds.filter { bounded.contains($0.key) }
        if isNew { testSoon(at: now) }
    }

    /// Something changed: what was found out may no longer hold.
    mutating func testSoon(at now: Instant) {
        nextRound = min(nextRound ?? .distantFuture, now + Self.settlingTime)
    }

    /// A round begins now, with these helpers for each target.
    mutating func begin(
        _ helpers: [(target: Endpoint, helpers: [DialBackClient.Helper])], at now: Instant
    ) -> [DialBackClient.Question] {
        nextRound = now + (isInDoubt ? Self.doubtInterval : Self.interval)
        var questions: [DialBackClient.Question] = []
        for (target, helpers) in helpers where rounds[target] == nil && !helpers.isEmpty {
            let chosen = helpers.prefix(Self.helperLimit)
            rounds[target] = Round(outstanding: chosen.count)
            questions += chosen.map { DialBackClient.Question(helper: $0, target: target) }
        }
        return questions
    }

    /// A question of a round is answered. Whether that settled the standing of its target.
    mutating func finished(
        _ question: DialBackClient.Question, _ result: DialBackClient.Result, at now: Instant
    ) -> Bool {
        guard var round = rounds[question.target] else { return false }
        round.outstanding -= 1
        switch result {
        case .arrived: round.hasArrived = true
        case .missed: round.missed.insert(question.helper)
        case .notSent: break
        }
        rounds[question.target] = round.outstanding > 0 ? round : nil
        guard let index = targets.firstIndex(where: { $0.endpoint == question.target }) else { return false }
        let before = targets[index].standing
        if round.hasArrived {
            targets[index].standing = .confirmed(at: now)
            targets[index].helperCount = 1
        } else if round.outstanding == 0, !round.missed.isEmpty {
            targets[index].standing = failed(before, helpers: round.missed.count, at: now)
            targets[index].helperCount = round.missed.count
            if isInDoubt { nextRound = min(nextRound ?? .distantFuture, now + Self.doubtInterval) }
        }
        return targets[index].standing != before
    }

    private func failed(_ before: Standing, helpers: Int, at now: Instant) -> Standing {
        var rounds = 1
        var wasConfirmed = false
        switch before {
        case .untested: break
        case .confirmed: wasConfirmed = true
        case .failing(let earlier, let wasEarlier): (rounds, wasConfirmed) = (earlier + 1, wasEarlier)
        case .refuted: return before
        }
        return helpers > 1 || rounds >= Self.roundsOfOnlyHelper
            ? .refuted(since: now) : .failing(rounds: rounds, wasConfirmed: wasConfirmed)
    }

    private var isInDoubt: Bool {
        targets.contains { if case .failing = $0.standing { true } else { false } }
    }
}
