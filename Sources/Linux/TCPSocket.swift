import CLinux
import Glibc
package import Wire

/// A non-blocking TCP connection that sends small messages at once, keeps little in the kernel, and notices within ten seconds
/// that the other side is gone.
package final class TCPSocket: Sendable {
    /// For `EventLoop.watch`.
    package let descriptor: FileDescriptor
    package let remote: Endpoint

    fileprivate init(_ descriptor: consuming FileDescriptor, remote: Endpoint) {
        self.descriptor = descriptor
        self.remote = remote
    }

    /// Begins to connect; writable when that is done, and then `checkConnected` tells the outcome.
    ///
    /// - Parameter source: the local address to connect from; `nil` lets routing choose.
    package static func connect(to remote: Endpoint, from source: IPAddress? = nil) throws(SystemError) -> TCPSocket {
        var address = linux_address(remote)
        var local = source.map { linux_address($0) } ?? linux_address()
        let number = try SystemError.check(unsafe linux_tcp_connect(&address, &local), "connect to \(remote)")
        return TCPSocket(FileDescriptor(owning: number), remote: remote)
    }

    package func checkConnected() throws(SystemError) {
        try SystemError.check(linux_socket_error(descriptor.number), "connect to \(remote)")
    }
}

/// A listening TCP socket of one family.
package final class TCPListener: Sendable {
    /// For `EventLoop.watch`.
    package let descriptor: FileDescriptor
    package let endpoint: Endpoint

    /// Port 0 lets the kernel choose.
    package init(_ wanted: Endpoint, backlog: Int32 = 128) throws(SystemError) {
        var address = linux_address(wanted)
        let number = unsafe linux_tcp_listen(&address, backlog)
        descriptor = FileDescriptor(owning: try SystemError.check(number, "listen on TCP \(wanted)"))
        try SystemError.check(unsafe linux_bound_address(number, &address), "getsockname")
        endpoint = address.endpoint ?? wanted
    }

    /// The next waiting connection; `nil` when there is none, or it was given up before it was taken.
    package func accept() throws(SystemError) -> TCPSocket? {
        var address = linux_address()
        let number = unsafe linux_tcp_accept(descriptor.number, &address)
        if [-EAGAIN, -ECONNABORTED, -EINTR].contains(number) { return nil }
        let descriptor = FileDescriptor(owning: try SystemError.check(number, "accept on TCP \(endpoint)"))
        guard let remote = address.endpoint else { return nil }
        return TCPSocket(descriptor, remote: remote)
    }
}
