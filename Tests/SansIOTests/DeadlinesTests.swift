import SansIO
import Testing

@Suite struct DeadlinesTests {
    @Test func `keys come out by deadline, ties in the order they were set`() {
        var deadlines = Deadlines<String>()
        deadlines.set(.zero + .seconds(2), for: "late")
        deadlines.set(.zero + .seconds(1), for: "first")
        deadlines.set(.zero + .seconds(1), for: "second")
        var order: [String] = []
        while let key = deadlines.popExpired(at: .zero + .seconds(5)) { order.append(key) }
        #expect(order == ["first", "second", "late"])
    }

    @Test func `a thousand random moves and removals leave the heap sorted`() {
        var random = SeededRandom(seed: 7)
        var deadlines = Deadlines<Int>()
        var model: [Int: Instant] = [:]
        for _ in 0..<1000 {
            let key = Int.random(in: 0..<100, using: &random)
            let deadline =
                Int.random(in: 0..<4, using: &random) == 0
                ? nil : Instant(nanoseconds: UInt64.random(in: 0..<1_000_000, using: &random))
            deadlines.set(deadline, for: key)
            model[key] = deadline
        }
        #expect(deadlines.earliest == model.values.min())
        var previous = Instant.zero
        var popped = 0
        while let next = deadlines.earliest, let key = deadlines.popExpired(at: .distantFuture) {
            #expect(next >= previous)
            #expect(model[key] == next)
            previous = next
            popped += 1
        }
        #expect(popped == model.count)
    }
}
