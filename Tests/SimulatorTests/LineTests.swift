import SansIO
import Testing

@testable import Simulator

@Suite struct LineTests {
    private var random = SeededRandom(seed: 3)
    private var line = Line()
    private let start = Instant.zero + .seconds(1)

    @Test mutating func `a datagram takes the delay, and jitter never lets one overtake another`() {
        let conditions = LineConditions(delay: .milliseconds(10), jitter: .milliseconds(20))
        var last = Instant.zero
        for step in 0..<500 {
            let now = start + .milliseconds(step)
            let copies = line.carry(100, under: conditions, at: now, using: &random)
            #expect(copies.count == 1)
            #expect(copies[0].arrivesAt >= now + .milliseconds(10) && copies[0].arrivesAt <= now + .milliseconds(49))
            #expect(copies[0].arrivesAt >= last)
            last = copies[0].arrivesAt
        }
    }

    @Test mutating func `the wanted share is lost, doubled and damaged`() {
        var conditions = LineConditions(loss: 0.3)
        conditions.duplication = 0.2
        conditions.corruption = 0.1
        var copies: [Line.Copy] = []
        for _ in 0..<10_000 { copies += line.carry(100, under: conditions, at: start, using: &random) }
        #expect((8200...8600).contains(copies.count), "\(copies.count)")
        let wrong = copies.compactMap(\.flippedBit)
        #expect((740...940).contains(wrong.count) && wrong.allSatisfy { (0..<800).contains($0) }, "\(wrong.count)")
    }

    @Test mutating func `a datagram that is reordered holds up none behind it`() {
        var conditions = LineConditions(delay: .milliseconds(10))
        conditions.reordering = 0.5
        conditions.reorderingDelay = .milliseconds(50)
        var arrivals: [Instant] = []
        for step in 0..<200 {
            arrivals += line.carry(100, under: conditions, at: start + .milliseconds(step), using: &random)
                .map(\.arrivesAt)
        }
        let inTime = (0..<200).count { arrivals[$0] == start + .milliseconds($0 + 10) }
        #expect((70...130).contains(inTime), "\(inTime)")
        #expect(zip(arrivals, arrivals.dropFirst()).contains { $0 > $1 })
    }

    @Test mutating func `a capped line sends at its rate and drops what its queue cannot hold`() {
        var conditions = LineConditions()
        conditions.bytesPerSecond = 100_000
        conditions.queueLimitBytes = 5000
        var arrivals: [Instant] = []
        for _ in 0..<100 {
            arrivals += line.carry(1000, under: conditions, at: start, using: &random).map(\.arrivesAt)
        }
        #expect(arrivals == (1...5).map { start + .milliseconds(10 * $0) })
        // When the queue has run empty there is room again.
        let later = start + .seconds(1)
        let next = line.carry(1000, under: conditions, at: later, using: &random).map(\.arrivesAt)
        #expect(next == [later + .milliseconds(10)])
    }

    @Test mutating func `a cut line carries nothing, and a narrow one nothing long`() {
        let cut = line.carry(100, under: .cut, at: start, using: &random)
        #expect(cut.isEmpty)
        var conditions = LineConditions()
        conditions.longestDatagram = 1280
        let short = line.carry(1280, under: conditions, at: start, using: &random)
        let long = line.carry(1281, under: conditions, at: start, using: &random)
        #expect(short.count == 1 && long.isEmpty)
    }
}
