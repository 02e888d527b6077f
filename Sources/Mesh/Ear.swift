import SansIO

/// Listens for one peer: asks when it has been quiet for too long, and calls it silent when nothing answers.
///
/// ```
///   listening ── nothing for `patience` ──▶ asking ── no answer to any question ──▶ silent
///       ▲                                     │                                       │ asks on, ever more seldom
///       └──────────── anything authentic ─────┴───────────────────────────────────────┘
/// ```
/// A host that slept, or whose process was stopped, asks before it calls anybody silent: the time counts from the first question,
/// and anew when a question could not be asked in time.
struct Ear: Sendable {
    /// How a peer is listened for.
    struct Manner: Equatable, Sendable {
        /// Silence before the first question.
        var patience: Duration
        var questions: Int
        /// From the first question to the verdict, at least.
        var answerTime: Duration
        /// A silent peer is asked twice a second for so long, then once in two seconds, and after ten minutes once in ten.
        var vigour: Duration = .zero
    }

    /// When others say already that a peer is silent, it has less time to answer.
    private static let hurried: (questions: Int, answerTime: Duration) = (3, .milliseconds(300))

    enum Action: Equatable {
        case ask
        case fellSilent
    }

    enum State: Equatable, Sendable {
        case listening
        /// `nextAt`: the next question, or the verdict.
        case asking(since: Instant, count: Int, nextAt: Instant)
        case silent(since: Instant, askAt: Instant)
    }

    static let interval: Duration = .milliseconds(100)
    /// A timer that fires later than this was not served: the host slept.
    static let lateness: Duration = .milliseconds(300)
    /// Peers are waited for no longer, however long their round trips are.
    static let longestAnswerTime: Duration = .seconds(1)

    var manner: Manner
    private(set) var state = State.listening
    private(set) var lastHeard: Instant
    /// Nothing is expected before, for there is no session yet.
    private var graceUntil: Instant?
    private var isHurried = false

    init(_ manner: Manner, lastHeard: Instant, graceUntil: Instant? = nil) {
        self.manner = manner
        self.lastHeard = lastHeard
        self.graceUntil = graceUntil
    }

    /// For a peer that was silent before this node began to run.
    init(_ manner: Manner, silentAt now: Instant) {
        self.init(manner, lastHeard: .zero)
        state = .silent(since: now, askAt: now)
    }

    var isSilent: Bool {
        if case .silent = state { true } else { false }
    }

    /// Whether no more than one question has been asked.
    var isFirstQuestion: Bool {
        if case .asking(_, let count, _) = state { count <= 1 } else { false }
    }

    /// Never `nil`: somebody who listens always has a next moment to act.
    var nextDeadline: Instant {
        switch state {
        case .listening: max(lastHeard + manner.patience, graceUntil ?? .zero)
        case .asking(_, _, let nextAt): nextAt
        case .silent(_, let askAt): askAt
        }
    }

    /// Something authentic came from the peer. Whether that ended a silence.
    mutating func hear(at moment: Instant) -> Bool {
        guard moment > lastHeard else { return false }
        switch state {
        case .listening: break
        case .asking(let since, _, _), .silent(let since, _):
            // What came before the first question answers nothing.
            guard moment >= since else { return false }
        }
        defer { state = .listening }
        lastHeard = moment
        graceUntil = nil
        return isSilent
    }

    /// Asks at once, unless that is under way, and waits less long for the answer.
    mutating func ask(at now: Instant) {
        guard case .listening = state else { return }
        isHurried = true
        state = .asking(since: now, count: 0, nextAt: now)
    }

    /// Whether the peer was heard within `time`, or still has time to answer.
    func hasHeard(within time: Duration, at now: Instant) -> Bool {
        switch state {
        case .listening: now - lastHeard < time || graceUntil.map { now < $0 } ?? false
        case .asking: true
        case .silent: false
        }
    }

    /// The peer said that it leaves.
    mutating func silence(at now: Instant) {
        if !isSilent { state = .silent(since: now, askAt: now + pause(after: .zero)) }
    }

    mutating func advance(to now: Instant, roundTrip: Duration?) -> Action? {
        guard nextDeadline <= now else { return nil }
        switch state {
        case .listening:
            isHurried = false
            return begin(at: now)
        case .asking(let since, let count, let nextAt):
            if count == 0 || now > nextAt + Self.lateness { return begin(at: now) }
            let questions = isHurried ? Self.hurried.questions : manner.questions
            guard count == questions else {
                let isLast = count + 1 == questions
                let nextAt = isLast ? max(since + answerTime(for: roundTrip), now) : now + Self.interval
                state = .asking(since: since, count: count + 1, nextAt: nextAt)
                return .ask
            }
            state = .silent(since: now, askAt: now + pause(after: .zero))
            return .fellSilent
        case .silent(let since, _):
            state = .silent(since: since, askAt: now + pause(after: now - since))
            return .ask
        }
    }

    private mutating func begin(at now: Instant) -> Action {
        state = .asking(since: now, count: 1, nextAt: now + Self.interval)
        return .ask
    }

    private func answerTime(for roundTrip: Duration?) -> Duration {
        let least = isHurried ? Self.hurried.answerTime : manner.answerTime
        return max(least, min((roundTrip ?? .zero) * 1.5, Self.longestAnswerTime))
    }

    private func pause(after time: Duration) -> Duration {
        if time < manner.vigour { return .milliseconds(500) }
        return time < .seconds(600) && manner.vigour > .zero ? .seconds(2) : .seconds(10)
    }
}
