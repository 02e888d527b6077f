/// A moment of the calendar, in whole seconds since 1970 (UTC), for what outlives a process: certificates and records.
///
/// Clocks of edge hosts may be wrong by a day. So nothing is refused because it begins in the future, and the end of a
/// certificate is enforced only `grace` after it; dates of issue do nothing but settle who came first.
package struct WallTime: Hashable, Comparable, Sendable {
    /// How long after their end certificates are still accepted from others.
    package static let grace: Duration = .seconds(36 * 3600)

    package var seconds: UInt64

    package init(seconds: UInt64) {
        self.seconds = seconds
    }

    package static func < (left: WallTime, right: WallTime) -> Bool { left.seconds < right.seconds }

    /// Saturates at 1970 and at the largest number of seconds; fractions are cut.
    package static func + (time: WallTime, duration: Duration) -> WallTime {
        let delta = duration.components.seconds
        if delta >= 0 {
            let (sum, overflow) = time.seconds.addingReportingOverflow(UInt64(delta))
            return WallTime(seconds: overflow ? .max : sum)
        }
        return WallTime(seconds: time.seconds - min(time.seconds, delta.magnitude))
    }

    package static func - (time: WallTime, duration: Duration) -> WallTime { time + (.zero - duration) }

    /// The time from `earlier` to `later`; negative when `earlier` is the later one.
    package static func - (later: WallTime, earlier: WallTime) -> Duration {
        later >= earlier
            ? .seconds(Int64(clamping: later.seconds - earlier.seconds))
            : .seconds(-Int64(clamping: earlier.seconds - later.seconds))
    }
}

extension WallTime: CustomStringConvertible {
    /// As "2026-03-01 17:05 UTC" (civil date from days: Howard Hinnant, "chrono-compatible low-level date algorithms").
    package var description: String {
        let days = Int(clamping: seconds / 86_400) + 719_468
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let minute = Int(seconds % 86_400) / 60
        return "\(year)-\(twoDigits(month))-\(twoDigits(day)) \(twoDigits(minute / 60)):\(twoDigits(minute % 60)) UTC"
    }

    private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
