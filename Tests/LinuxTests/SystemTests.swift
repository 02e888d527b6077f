import Glibc
import Linux
import SansIO
import Synchronization
import Testing

struct SystemTests {
    @Test func `time since boot never goes back`() {
        let first = SystemClock.now
        let second = SystemClock.now
        #expect(first <= second)
        #expect(first > .zero)
    }

    @Test func `the wall clock is past 2025`() {
        #expect(SystemClock.wallTime.seconds > 1_735_689_600)
    }

    @Test func `random bytes have the length asked for and differ`() {
        #expect(SystemRandom.bytes(0).isEmpty)
        let first = SystemRandom.bytes(32)
        #expect(first.count == 32)
        #expect(first != SystemRandom.bytes(32))
    }

    @Test func `a thread runs its body and can be joined`() throws {
        let count = Mutex(0)
        let thread = try Thread(name: "test") { count.withLock { $0 += 1 } }
        thread.join()
        #expect(count.withLock { $0 } == 1)
    }

    @Test func `a signal is read from its source`() throws {
        let source = try SignalSource([SIGUSR1])
        #expect(try source.next() == nil)
        #expect(raise(SIGUSR1) == 0)
        #expect(try source.next() == SIGUSR1)
    }
}

struct PrivilegesTests {
    @Test(.enabled(if: geteuid() == 0, "needs root: has capabilities to give up"))
    func `capabilities that are not kept are gone, on that thread`() throws {
        let before = try Privileges.effective()
        let after = Mutex<Set<Privileges.Capability>?>(nil)
        let thread = try Thread(name: "test") {
            // A failure leaves `after` empty, which the test sees.
            try? Privileges.keep([.networkAdministration])
            let left = try? Privileges.effective()
            after.withLock { $0 = left }
        }
        thread.join()
        #expect(before.contains(.networkAdministration))
        #expect(after.withLock { $0 } == [.networkAdministration])
        #expect(try Privileges.effective() == before)
    }
}
