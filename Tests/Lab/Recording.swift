/// What a `Meter` has seen: every probe of both ends, and the TCP connection beside them.
///
/// Times are since the machine's start (CLOCK_MONOTONIC), as `Meter.now` gives them.
package struct Recording: Sendable {
    package struct Probe: Equatable, Sendable {
        package var number: Int
        package var sent: Duration
        /// When it reached the other end first, and when the answer to that was back.
        package var arrived: Duration?
        package var answered: Duration?
        /// How often it reached the other end.
        package var copies: Int

        package init(number: Int, sent: Duration, arrived: Duration?, answered: Duration?, copies: Int) {
            self.number = number
            self.sent = sent
            self.arrived = arrived
            self.answered = answered
            self.copies = copies
        }

        package var oneWay: Duration? { arrived.map { $0 - sent } }
        package var roundTrip: Duration? { answered.map { $0 - sent } }
    }

    /// A piece of the TCP connection's bytes.
    package struct Chunk: Equatable, Sendable {
        package var arrived: Duration
        package var bytes: Int

        package init(arrived: Duration, bytes: Int) {
            self.arrived = arrived
            self.bytes = bytes
        }
    }

    /// One end of the TCP connection as the kernel counts (struct tcp_info).
    package struct Flow: Equatable, Sendable {
        package var sentBytes: Int
        package var receivedBytes: Int
        package var wrongBytes: Int
        package var isOpen: Bool
        package var retransmits: Int
        /// Times that the sender found what it sent reordered or, by DSACK, received twice.
        package var reorderings: Int
        package var duplicates: Int
        /// Packets that this end received out of order.
        package var outOfOrder: Int
    }

    /// What one end did.
    package struct End: Equatable, Sendable {
        package var probes: [Probe] = []
        package var chunks: [Chunk] = []
        package var flow: Flow?
    }

    package enum Count: Sendable { case lost, duplicated, overtaken }

    package var begin: Duration = .zero
    /// Between one probe and the next.
    package var interval: Duration = .zero
    package var ends = [End(), End()]

    package init() {}

    /// Reads the lines that labmeter writes.
    package init(parsing text: String) throws(LabError) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Int($0) }
            func time(_ index: Int) -> Duration { .nanoseconds(numbers[index]) }
            func optionalTime(_ index: Int) -> Duration? { numbers[index] == 0 ? nil : time(index) }
            switch (words.first, numbers.count) {
            case ("interval", 2):
                begin = time(0)
                interval = time(1)
            case ("probe", 6):
                ends[numbers[0]].probes.append(
                    Probe(
                        number: numbers[1], sent: time(2), arrived: optionalTime(3), answered: optionalTime(4),
                        copies: numbers[5]))
            case ("chunk", 3): ends[numbers[0]].chunks.append(Chunk(arrived: time(1), bytes: numbers[2]))
            case ("flow", 9):
                ends[numbers[0]].flow = Flow(
                    sentBytes: numbers[1], receivedBytes: numbers[2], wrongBytes: numbers[3], isOpen: numbers[4] == 1,
                    retransmits: numbers[5], reorderings: numbers[6], duplicates: numbers[7], outOfOrder: numbers[8])
            default: throw .unexpected("labmeter wrote '\(line)'")
            }
        }
    }

    /// When the last probe was sent.
    package var lastSent: Duration { ends.compactMap { $0.probes.last?.sent }.max() ?? begin }

    // MARK: gaps

    /// The longest time within `window` in which nothing of what `end` sent arrived at the other one.
    package func longestSilence(from end: Int, in window: Range<Duration>) -> Duration {
        Self.longestGap(between: ends[end].probes.compactMap(\.arrived), in: window)
    }

    /// The longest time within `window` in which either end heard nothing: what a flow of datagrams notices.
    package func longestSilence(in window: Range<Duration>) -> Duration {
        max(longestSilence(from: 0, in: window), longestSilence(from: 1, in: window))
    }

    /// The longest time within `window` without an answer for `end`.
    package func longestUnanswered(at end: Int, in window: Range<Duration>) -> Duration {
        Self.longestGap(between: ends[end].probes.compactMap(\.answered), in: window)
    }

    /// The longest time within `window` in which `end` read nothing from the TCP connection.
    package func longestStall(ofStreamAt end: Int, in window: Range<Duration>) -> Duration {
        Self.longestGap(between: ends[end].chunks.map(\.arrived), in: window)
    }

    /// The longest time within `window` in which the meter itself did not run: a gap of that length proves nothing.
    package func longestOwnStall(in window: Range<Duration>) -> Duration {
        Self.longestGap(between: ends[0].probes.map(\.sent), in: window)
    }

    private static func longestGap(between times: [Duration], in window: Range<Duration>) -> Duration {
        let inside = times.filter(window.contains).sorted()
        let edges = [window.lowerBound] + inside + [window.upperBound]
        return zip(edges, edges.dropFirst()).map { $1 - $0 }.max() ?? .zero
    }

    // MARK: counts

    /// Probes of `end`, sent within `window`, that did not arrive, arrived more than once, or arrived after a later one.
    package func count(_ kind: Count, from end: Int, in window: Range<Duration>) -> Int {
        let probes = ends[end].probes.filter { window.contains($0.sent) }
        switch kind {
        case .lost: return probes.count { $0.arrived == nil }
        case .duplicated: return probes.count { $0.copies > 1 }
        case .overtaken:
            var earliestLater: Duration?
            var count = 0
            for arrived in probes.reversed().compactMap(\.arrived) {
                if let earliest = earliestLater, earliest < arrived { count += 1 }
                earliestLater = min(earliestLater ?? arrived, arrived)
            }
            return count
        }
    }

    /// The same of both ends together.
    package func count(_ kind: Count, in window: Range<Duration>) -> Int {
        count(kind, from: 0, in: window) + count(kind, from: 1, in: window)
    }

    // MARK: first packets

    /// From the first probe of `end` until the first answer to one of its probes.
    package func timeToFirstAnswer(at end: Int = 0) -> Duration? {
        guard let begin = ends[end].probes.first?.sent else { return nil }
        return ends[end].probes.compactMap(\.answered).min().map { $0 - begin }
    }

    /// From the first probe until one arrives, at either end, that was less than `limit` on its way: the first that took the
    /// short way, as a machine that is busy makes a packet later, never earlier.
    package func timeToFirstProbe(fasterThan limit: Duration) -> Duration? {
        guard let begin = ends[0].probes.first?.sent else { return nil }
        let fast = ends.flatMap(\.probes).filter { $0.oneWay.map { $0 < limit } ?? false }
        return fast.compactMap(\.arrived).min().map { $0 - begin }
    }
}
