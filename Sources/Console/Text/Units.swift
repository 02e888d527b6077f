import ControlAPI

/// Quantities as people read them.
enum Units {
    /// Powers of 1024: `512 B`, `3.4 KiB`, `1.0 GiB`.
    static func bytes(_ count: UInt64) -> String {
        guard count >= 1024 else { return "\(count) B" }
        var value = Double(count)
        var unit = ""
        for candidate in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
            value /= 1024
            unit = candidate
            if value < 1023.95 { break }
        }
        return "\(decimal(value, places: 1)) \(unit)"
    }

    /// Milliseconds with three significant digits or so: `0.42 ms`, `12.3 ms`, `1240 ms`.
    static func milliseconds(_ duration: Duration) -> String {
        let milliseconds = seconds(duration) * 1000
        let places = milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0
        return "\(decimal(milliseconds, places: places)) ms"
    }

    /// The two largest units: `4 s`, `3 min 20 s`, `2 h 5 min`, `12 d 3 h`.
    static func age(_ duration: Duration) -> String {
        let total = max(0, duration.components.seconds)
        let parts = [(total / 86_400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "min"), (total % 60, "s")]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 s" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " ")
    }

    /// A date and what it means now: `2027-01-15 08:00 UTC (in 12 d 3 h)`.
    static func moment(_ timestamp: Timestamp, now: Timestamp) -> String {
        let text = timestamp.description
        let date = "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC"
        let seconds = timestamp.seconds(since: now)
        return seconds >= 0
            ? "\(date) (in \(age(.seconds(seconds))))" : "\(date) (\(age(.seconds(-seconds))) ago)"
    }

    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    /// Groups of three digits: `9 000 000`.
    static func grouped(_ number: UInt64) -> String {
        var groups: [String] = []
        var digits = String(number)[...]
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits = digits.dropLast(3)
        }
        return ([String(digits)] + groups).joined(separator: " ")
    }

    private static func decimal(_ value: Double, places: Int) -> String {
        let scale = [1.0, 10, 100][places]
        let scaled = Int64((value * scale).rounded())
        guard places > 0 else { return "\(scaled)" }
        let fraction = String(scaled % Int64(scale))
        return "\(scaled / Int64(scale)).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}
