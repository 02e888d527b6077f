import Glibc
import SansIO
import Testing

@testable import Store

/// Kills a writer with SIGKILL at random moments and looks at what is left.
@Suite struct KillTests {
    private let directory = TemporaryDirectory()

    @Test(.timeLimit(.minutes(2)))
    func `a killed writer corrupts nothing and loses nothing it acknowledged`() async throws {
        var random = SeededRandom(seed: 20)
        let acknowledged = directory.path + "/acknowledged"
        var opened: Store? = try Store(directory: directory.path)
        opened = nil
        var last: UInt64 = 0
        for round in 0..<20 {
            let path = directory.path
            let microseconds = Int.random(in: 200...30_000, using: &random)
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = path as String, microseconds = microseconds as Int] in
                KillTests.write(directory: path, killedAfterMicroseconds: microseconds)
            }
            opened = try Store(directory: directory.path)
            let store = try #require(opened)
            #expect(store.opening == .existing, "round \(round)")
            let told = TestFile.read(acknowledged).map { UInt64($0.count) } ?? 0
            let found = try store.counter(.recordNumber)
            // One more may be on disk than was acknowledged: the kill came between the two.
            #expect((told...(told + 1)).contains(found), "round \(round)")
            let expected = StoredValue(number: found, bytes: KillTests.pattern(found))
            #expect(try found == 0 || store.value(in: .peers, for: [UInt8(found % 7)]) == expected)
            opened = nil
            TestFile.write([UInt8](repeating: 1, count: Int(found)), to: acknowledged)
            last = found
        }
        #expect(last > 20, "the writers were killed before they wrote")
    }

    /// Runs in a process of its own: saves number after number, each in one transaction with a value, and adds a byte
    /// to the file of acknowledgements after each.
    private static func write(directory: String, killedAfterMicroseconds microseconds: Int) {
        do {
            let store = try Store(directory: directory)
            let log = unsafe open(directory + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
            guard log >= 0 else { exit(2) }
            var number = try store.counter(.recordNumber)
            killMyself(afterMicroseconds: microseconds)
            while true {
                number += 1
                try store.save([
                    StoreChange(.counters, Array("recordNumber".utf8), StoredValue(number: number)),
                    StoreChange(.peers, [UInt8(number % 7)], StoredValue(number: number, bytes: pattern(number))),
                ])
                guard unsafe Glibc.write(log, [1], 1) == 1 else { exit(3) }
            }
        } catch {
            exit(4)
        }
    }

    /// The kernel sends SIGKILL when the timer ends, wherever the process is then.
    static func killMyself(afterMicroseconds microseconds: Int) {
        var event = unsafe sigevent()
        unsafe event.sigev_notify = Int32(SIGEV_SIGNAL)
        unsafe event.sigev_signo = SIGKILL
        var timer: timer_t?
        guard unsafe timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 else { exit(5) }
        var time = itimerspec()
        time.it_value = timespec(tv_sec: 0, tv_nsec: 1000 * microseconds)
        guard unsafe timer_settime(timer, 0, &time, nil) == 0 else { exit(6) }
    }

    private static func pattern(_ number: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: number)
        return (0..<Int(number % 5000)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
}
