import CLinux

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

    /// Waits until `other` is readable or in error, this has been signalled, or `milliseconds` have passed (-1: for ever).
    package func wait(orReadable other: borrowing FileDescriptor, milliseconds: Int32 = -1) {
        _ = linux_wait_or_wake(other.number, descriptor.number, milliseconds)
    }
}
