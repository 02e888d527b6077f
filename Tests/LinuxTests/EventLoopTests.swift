import Linux
import SansIO
import Synchronization
import Testing

/// An actor that runs on an event loop and notes what happened there.
private actor Recorder {
    private let loop: EventLoop
    private var notes: [String] = []
    private var waiter: (count: Int, continuation: CheckedContinuation<[String], Never>)?

    init(on loop: EventLoop) {
        self.loop = loop
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    func isOnLoop() -> Bool { loop.isCurrent }

    func note(_ text: String) {
        notes.append(text)
        if let waiter, notes.count >= waiter.count {
            self.waiter = nil
            waiter.continuation.resume(returning: notes)
        }
    }

    /// Stops the loop from within, with jobs of this actor still to run.
    func stopThenQueueJobs(_ count: Int, counting ran: Tally) {
        loop.stop()
        for index in 0..<count {
            Task {
                self.note("\(index)")
                ran.count.add(1, ordering: .relaxed)
            }
        }
    }

    /// Suspends until `count` notes have come.
    func notes(atLeast count: Int) async -> [String] {
        guard notes.count < count else { return notes }
        return await withCheckedContinuation { waiter = (count, $0) }
    }
}

/// A count that jobs and the test share.
private final class Tally: Sendable {
    let count = Atomic(0)
}

/// For a timer that sets itself.
private final class OwnTimer: Sendable {
    let timer = Mutex<EventLoop.Timer?>(nil)
}

/// The two ends of a connection.
private final class SocketPair: Sendable {
    let listener: UnixSocketListener
    let client: UnixSocketConnection
    let server: UnixSocketConnection

    init() throws {
        let path = "/tmp/kubemesh-test-\(SystemRandom.bytes(8).map(String.init).joined())"
        listener = try UnixSocketListener(path: path, mode: 0o600)
        client = try UnixSocketConnection.connect(to: path)
        server = try #require(try listener.accept())
    }
}

struct EventLoopTests {
    @Test func `an actor on the loop runs on its thread`() async throws {
        let loop = try EventLoop(name: "test")
        let recorder = Recorder(on: loop)
        #expect(await recorder.isOnLoop())
        #expect(!loop.isCurrent)
        loop.stop()
        loop.join()
    }

    @Test func `a task that prefers the loop runs on its thread outside any actor too`() async throws {
        let loop = try EventLoop(name: "test")
        let task = Task(executorPreference: loop) { [loop] in
            let before = loop.isCurrent
            await Task.yield()
            return before && loop.isCurrent
        }
        #expect(await task.value)
        loop.stop()
        loop.join()
    }

    @Test func `timers fire once each in the order of their deadlines`() async throws {
        let loop = try EventLoop(name: "test")
        let recorder = Recorder(on: loop)
        func timer(_ name: String) -> EventLoop.Timer {
            loop.makeTimer { recorder.assumeIsolated { $0.note(name) } }
        }
        let (late, early, never) = (timer("late"), timer("early"), timer("never"))
        let now = SystemClock.now
        loop.set(never, to: now + .milliseconds(15))
        loop.set(late, to: now + .milliseconds(20))
        loop.set(early, to: now + .milliseconds(10))
        loop.set(never, to: nil)
        #expect(await recorder.notes(atLeast: 2) == ["early", "late"])
        #expect(SystemClock.now >= now + .milliseconds(20))
        // A deadline that has passed already fires too, even the same one again.
        loop.set(early, to: now)
        #expect(await recorder.notes(atLeast: 3).last == "early")
        loop.set(late, to: now)
        #expect(await recorder.notes(atLeast: 4).last == "late")
        loop.stop()
        loop.join()
    }

    @Test func `a timer that is due again at once leaves descriptors their turn`() async throws {
        let loop = try EventLoop(name: "test")
        let recorder = Recorder(on: loop)
        let wakeUp = try WakeUp()
        let (fired, own) = (Tally(), OwnTimer())
        _ = try loop.watch(wakeUp.descriptor, for: .readable) { _ in
            wakeUp.clear()
            recorder.assumeIsolated { $0.note("descriptor") }
        }
        let timer = loop.makeTimer {
            let count = fired.count.add(1, ordering: .relaxed).newValue
            if count == 1 { wakeUp.signal() }
            if count == 10_000 { recorder.assumeIsolated { $0.note("timer alone") } }
            if count < 10_000, let timer = own.timer.withLock({ $0 }) { loop.set(timer, to: .zero) }
        }
        own.timer.withLock { $0 = timer }
        loop.set(timer, to: .zero)
        #expect(await recorder.notes(atLeast: 1).first == "descriptor")
        loop.stop()
        loop.join()
    }

    @Test func `a watch reports readiness until it is cancelled`() async throws {
        let loop = try EventLoop(name: "test")
        let recorder = Recorder(on: loop)
        let pair = try SocketPair()
        let watch = try loop.watch(pair.server.descriptor, for: .readable) { readiness in
            var bytes: [UInt8] = []
            _ = try? pair.server.read(into: &bytes)  // An error leaves `bytes` empty, which the test sees.
            let text = readiness.contains(.readable) ? "\(bytes)" : "not readable"
            recorder.assumeIsolated { $0.note(text) }
        }
        _ = try pair.client.write([1, 2])
        #expect(await recorder.notes(atLeast: 1) == ["[1, 2]"])
        loop.cancel(watch)
        _ = try pair.client.write([3])
        let barrier = loop.makeTimer { recorder.assumeIsolated { $0.note("timer") } }
        loop.set(barrier, to: SystemClock.now + .milliseconds(5))
        #expect(await recorder.notes(atLeast: 2) == ["[1, 2]", "timer"])
        loop.stop()
        loop.join()
    }

    @Test func `jobs that are queued when the loop stops still run`() async throws {
        let loop = try EventLoop(name: "test")
        let recorder = Recorder(on: loop)
        let ran = Tally()
        await recorder.stopThenQueueJobs(10, counting: ran)
        loop.join()
        #expect(ran.count.load(ordering: .relaxed) == 10)
    }
}
