import CLinux
import SansIO

/// An eventfd: one thread signals, another waits for it or watches it.
package final class WakeUp: Sendable {
    /// For `EventLoop.watch`; readable once signalled, until cleared.
    package let descriptor: FileDescriptor

    package init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try SystemError.check(linux_eventfd_create(), "eventfd"))
    }

    package func signal() {
        _ = linux_eventfd_signal(descriptor.number)
    }

    package func clear() {
        _ = linux_eventfd_clear(descriptor.number)
    }

    /// Waits until `other` is readable or in error, or this has been signalled, at most for `limit`.
    package func wait(orReadable other: borrowing FileDescriptor, atMost limit: Duration? = nil) {
        _ = linux_wait_or_wake(other.number, descriptor.number, limit.map { max(0, $0.nanoseconds) } ?? -1)
    }

    /// Waits until this has been signalled, at most `milliseconds`.
    package func wait(milliseconds: Int32) {
        _ = linux_wait_ready(descriptor.number, UInt32(LINUX_READABLE), milliseconds)
    }
}
