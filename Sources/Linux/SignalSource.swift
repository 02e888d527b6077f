import CLinux
import Glibc

/// Signals as something to read (signalfd), for `EventLoop.watch`.
///
/// Make it on the main thread before any other thread starts: it blocks the signals there, and threads inherit that.
package final class SignalSource: Sendable {
    package let descriptor: FileDescriptor

    package init(_ signals: [Int32]) throws(SystemError) {
        let number = unsafe linux_signalfd_create(signals, Int32(signals.count))
        descriptor = FileDescriptor(owning: try SystemError.check(number, "signalfd"))
    }

    /// The number of the next pending signal; `nil` when there is none.
    package func next() throws(SystemError) -> Int32? {
        let signal = linux_signalfd_read(descriptor.number)
        if signal == -EAGAIN || signal == -EINTR { return nil }
        return try SystemError.check(signal, "read signalfd")
    }

    /// Waits for a signal, on a thread that has nothing else to do.
    package func wait() throws(SystemError) -> Int32 {
        while true {
            if let signal = try next() { return signal }
            _ = linux_wait_ready(descriptor.number, UInt32(LINUX_READABLE), -1)
        }
    }
}
