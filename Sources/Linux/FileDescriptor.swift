import CLinux
import Glibc

/// An open file descriptor, closed when the value ends.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for calls that take it. It must not be closed or outlive its owner.
    package let number: Int32

    /// What a read or a write came to.
    package enum Transfer: Equatable, Sendable {
        case bytes(Int)
        /// Nothing can be moved now; wait for readiness.
        case wouldBlock
        /// The other side has closed.
        case end
    }

    /// Takes over the descriptor `number`.
    package init(owning number: Int32) {
        self.number = number
    }

    deinit { _ = close(number) }

    /// Opens a file. `flags` as in open(2); `O_CLOEXEC` is added.
    package static func open(_ path: String, flags: Int32) throws(SystemError) -> FileDescriptor {
        let number = unsafe Glibc.open(path, flags | O_CLOEXEC)
        guard number >= 0 else { throw SystemError("open \(path)", code: errno) }
        return FileDescriptor(owning: number)
    }

    /// Gives up ownership: the caller closes the descriptor.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// Appends up to `limit` bytes to `buffer`.
    package borrowing func read(into buffer: inout [UInt8], limit: Int) throws(SystemError) -> Transfer {
        let before = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: limit))
        let number = number
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe Glibc.read(number, bytes.baseAddress! + before, limit)
        }
        let code = errno
        buffer.removeLast(limit - max(count, 0))
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        switch code {
        case EAGAIN, EINTR: return .wouldBlock
        case ECONNRESET: return .end
        default: throw SystemError("read", code: code)
        }
    }

    /// Reads to the beginning of `buffer`, as much as it holds; nothing is cleared or moved, so a buffer may serve for long.
    package borrowing func read(toStartOf buffer: inout [UInt8]) throws(SystemError) -> Transfer {
        let count = unsafe Glibc.read(number, &buffer, buffer.count)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        switch errno {
        case EAGAIN, EINTR: return .wouldBlock
        case ECONNRESET: return .end
        default: throw SystemError("read", code: errno)
        }
    }

    /// Writes some of `bytes` to a socket, without SIGPIPE.
    package borrowing func send(_ bytes: ArraySlice<UInt8>) throws(SystemError) -> Transfer {
        let number = number
        let count = unsafe bytes.withUnsafeBytes { unsafe linux_send_bytes(number, $0.baseAddress, $0.count) }
        if count >= 0 { return .bytes(count) }
        switch Int32(-count) {
        case EAGAIN, EINTR: return .wouldBlock
        case EPIPE, ECONNRESET: return .end
        default: throw SystemError("send", code: Int32(-count))
        }
    }
}
