import CLinux
import Glibc

/// Who is on the other side of a unix socket, as the kernel says.
package struct PeerCredentials: Hashable, Sendable {
    package let process: Int32
    package let user: UInt32
    package let group: UInt32
}

/// A listening stream socket in the file system, removed when it ends.
package final class UnixSocketListener: Sendable {
    package let path: String
    /// For `EventLoop.watch`; non-blocking.
    package let descriptor: FileDescriptor

    /// Listens at `path` with the file mode `mode`. A socket file that nobody serves any more is replaced;
    /// one that is served is refused with EADDRINUSE, a file of another kind with EEXIST.
    package init(path: String, mode: UInt32 = 0o660) throws(SystemError) {
        self.path = path
        let number = unsafe linux_unix_listen(path, mode)
        descriptor = FileDescriptor(owning: try SystemError.check(number, "listen at \(path)"))
    }

    deinit { unsafe _ = unlink(path) }

    /// The next waiting connection; `nil` when there is none.
    package func accept() throws(SystemError) -> UnixSocketConnection? {
        let number = linux_unix_accept(descriptor.number)
        if [-EAGAIN, -ECONNABORTED, -EINTR].contains(number) { return nil }
        try SystemError.check(number, "accept at \(path)")
        return try UnixSocketConnection(owning: number)
    }
}

/// One stream connection over a unix socket. Reads and writes move what they can and never raise SIGPIPE.
package final class UnixSocketConnection: Sendable {
    /// For `EventLoop.watch`.
    package let descriptor: FileDescriptor
    package let peer: PeerCredentials

    /// Takes over the connected socket `number`.
    fileprivate init(owning number: Int32) throws(SystemError) {
        descriptor = FileDescriptor(owning: number)
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
        try SystemError.check(unsafe linux_unix_credentials(number, &process, &user, &group), "SO_PEERCRED")
        peer = PeerCredentials(process: process, user: user, group: group)
    }

    /// Connects to `path`; reads and writes of the result block. For clients.
    package static func connect(to path: String) throws(SystemError) -> UnixSocketConnection {
        let number = try SystemError.check(unsafe linux_unix_connect(path), "connect to \(path)")
        return try UnixSocketConnection(owning: number)
    }

    /// Connects to `path` without waiting; neither do reads and writes of the result. For clients on an event loop.
    package static func connectNow(to path: String) throws(SystemError) -> UnixSocketConnection {
        let number = try SystemError.check(unsafe linux_unix_connect_now(path), "connect to \(path)")
        return try UnixSocketConnection(owning: number)
    }

    /// Appends up to `limit` bytes to `buffer`.
    package func read(into buffer: inout [UInt8], limit: Int = 16384) throws(SystemError) -> FileDescriptor.Transfer {
        try descriptor.read(into: &buffer, limit: limit)
    }

    /// Writes some of `bytes`; the result says how many.
    package func write(_ bytes: ArraySlice<UInt8>) throws(SystemError) -> FileDescriptor.Transfer {
        try descriptor.send(bytes)
    }
}
