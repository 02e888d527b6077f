import CLinux
package import SansIO
import Synchronization

/// Waits for descriptors, timers and jobs on one thread of its own, and runs them there.
///
/// It is a `SerialExecutor`: an actor whose `unownedExecutor` is this loop runs on the loop's thread, and the
/// handlers given to `watch` and `makeTimer` may call into that actor with `assumeIsolated`. It is a `TaskExecutor` too: a
/// task that prefers it needs no other thread, so that a program of such tasks never starts the runtime's pool.
///
/// Each turn: wait (epoll), handlers of ready descriptors, due timers in the order of their deadlines, then jobs.
/// Handlers may add and remove watches and timers. The lock inside is never held while foreign code runs.
package final class EventLoop: SerialExecutor, TaskExecutor {
    /// What a descriptor is ready for.
    package struct Readiness: OptionSet, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package static let readable = Readiness(rawValue: UInt32(LINUX_READABLE))
        package static let writable = Readiness(rawValue: UInt32(LINUX_WRITABLE))
        /// The other side is gone, or the descriptor is in error. Always reported, never asked for.
        package static let closed = Readiness(rawValue: UInt32(LINUX_CLOSED))
    }

    /// One watched descriptor; a later watch of the same number has another token.
    package struct Watch: Hashable, Sendable {
        fileprivate let token: UInt64
        fileprivate let descriptor: Int32
    }

    /// A timer of this loop, idle until it is set.
    package struct Timer: Hashable, Sendable {
        fileprivate let token: UInt64
    }

    package typealias ReadinessHandler = @Sendable (Readiness) -> Void
    package typealias TimerHandler = @Sendable () -> Void

    private struct State {
        var jobs: [UnownedJob] = []
        var watches: [UInt64: ReadinessHandler] = [:]
        var timers: [UInt64: TimerHandler] = [:]
        var deadlines = Deadlines<UInt64>()
        var nextToken: UInt64 = firstToken
        var thread: Thread?
        var isStopping = false
    }

    private static let wakeToken: UInt64 = 0
    private static let timerToken: UInt64 = 1
    private static let firstToken: UInt64 = 2

    private let epoll: FileDescriptor
    private let wakeUp: FileDescriptor
    private let clock: FileDescriptor
    private let state = Mutex(State())

    /// Opens the loop and starts its thread; `name` is what the kernel shows.
    package init(name: String) throws(SystemError) {
        epoll = FileDescriptor(owning: try SystemError.check(linux_epoll_create(), "epoll_create"))
        wakeUp = FileDescriptor(owning: try SystemError.check(linux_eventfd_create(), "eventfd"))
        clock = FileDescriptor(owning: try SystemError.check(linux_timerfd_create(), "timerfd_create"))
        let readable = Readiness.readable.rawValue
        try SystemError.check(linux_epoll_add(epoll.number, wakeUp.number, readable, Self.wakeToken), "epoll_ctl")
        try SystemError.check(linux_epoll_add(epoll.number, clock.number, readable, Self.timerToken), "epoll_ctl")
        let thread = try Thread(name: name) { self.run() }
        state.withLock { $0.thread = thread }
    }

    // MARK: descriptors

    /// Calls `handler` on the loop's thread whenever `descriptor` is ready for some of `interest`.
    ///
    /// Level-triggered: the handler is called again until it has read (or written) what there is.
    package func watch(
        _ descriptor: borrowing FileDescriptor, for interest: Readiness, _ handler: @escaping ReadinessHandler
    ) throws(SystemError) -> Watch {
        try watch(number: descriptor.number, for: interest, handler)
    }

    /// As above, for a descriptor whose owner shows only its number.
    package func watch(
        number: Int32, for interest: Readiness, _ handler: @escaping ReadinessHandler
    ) throws(SystemError) -> Watch {
        let watch = Watch(token: takeToken(), descriptor: number)
        state.withLock { $0.watches[watch.token] = handler }
        let result = linux_epoll_add(epoll.number, number, interest.rawValue, watch.token)
        if result < 0 { state.withLock { _ = $0.watches.removeValue(forKey: watch.token) } }
        try SystemError.check(result, "epoll_ctl")
        return watch
    }

    /// Changes what `watch` waits for; nothing at all is allowed.
    package func setInterest(_ interest: Readiness, of watch: Watch) throws(SystemError) {
        try SystemError.check(
            linux_epoll_change(epoll.number, watch.descriptor, interest.rawValue, watch.token), "epoll_ctl")
    }

    /// Ends the watch; its handler is not called again. Call it before the descriptor is closed.
    package func cancel(_ watch: Watch) {
        let known = state.withLock { $0.watches.removeValue(forKey: watch.token) != nil }
        if known { _ = linux_epoll_remove(epoll.number, watch.descriptor) }
    }

    // MARK: timers

    /// Makes a timer that calls `handler` on the loop's thread when its deadline has passed.
    package func makeTimer(_ handler: @escaping TimerHandler) -> Timer {
        let timer = Timer(token: takeToken())
        state.withLock { $0.timers[timer.token] = handler }
        return timer
    }

    /// Sets, moves, or with `nil` stops the timer. It fires once per setting.
    package func set(_ timer: Timer, to deadline: Instant?) {
        let isEarlier = state.withLock { state in
            guard state.timers[timer.token] != nil else { return false }
            let before = state.deadlines.earliest
            state.deadlines.set(deadline, for: timer.token)
            guard let earliest = state.deadlines.earliest else { return false }
            return before.map { earliest < $0 } ?? true
        }
        // The loop arms its clock before it waits; only another thread has to tell it.
        if isEarlier, !isCurrent { wake() }
    }

    package func cancel(_ timer: Timer) {
        state.withLock { state in
            state.timers.removeValue(forKey: timer.token)
            state.deadlines.remove(timer.token)
        }
    }

    // MARK: executor

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = state.withLock { state in
            state.jobs.append(job)
            return state.jobs.count == 1
        }
        if isFirst, !isCurrent { wake() }
    }

    package func checkIsolated() {
        precondition(isCurrent, "code of the event loop ran on another thread")
    }

    package func isIsolatingCurrentContext() -> Bool? { isCurrent }

    /// Whether the caller runs on the loop's thread.
    package var isCurrent: Bool { state.withLock { $0.thread?.isCurrent ?? false } }

    // MARK: ending

    /// Ends the loop after the current turn; jobs that are queued by then still run, and every watch and timer ends.
    /// Call `join()` afterwards.
    package func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    /// Waits until the loop's thread has ended. Precondition: not called on the loop.
    package func join() {
        // Known as the loop's thread to the end: what it still runs may ask.
        state.withLock { $0.thread }?.join()
        state.withLock { $0.thread = nil }
    }

    // MARK: the loop

    private func run() {
        let ready = UnsafeMutableBufferPointer<linux_event>.allocate(capacity: 64)
        defer { unsafe ready.deallocate() }
        var armed: Instant?
        while true {
            let (hasJobs, isStopping, earliest) = state.withLock { state in
                (!state.jobs.isEmpty, state.isStopping, state.deadlines.earliest)
            }
            if isStopping { break }
            if earliest != armed {
                _ = linux_timerfd_set(clock.number, max(1, earliest?.nanoseconds ?? 0))
                if earliest == nil { _ = linux_timerfd_set(clock.number, 0) }
                armed = earliest
            }
            let count = unsafe linux_epoll_wait(
                epoll.number, ready.baseAddress!, Int32(ready.count), hasJobs ? 0 : -1)
            for index in 0..<max(0, Int(count)) {
                dispatch(unsafe ready[index])
            }
            // A timer that fired may be set to the same deadline again, so the clock is armed anew.
            if runDueTimers() { armed = nil }
            runJobs()
        }
        runJobs()
        releaseHandlers()
    }

    private func dispatch(_ event: linux_event) {
        switch event.token {
        case Self.wakeToken: _ = linux_eventfd_clear(wakeUp.number)
        case Self.timerToken: _ = linux_eventfd_clear(clock.number)
        default:
            // Looked up now, since an earlier handler of this turn may have cancelled the watch.
            let handler = state.withLock { $0.watches[event.token] }
            handler?(Readiness(rawValue: event.readiness))
        }
    }

    /// Returns whether there were any. Those that are due again at once wait for the next turn, so that descriptors have theirs.
    private func runDueTimers() -> Bool {
        let now = SystemClock.now
        var remaining = state.withLock { $0.deadlines.count }
        var hasFired = false
        while remaining > 0,
            let handler = state.withLock({ state in state.deadlines.popExpired(at: now).map { state.timers[$0] } })
        {
            remaining -= 1
            hasFired = true
            handler?()
        }
        return hasFired
    }

    private func runJobs() {
        let jobs = state.withLock { state in
            defer { state.jobs = [] }
            return state.jobs
        }
        for job in jobs { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
    }

    /// Handlers hold actors that hold this loop; with the loop they end.
    private func releaseHandlers() {
        // Returned, so that they are released outside the lock: that runs foreign code.
        _ = state.withLock { state in
            defer { (state.watches, state.timers, state.deadlines) = ([:], [:], Deadlines()) }
            return (state.watches, state.timers)
        }
    }

    private func takeToken() -> UInt64 {
        state.withLock { state in
            defer { state.nextToken += 1 }
            return state.nextToken
        }
    }

    private func wake() {
        _ = linux_eventfd_signal(wakeUp.number)
    }
}
