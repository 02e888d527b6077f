import SansIO

/// Round-trip time and loss of one path, from the pings along it.
///
/// Choices are made by the last three samples, so that a changed delay shows at once and a single odd sample does not; timeouts
/// by the smoothed time and its variation (RFC 6298 §2). Loss is counted over the last 64 pings.
struct PathMeasure: Sendable {
    static let recentCount = 3
    private static let window = 64
    /// What a path that loses everything costs on top: a loss makes TCP wait for longer than any path here takes.
    private static let lossPenalty = 1.0
    /// Few pings say little about loss: so many are assumed at least.
    private static let assumedCount = 32

    /// Oldest first.
    private(set) var recent: [Duration] = []
    private(set) var smoothed: Duration?
    private(set) var variation: Duration = .zero
    /// By how much one sample differs from the one before it, smoothed (RFC 3550 §6.4.1, but with 1/8), in seconds. Unlike
    /// `variation` it soon forgets a delay that changed for good.
    private(set) var jitter = 0.0
    /// A bit for each of the last pings, the newest lowest: whether it was lost.
    private var losses: UInt64 = 0
    private var count = 0

    /// Median of the last three samples.
    var roundTripTime: Duration? {
        recent.isEmpty ? nil : recent.sorted()[recent.count / 2]
    }

    /// The part of the last pings that was lost.
    var loss: Double { count == 0 ? 0 : Double(lostCount) / Double(count) }
    var lostCount: Int { losses.nonzeroBitCount }

    /// `countsLoss`: pings sent in doubt come in a rush and say nothing of the rate of loss.
    mutating func answered(after sample: Duration, countsLoss: Bool) {
        if let last = recent.last { jitter += (abs((sample - last).seconds) - jitter) / 8 }
        if recent.count == Self.recentCount { recent.removeFirst() }
        recent.append(sample)
        if countsLoss { count(isLost: false) }
        guard let smoothed else {
            smoothed = sample
            variation = sample / 2
            return
        }
        let error = smoothed > sample ? smoothed - sample : sample - smoothed
        variation = (variation * 3 + error) / 4
        self.smoothed = (smoothed * 7 + sample) / 8
    }

    mutating func lost() { count(isLost: true) }

    /// The path was gone for a while: what it was like before says nothing of its delay.
    mutating func forgetDelays() {
        recent = []
        smoothed = nil
        variation = .zero
        jitter = 0
    }

    /// How long an answer may take before something is amiss, and the ever longer times that follow from it. A delay that has
    /// just grown counts at once.
    var patience: Duration {
        guard let smoothed, let slowest = recent.max() else { return .milliseconds(500) }
        let base = max(smoothed, slowest)
        return min(max(base * 3, smoothed + variation * 4, .milliseconds(150)), .seconds(3))
    }

    /// When, of `patience`, one asks whether the path still works.
    var firstDoubt: Duration {
        guard let smoothed, let slowest = recent.max() else { return .milliseconds(200) }
        return min(max(max(smoothed, slowest) * 3 / 2, .milliseconds(60)), patience * 2 / 3)
    }

    /// What it costs to use the path, in seconds: RTT × (1 + p) / (1 − p), and a penalty for the loss p. The two bounds are what the
    /// samples allow, so that a path is left only for one that is surely better; `nil` before there are enough.
    func cost(bias: Double, _ bound: Bound) -> Double? {
        guard let sample = bound == .lower ? recent.min() : recent.max(), recent.count == Self.recentCount else {
            return nil
        }
        let lost = Double(lostCount)
        let spread = bound == .lower ? -lost.squareRoot() : 1.5 * lost.squareRoot()
        let rate = min(max(0, lost + spread) / Double(max(count, Self.assumedCount)), 0.9)
        return sample.seconds * bias * (1 + rate) / (1 - rate) + rate * Self.lossPenalty
    }

    enum Bound { case lower, upper }

    private mutating func count(isLost: Bool) {
        losses = losses << 1 | (isLost ? 1 : 0)
        count = min(count + 1, Self.window)
    }
}
