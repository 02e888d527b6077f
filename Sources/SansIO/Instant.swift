/// A moment on the monotonic clock, in nanoseconds since an arbitrary start (boot, in the agent; zero, in tests).
///
/// The core never reads a clock: every entry point is told the time.
package struct Instant: Hashable, Comparable, Sendable {
    package let nanoseconds: UInt64

    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    package static let zero = Instant(nanoseconds: 0)
    package static let distantFuture = Instant(nanoseconds: .max)

    @inlinable package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates at `zero` and `distantFuture`.
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let delta = duration.nanoseconds
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(delta.magnitude)
        if delta >= 0 { return overflow ? .distantFuture : Instant(nanoseconds: sum) }
        return Instant(nanoseconds: instant.nanoseconds - min(instant.nanoseconds, delta.magnitude))
    }

    package static func - (instant: Instant, duration: Duration) -> Instant { instant + (.zero - duration) }

    /// The time from `earlier` to `self`; negative when `earlier` is later. Saturates beyond 292 years.
    package static func - (later: Instant, earlier: Instant) -> Duration {
        later >= earlier
            ? .nanoseconds(Int64(clamping: later.nanoseconds - earlier.nanoseconds))
            : .nanoseconds(-Int64(clamping: earlier.nanoseconds - later.nanoseconds))
    }
}

extension Duration {
    /// The whole duration in nanoseconds, saturating at the bounds of `Int64` (292 years).
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, sumOverflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return sumOverflow ? (seconds < 0 ? .min : .max) : sum
    }

    /// Fractional seconds, for printing and for scores.
    package var seconds: Double { Double(nanoseconds) / 1e9 }
}
