/// One end of a `FileDescriptor.datagramPair`, for whoever serves the other side of a link.
package final class MessageSocket: Sendable {
    /// For `EventLoop.watch`.
    package let descriptor: FileDescriptor

    package init(_ descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }

    /// Sends one message. `wouldBlock` when the other side is behind.
    package func send(_ message: ArraySlice<UInt8>) throws(SystemError) -> FileDescriptor.Transfer {
        try descriptor.send(message)
    }

    /// Writes the next message to the beginning of `buffer`, whose size is the longest that is taken whole.
    package func receive(into buffer: inout [UInt8]) throws(SystemError) -> FileDescriptor.Transfer {
        try descriptor.read(toStartOf: &buffer)
    }
}
