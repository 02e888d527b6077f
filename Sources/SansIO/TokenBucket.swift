/// Limits how often something may happen: `rate` tokens a second flow in, up to `burst`; each event takes one or more.
///
/// Kept as one time value, the generic cell rate algorithm (ITU-T I.371).
package struct TokenBucket: Sendable {
    private let nanosecondsPerToken: Int64
    private let fillTime: Int64
    /// Nanosecond at which the bucket was, or would have been, empty.
    private var emptyAt: Int64

    /// Starts full. Preconditions: `rate` and `burst` are positive, `rate` at most 10⁹, `burst` at most 2³¹.
    package init(rate: Int, burst: Int, now: Instant) {
        precondition((1...1_000_000_000).contains(rate) && (1...Int(Int32.max)).contains(burst))
        nanosecondsPerToken = 1_000_000_000 / Int64(rate)
        fillTime = nanosecondsPerToken * Int64(burst)
        emptyAt = Int64(clamping: now.nanoseconds) - fillTime
    }

    /// Takes `count` tokens if they are there; otherwise takes none and returns `false`.
    package mutating func take(_ count: Int = 1, at now: Instant) -> Bool {
        let now = Int64(clamping: now.nanoseconds)
        let after = max(emptyAt, now - fillTime) + nanosecondsPerToken * Int64(count)
        guard after <= now else { return false }
        emptyAt = after
        return true
    }

    /// Whether nothing was taken for so long that the bucket is full again; its owner may forget it.
    package func isFull(at now: Instant) -> Bool {
        emptyAt <= Int64(clamping: now.nanoseconds) - fillTime
    }
}
