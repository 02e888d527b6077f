import SansIO

/// How many bytes may pass: they flow in at a rate, up to what comes in a tenth of a second, and no less than some packets.
struct ByteBucket: Sendable {
    static let depth: Duration = .milliseconds(100)
    private static let leastDepthBytes = 16_384.0

    /// Bytes a second.
    private(set) var rate: Double
    private(set) var level: Double
    private var filledAt: Instant

    /// Starts full.
    init(rate: Double, at now: Instant) {
        self.rate = rate
        level = Self.limit(rate)
        filledAt = now
    }

    /// The most that it holds.
    var limit: Double { Self.limit(rate) }

    mutating func setRate(_ rate: Double, at now: Instant) {
        fill(at: now)
        self.rate = rate
        level = min(level, limit)
    }

    mutating func fill(at now: Instant) {
        guard now > filledAt else { return }
        level = min(limit, level + rate * Double(now.nanoseconds - filledAt.nanoseconds) / 1e9)
        filledAt = now
    }

    mutating func take(_ bytes: Int) { level -= Double(bytes) }

    private static func limit(_ rate: Double) -> Double { max(leastDepthBytes, rate * depth.seconds) }
}
