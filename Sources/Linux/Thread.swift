import CLinux

/// A POSIX thread with every signal blocked. Joined or detached explicitly.
package struct Thread: Sendable {
    private let handle: UInt64

    /// What the new thread runs, boxed to cross the C interface.
    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread. The kernel shows the first 15 bytes of `name`.
    package init(name: String, _ run: @escaping @Sendable () -> Void) throws(SystemError) {
        let body = unsafe Unmanaged.passRetained(Body(run))
        var handle: UInt64 = 0
        let result = unsafe linux_thread_start(
            name,
            { argument in
                unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, body.toOpaque(), &handle)
        if result < 0 { unsafe body.release() }
        try SystemError.check(result, "start thread \(name)")
        self.handle = handle
    }

    package var isCurrent: Bool { linux_thread_self() == handle }

    /// Waits until the thread has ended. Once only, and not from the thread itself.
    package func join() {
        let result = linux_thread_join(handle)
        precondition(result == 0, "joined a thread twice, or from itself")
    }

    /// Lets the thread end by itself. Once only, and instead of `join()`.
    package func detach() {
        let result = linux_thread_detach(handle)
        precondition(result == 0, "detached a thread that was joined")
    }
}
