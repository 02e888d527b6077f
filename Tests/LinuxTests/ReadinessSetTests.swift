import Linux
import Testing
import Wire

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

    @Test func `a set is ready as a whole, and for what each descriptor is waited for`() throws {
        let listener = try TCPListener(Endpoint("127.0.0.1:0")!)
        let (inner, outer) = (try ReadinessSet(), try ReadinessSet())
        try outer.add(inner.descriptor, token: 7)
        var events: [ReadinessSet.Event] = []
        let client = try TCPSocket.connect(to: listener.endpoint)
        try inner.add(client.descriptor, for: .writable, token: 1)
        outer.wait(&events, milliseconds: 2000)
        #expect(events.map(\.token) == [7])
        inner.wait(&events, milliseconds: 2000)
        #expect(events.map(\.token) == [1])
        try inner.setInterest(.readable, of: client.descriptor, token: 1)
        outer.wait(&events, milliseconds: 0)
        #expect(events.isEmpty)
    }
}
