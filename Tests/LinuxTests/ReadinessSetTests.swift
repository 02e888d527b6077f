import Linux
import Testing

struct ReadinessSetTests {
    private let readiness: ReadinessSet

    init() throws {
        readiness = try ReadinessSet()
    }

    private func ready() -> [ReadinessSet.Event] {
        var events: [ReadinessSet.Event] = []
        readiness.wait(&events, milliseconds: 0)
        return events.sorted { $0.token < $1.token }
    }

    @Test func `descriptors come and go while others wait`() throws {
        let wakeUps = try (0..<3).map { _ in try WakeUp() }
        for (index, wakeUp) in wakeUps.enumerated() { try readiness.add(wakeUp.descriptor, token: UInt64(index)) }
        #expect(ready().isEmpty)
        wakeUps[0].signal()
        wakeUps[2].signal()
        #expect(ready().map(\.token) == [0, 2])
        readiness.remove(wakeUps[0].descriptor)
        readiness.remove(wakeUps[0].descriptor)
        #expect(ready().map(\.token) == [2])
    }

    @Test func `of many that are ready each has its turn`() throws {
        let wakeUps = try (0..<200).map { _ in try WakeUp() }
        for (index, wakeUp) in wakeUps.enumerated() {
            wakeUp.signal()
            try readiness.add(wakeUp.descriptor, token: UInt64(index))
        }
        var seen: Set<UInt64> = []
        for _ in 0..<4 { seen.formUnion(ready().map(\.token)) }
        #expect(seen.count == 200)
    }

}
