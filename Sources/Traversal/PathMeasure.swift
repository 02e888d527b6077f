import SansIO

/// Round-trip time and loss of one path, from the pings along it.
///
/// Choices are made by the last three samples, so that a changed delay shows at once and a single odd sample does not; timeouts
/// by the smoothed time and its variation (RFC 6298 §2). Loss is counted over the last 64 pings, and on the path in use over
/// what packets there are (`TrafficLoss`), which outweigh pings as soon as they are many.
struct PathMeasure: Sendable {
    static let recentCount = 3
    private static let window = 64
    /// What a path that loses everything costs on top: a loss makes TCP wait for longer than any path here takes.
    private static let lossPenalty = 2.0
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
    private(set) var traffic = TrafficLoss()
    /// Pings whose fate is known since packets last told of a loss: by and by they count instead.
    private var countSinceTraffic = 0

    /// Median of the last three samples.
    var roundTripTime: Duration? {
        recent.isEmpty ? nil : recent.sorted()[recent.count / 2]
    }

    /// The part that is lost, of packets if there are enough, else of the last pings.
    var loss: Double { isToldByTraffic ? traffic.rate : pingLoss }
    /// The part of the last pings that was lost.
    var pingLoss: Double { count == 0 ? 0 : Double(lostCount) / Double(count) }
    var lostCount: Int { losses.nonzeroBitCount }
    /// What packets showed, as far as it is not outdated.
    var trafficLoss: Double { max(traffic.rate, traffic.surelyLost) * trafficWeight }
    /// The loss that packets or several pings showed.
    var shownLoss: Double { max(trafficLoss, lostCount < Self.recentCount ? 0 : pingLoss) }
    /// Packets show a loss that makes it worth a look at other paths.
    var losesTraffic: Bool { countSinceTraffic <= Self.recentCount && traffic.surelyLost > 0 }

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

    /// Counts of packets sent and arrived, of the path in use.
    mutating func note(sent: UInt64, arrived: UInt32, at now: Instant) {
        countSinceTraffic = 0
        traffic.note(sent: sent, arrived: arrived, at: now)
    }

    /// Packets have taken two paths: their count begins anew, what it showed before stays.
    mutating func restartTraffic() { traffic.restart() }

    /// Packets take the path from now on.
    mutating func forgetTraffic() { traffic = TrafficLoss() }

    /// The path was gone for a while: what it was like before says nothing of its delay.
    mutating func forgetDelays() {
        recent = []
        smoothed = nil
        variation = .zero
        jitter = 0
    }

    /// How long an answer may take before something is amiss, and the ever longer times that follow from it.
    var patience: Duration {
        guard let smoothed, let base else { return .milliseconds(500) }
        return min(max(base * 3, smoothed + variation * 4, .milliseconds(150)), .seconds(3))
    }

    /// When, of `patience`, one asks whether the path still works.
    var firstDoubt: Duration {
        guard let base else { return .milliseconds(200) }
        return min(max(base * 3 / 2, .milliseconds(60)), patience * 2 / 3)
    }

    /// For how long nothing may be heard before one asks, and before it is a doubt.
    ///
    /// - Parameter spacing: how far apart the peer's packets have been, if they came all the time: their absence tells more, and
    ///   the ping goes out so early that its answer can come in time.
    func patience(spacing: Duration?) -> (ask: Duration, doubt: Duration) {
        guard let spacing, let base else { return (firstDoubt, patience) }
        let doubt = min(max(base * 2, .milliseconds(120)), patience)
        let ask = min(max(doubt - base * 5 / 4, spacing * 3), firstDoubt)
        return (ask, max(doubt, min(ask + base * 5 / 4, patience)))
    }

    /// A delay that has just grown counts at once.
    private var base: Duration? {
        guard let smoothed, let slowest = recent.max() else { return nil }
        return max(smoothed, slowest)
    }

    /// What it costs to use the path, in seconds: RTT × (1 + p) / (1 − p), and a penalty for the loss p. The two bounds are what the
    /// samples allow, so that a path is left only for one that is surely better; `nil` before there are enough.
    ///
    /// - Parameter leastLoss: what is known of its loss from elsewhere.
    func cost(bias: Double, _ bound: Bound, leastLoss: Double = 0) -> Double? {
        guard let sample = bound == .lower ? recent.min() : recent.max(), recent.count == Self.recentCount else {
            return nil
        }
        let rate = min(max(lossRate(bound), leastLoss), 0.9)
        return sample.seconds * bias * (1 + rate) / (1 - rate) + rate * Self.lossPenalty
    }

    private func lossRate(_ bound: Bound) -> Double {
        let lost = Double(lostCount)
        switch bound {
        case .lower:
            guard !isToldByTraffic else { return traffic.surelyLost }
            return max(max(0, lost - lost.squareRoot()) / Double(max(count, Self.assumedCount)), traffic.surelyLost)
        case .upper:
            let all = lost + traffic.lost * trafficWeight
            let of = Double(count) + traffic.sent * trafficWeight
            return max((all + 1.5 * all.squareRoot()) / max(of, Double(Self.assumedCount)), trafficLoss)
        }
    }

    /// What packets told fades as pings are answered, or not, without any.
    private var trafficWeight: Double { max(0, 1 - Double(countSinceTraffic) / Double(Self.window)) }
    private var isToldByTraffic: Bool { traffic.isTelling && countSinceTraffic <= Self.recentCount }

    enum Bound { case lower, upper }

    private mutating func count(isLost: Bool) {
        losses = losses << 1 | (isLost ? 1 : 0)
        count = min(count + 1, Self.window)
        countSinceTraffic += 1
    }
}
