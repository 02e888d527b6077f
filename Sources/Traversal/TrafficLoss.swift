import SansIO

/// What part of the packets along a path is lost, from the counts at its two ends.
///
/// ```
///   sent      ───────▶ 100 ───────▶ 150         a ping goes out when so many packets of containers had
///   arrived   ───────▶ 100 ───────▶ 147         its pong tells how many had arrived before the ping
///   missing               0            3        3 of 50 were lost
/// ```
/// The counts run on through renewals of the session and moves, so only differences since `restart` mean anything.
///
/// What is missing may go down again: packets counted as sent can still wait on their way to the network, and a ping that was
/// delayed before it left is overtaken by packets that its count does not hold. So only what is missing beyond the most that was ever
/// missing counts as lost, and a rate is believed only when several reports show a loss: one burst is no rate.
struct TrafficLoss: Sendable {
    /// TCP loses as much of its own doing, on any path.
    static let tolerance = 0.01
    /// Packets that say more of the loss than pings do, which are few.
    private static let tellingCount = 200
    private static let reportLimit = 48
    private static let memory: Duration = .seconds(10)
    /// Reports that show a loss before there is a rate.
    private static let lossyReports = 3
    /// Few packets say little: so many are assumed at least.
    private static let assumedCount = 64.0
    /// Pongs in a rush make one report.
    private static let shortestReport: Duration = .milliseconds(50)

    private struct Report {
        var at: Instant
        var sent: Double
        var lost: Double
    }

    /// Newest last.
    private var reports: [Report] = []
    private var last: (sent: UInt64, arrived: UInt32)?
    /// Packets missing since `restart`, and the most that ever were. The first report only settles the latter.
    private var missing: Int64 = 0
    private var mostMissing: Int64?

    /// Packets took another path meanwhile, or two at once: what was counted until now is no measure of what comes.
    mutating func restart() {
        last = nil
        missing = 0
        mostMissing = nil
    }

    /// A ping was answered that went out when `sent` packets had, and came when `arrived` had. Both count on from anything.
    mutating func note(sent: UInt64, arrived: UInt32, at now: Instant) {
        guard let last else {
            self.last = (sent, arrived)
            return
        }
        let sentSince = Int64(bitPattern: sent &- last.sent)
        let arrivedSince = Int64(Int32(bitPattern: arrived &- last.arrived))
        // An older pong that comes late, or a peer that has started anew.
        guard sentSince >= 0, arrivedSince >= 0 else {
            if arrivedSince < 0, sentSince > 0 { restart() }
            return
        }
        self.last = (sent, arrived)
        missing += sentSince - arrivedSince
        guard let most = mostMissing else {
            mostMissing = max(missing, 0)
            return
        }
        mostMissing = max(most, missing)
        reports.removeAll { now - $0.at > Self.memory }
        guard sentSince > 0 else { return }
        let report = Report(at: now, sent: Double(sentSince), lost: Double(max(0, missing - most)))
        if let newest = reports.last, now - newest.at < Self.shortestReport {
            reports[reports.count - 1] = Report(
                at: newest.at, sent: newest.sent + report.sent, lost: newest.lost + report.lost)
        } else {
            if reports.count == Self.reportLimit { reports.removeFirst() }
            reports.append(report)
        }
    }

    // MARK: what follows

    var sent: Double { reports.reduce(0) { $0 + $1.sent } }
    var lost: Double { reports.reduce(0) { $0 + $1.lost } }
    var rate: Double { sent == 0 ? 0 : min(lost / sent, 1) }

    /// Whether it says more than pings can.
    var isTelling: Bool { sent >= Double(Self.tellingCount) }

    /// Whether the newest report shows a loss that is worth a closer look.
    var hasJustLost: Bool { reports.last.map { $0.lost > $0.sent * Self.tolerance / 2 } ?? false }

    /// The least that is surely lost at present: over the last reports, as many as show most.
    var surelyLost: Double {
        var (sent, lost, lossy, most) = (0.0, 0.0, 0, 0.0)
        for report in reports.reversed() {
            sent += report.sent
            lost += report.lost
            lossy += report.lost > 0 ? 1 : 0
            guard lossy >= Self.lossyReports else { continue }
            most = max(most, (lost - 1.5 * lost.squareRoot()) / max(sent, Self.assumedCount))
        }
        return min(max(0, most - Self.tolerance), 0.9)
    }
}
