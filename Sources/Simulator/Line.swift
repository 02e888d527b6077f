package import SansIO

/// How one direction of a connection treats what it carries. Everything may change during a run.
package struct LineConditions: Equatable, Sendable {
    package var delay: Duration = .zero
    /// Added at random, evenly between nothing and this. What was sent first still arrives first.
    package var jitter: Duration = .zero
    /// Shares of the datagrams, 0...1, which are lost, come twice, have one bit flipped.
    package var loss = 0.0
    package var duplication = 0.0
    package var corruption = 0.0
    /// The share that comes up to `reorderingDelay` late while later ones overtake it.
    package var reordering = 0.0
    package var reorderingDelay: Duration = .milliseconds(5)
    /// What the line takes; what it cannot send at once waits in a queue of `queueLimitBytes`, what finds no room is dropped.
    package var bytesPerSecond: Int?
    package var queueLimitBytes = 64 * 1024
    /// Longer datagrams vanish without a word.
    package var longestDatagram: Int?
    /// Nothing gets through.
    package var isCut = false

    package init(delay: Duration = .zero, jitter: Duration = .zero, loss: Double = 0) {
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
    }

    package static let cut: LineConditions = {
        var conditions = LineConditions()
        conditions.isCut = true
        return conditions
    }()
}

/// One direction of a connection: decides when each datagram arrives, if it does.
package struct Line: Sendable {
    package struct Copy: Equatable, Sendable {
        package var arrivesAt: Instant
        /// Which bit of the datagram arrives wrong.
        package var flippedBit: Int?
    }

    private static let wholeSecond: Int64 = 1_000_000_000

    /// When the last byte that was accepted leaves the queue.
    private var busyUntil = Instant.zero
    /// When the last datagram arrives that later ones may not overtake.
    private var lastArrival = Instant.zero

    package init() {}

    /// Carries a datagram of `count` bytes: no copy arrives, one, or two.
    package mutating func carry(
        _ count: Int, under conditions: LineConditions, at now: Instant, using random: inout SeededRandom
    ) -> [Copy] {
        guard !conditions.isCut, count <= conditions.longestDatagram ?? .max,
            let departure = departure(of: count, under: conditions, at: now),
            !happens(conditions.loss, using: &random)
        else { return [] }
        let copies = happens(conditions.duplication, using: &random) ? 2 : 1
        return (0..<copies).map { _ in
            let arrivesAt = arrival(departure, under: conditions, using: &random)
            let isWrong = count > 0 && happens(conditions.corruption, using: &random)
            return Copy(
                arrivesAt: arrivesAt, flippedBit: isWrong ? Int.random(in: 0..<count * 8, using: &random) : nil)
        }
    }

    /// When the line has sent the datagram; `nil` when the queue has no room for it.
    private mutating func departure(of count: Int, under conditions: LineConditions, at now: Instant) -> Instant? {
        guard let rate = conditions.bytesPerSecond else { return now }
        let start = max(now, busyUntil)
        let waiting = (start - now).nanoseconds * Int64(rate) / Self.wholeSecond
        guard waiting + Int64(count) <= Int64(conditions.queueLimitBytes) else { return nil }
        busyUntil = start + .nanoseconds(Int64(count) * Self.wholeSecond / Int64(rate))
        return busyUntil
    }

    private mutating func arrival(
        _ departure: Instant, under conditions: LineConditions, using random: inout SeededRandom
    ) -> Instant {
        let arrival = departure + conditions.delay + fraction(of: conditions.jitter, using: &random)
        if happens(conditions.reordering, using: &random) {
            return arrival + fraction(of: conditions.reorderingDelay, using: &random)
        }
        lastArrival = max(arrival, lastArrival)
        return lastArrival
    }

    private func fraction(of duration: Duration, using random: inout SeededRandom) -> Duration {
        duration == .zero ? .zero : .nanoseconds(Int64.random(in: 0...duration.nanoseconds, using: &random))
    }

    private func happens(_ share: Double, using random: inout SeededRandom) -> Bool {
        share > 0 && Double.random(in: 0..<1, using: &random) < share
    }
}
