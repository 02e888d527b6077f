import SansIO
import Testing

@testable import Simulator

@Suite struct EventQueueTests {
    @Test func `events come in the order of time, and at one moment in the order they were planned`() {
        var random = SeededRandom(seed: 5)
        var queue = EventQueue<Int>()
        var planned: [(due: Instant, number: Int)] = []
        for number in 0..<2000 {
            let due = Instant(nanoseconds: UInt64.random(in: 0..<100, using: &random))
            queue.add(number, at: due)
            planned.append((due, number))
        }
        let sorted = planned.sorted { ($0.due, $0.number) < ($1.due, $1.number) }.map(\.number)
        var taken: [Int] = []
        while let event = queue.popFirst(dueAt: .distantFuture) { taken.append(event) }
        #expect(taken == sorted)
    }

    @Test func `what is not due stays`() {
        var queue = EventQueue<Int>()
        queue.add(1, at: .zero + .seconds(1))
        let early = queue.popFirst(dueAt: .zero)
        #expect(early == nil && queue.earliest == .zero + .seconds(1))
        let due = queue.popFirst(dueAt: .zero + .seconds(1))
        #expect(due == 1 && queue.count == 0)
    }
}
