import CLinux

/// Descriptors that one thread waits for, and that others add and remove meanwhile (epoll, level-triggered).
package final class ReadinessSet: Sendable {
    /// A descriptor that is ready, by the token it was added with.
    package struct Event: Equatable, Sendable {
        package let token: UInt64
        /// Whether the other side is gone or the descriptor is in error; there may still be something to read.
        package let isClosed: Bool
    }

    private static let batchCount = 64
    /// Readable while something in the set is ready, so that an event loop may watch the whole set.
    package let descriptor: FileDescriptor

    package init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try SystemError.check(linux_epoll_create(), "epoll_create"))
    }

    /// Waits for a descriptor too, to be readable if nothing else is said.
    package func add(
        _ other: borrowing FileDescriptor, for interest: EventLoop.Readiness = .readable, token: UInt64
    ) throws(SystemError) {
        let result = linux_epoll_add(descriptor.number, other.number, interest.rawValue, token)
        try SystemError.check(result, "epoll_ctl")
    }

    /// Changes what a descriptor of the set is waited for.
    package func setInterest(
        _ interest: EventLoop.Readiness, of other: borrowing FileDescriptor, token: UInt64
    ) throws(SystemError) {
        let result = linux_epoll_change(descriptor.number, other.number, interest.rawValue, token)
        try SystemError.check(result, "epoll_ctl")
    }

    /// To be called before the descriptor is closed. One that is not in the set is left alone.
    package func remove(_ other: borrowing FileDescriptor) {
        _ = linux_epoll_remove(descriptor.number, other.number)
    }

    /// Waits until something is ready, or `milliseconds` have passed (-1: no limit), and puts it into `events`: some of what is
    /// ready, the rest has its turn in the next call.
    package func wait(_ events: inout [Event], milliseconds: Int32 = -1) {
        events.removeAll(keepingCapacity: true)
        unsafe withUnsafeTemporaryAllocation(of: linux_event.self, capacity: Self.batchCount) { ready in
            let count = unsafe linux_epoll_wait(
                descriptor.number, ready.baseAddress!, Int32(Self.batchCount), milliseconds)
            for index in 0..<max(0, Int(count)) {
                let event = unsafe ready[index]
                let isClosed = event.readiness & UInt32(LINUX_CLOSED) != 0
                events.append(Event(token: event.token, isClosed: isClosed))
            }
        }
    }
}
