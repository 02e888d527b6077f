import SansIO

/// One question, repeated until it is answered or has been asked often enough.
///
/// As RFC 6886 §3.1 and RFC 6887 §8.1.1: twice as long a wait each time, varied by a tenth. It starts at NAT-PMP's 250 ms for
/// both, and ends early, since whoever gives up asks again later.
struct Attempt: Sendable {
    enum Step { case ask, giveUp }

    static let firstWait: Duration = .milliseconds(250)

    private var wait = firstWait
    private var remaining: Int
    private(set) var nextDeadline: Instant

    /// The first question goes out now, by the caller; `count` in all.
    init(count: Int, at now: Instant, using random: inout some RandomNumberGenerator) {
        remaining = count - 1
        nextDeadline = now + Self.varied(wait, using: &random)
    }

    mutating func advance(to now: Instant, using random: inout some RandomNumberGenerator) -> Step? {
        guard now >= nextDeadline else { return nil }
        guard remaining > 0 else { return .giveUp }
        remaining -= 1
        wait = wait * 2
        nextDeadline = now + Self.varied(wait, using: &random)
        return .ask
    }

    private static func varied(_ wait: Duration, using random: inout some RandomNumberGenerator) -> Duration {
        let tenth = wait.nanoseconds / 10
        return wait + .nanoseconds(Int64.random(in: -tenth...tenth, using: &random))
    }
}
