import SansIO
import Wire

/// Endpoints that strangers' handshakes came from lately: an honest newcomer repeats its initiation from where it sent the
/// first, a forger of sources seldom hits on the same twice.
///
/// A table of fixed size, an endpoint's place its hash (which nobody outside can compute); a later one takes the place of an
/// earlier.
struct Callers {
    /// When a repetition counts: not at once, so that nobody gains by sending everything twice, and not after long.
    static let leastPause: Duration = .milliseconds(100)
    static let greatestPause: Duration = .seconds(6)
    private static let placeCount = 1 << 16

    private struct Call {
        var tag: UInt32
        /// Milliseconds of the clock.
        var time: UInt32
    }

    private var calls: [Call?] = []

    /// Notes a call and returns whether it repeats an earlier one.
    mutating func note(_ caller: Endpoint, at now: Instant) -> Bool {
        if calls.isEmpty { calls = Array(repeating: nil, count: Self.placeCount) }
        let hash = UInt(bitPattern: caller.hashValue)
        let place = Int(hash & UInt(Self.placeCount - 1))
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        let time = UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000)
        if let call = calls[place], call.tag == tag {
            let pause = Duration.milliseconds(Int64(time &- call.time))
            // Too early: the first call still counts.
            guard pause >= Self.leastPause else { return false }
            calls[place] = Call(tag: tag, time: time)
            return pause <= Self.greatestPause
        }
        calls[place] = Call(tag: tag, time: time)
        return false
    }
}
