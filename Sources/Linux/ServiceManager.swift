import CLinux
import Glibc
package import SansIO

/// Tells systemd how the service is doing (sd_notify(3)); says nothing where no service manager asked.
package struct ServiceManager: Sendable {
    private let socketPath: String?
    /// How often `keepAlive` must be called at least, when the manager watches; half of what it asks for.
    package let keepAliveInterval: Duration?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID as the manager set them.
    package init() {
        socketPath = Self.environment("NOTIFY_SOCKET")
        let isForUs = Self.environment("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
        let microseconds = Self.environment("WATCHDOG_USEC").flatMap { Int64($0) }
        keepAliveInterval = isForUs ? microseconds.map { .microseconds($0 / 2) } : nil
    }

    package func ready(_ status: String) { notify("READY=1\nSTATUS=\(status)") }

    /// Precedes the reload; `ready` ends it. systemd wants the monotonic time with it (Type=notify-reload).
    package func reloading(at now: Instant) {
        notify("RELOADING=1\nMONOTONIC_USEC=\(now.nanoseconds / 1000)")
    }

    package func stopping() { notify("STOPPING=1") }
    package func status(_ text: String) { notify("STATUS=\(text)") }
    package func keepAlive() { notify("WATCHDOG=1") }

    private func notify(_ message: String) {
        guard let socketPath else { return }
        // A manager that does not listen is no reason to do anything else.
        _ = unsafe linux_notify(socketPath, message)
    }

    private static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
