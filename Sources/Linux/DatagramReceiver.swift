import CLinux
import Glibc
package import Wire

/// Buffers for receiving several datagrams, or trains of them, with one call.
@safe package struct DatagramReceiver: ~Copyable {
    private let receiver: OpaquePointer

    /// What came: bytes that stay until the next `receive`.
    @safe package struct Message {
        /// `count` writable bytes.
        package let start: UnsafeMutableRawPointer
        package let count: Int
        /// Size of each datagram when the kernel joined several, else 0.
        package let segmentSize: Int
        package let source: Endpoint
        /// The local address that it was sent to.
        package let localAddress: IPAddress?
        /// Whether it was longer than the buffer.
        package let isTruncated: Bool
    }

    /// `count` buffers, of 64 KiB if nothing else is said.
    package init(count: Int, bufferBytes: Int = 1 << 16) {
        unsafe receiver = linux_receiver_create(Int32(count), bufferBytes)
    }

    deinit { unsafe linux_receiver_destroy(receiver) }

    /// Takes what waits at `descriptor`, a datagram socket, up to the number of buffers, and returns how many messages that was.
    ///
    /// Errors that an earlier send left at the socket count as nothing received. A `datagramPair` whose other end is closed gives
    /// messages of no bytes without end.
    package mutating func receive(from descriptor: borrowing FileDescriptor) -> Int {
        max(0, Int(unsafe linux_receive(descriptor.number, receiver)))
    }

    /// Message `index` of the last `receive`, as if from `source` if one is given; `nil` when the source is of no known family.
    package func message(_ index: Int, from source: Endpoint? = nil) -> Message? {
        guard let incoming = unsafe linux_received(receiver, Int32(index)) else { return nil }
        guard let source = source ?? (unsafe incoming.pointee.source.endpoint) else { return nil }
        return unsafe Message(
            start: incoming.pointee.data, count: Int(incoming.pointee.length),
            segmentSize: Int(incoming.pointee.segment), source: source,
            localAddress: incoming.pointee.destination.address, isTruncated: incoming.pointee.truncated)
    }
}
