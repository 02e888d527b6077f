import CLinux
import Glibc
import Synchronization
package import Wire

/// A non-blocking UDP socket of one family, which lets the kernel fragment what is too large for a link.
///
/// `send` may be called from any thread.
package final class UDPSocket: Sendable {
    /// Both directions: about 50 ms of a 1 Gbit/s link.
    package static let bufferBytes: Int32 = 7 << 20
    /// How long a send waits for room in the send buffer before it drops.
    private static let sendWaitMilliseconds: Int32 = 20

    package let descriptor: FileDescriptor
    package let localEndpoint: Endpoint
    /// Whether the kernel joins datagrams on receipt (UDP_GRO).
    package let joinsDatagrams: Bool
    /// Cleared when a device turns out not to cut datagrams (UDP_SEGMENT); then they go one by one.
    private let cutsDatagrams = Atomic(true)

    package var isIPv4: Bool { localEndpoint.address.isIPv4 }

    /// Binds to `endpoint`; port 0 lets the kernel choose. `mark` sets SO_MARK, for policy routing.
    package init(_ endpoint: Endpoint, mark: UInt32? = nil) throws(SystemError) {
        let number = linux_udp_open(endpoint.address.isIPv4 ? 4 : 6, true)
        descriptor = FileDescriptor(owning: try SystemError.check(number, "open UDP socket"))
        try SystemError.check(linux_set_buffers(number, Self.bufferBytes), "set socket buffers")
        if let mark { try SystemError.check(linux_set_mark(number, mark), "set SO_MARK \(mark)") }
        var address = linux_address(endpoint)
        try SystemError.check(unsafe linux_bind(number, &address), "bind \(endpoint)")
        try SystemError.check(unsafe linux_bound_address(number, &address), "getsockname")
        localEndpoint = address.endpoint ?? endpoint
        joinsDatagrams = linux_udp_has_gro(number) == 1
    }

    /// Sends everything in `queue` and empties it; returns how many datagrams could not be sent.
    ///
    /// A destination that cannot be reached costs its own datagrams only.
    package func send(_ queue: inout SendQueue) -> Int {
        var failed = 0
        var next = 0
        var hasWaited = false
        while next < queue.count {
            let sent = unsafe queue.withMessages(from: next) { messages, count in
                unsafe linux_send(descriptor.number, messages, Int32(count))
            }
            if sent > 0 {
                next += Int(sent)
                hasWaited = false
                continue
            }
            switch -sent {
            case EAGAIN where !hasWaited, ENOBUFS where !hasWaited:
                hasWaited = true
                _ = linux_wait_ready(descriptor.number, UInt32(LINUX_WRITABLE), Self.sendWaitMilliseconds)
                continue
            case EIO, EINVAL, EMSGSIZE, EOPNOTSUPP:
                // EIO: the device computes no checksums. EINVAL, EMSGSIZE: the pieces need fragmenting, which the
                // kernel does for single datagrams only.
                if queue.isTrain(next) {
                    if sent == -EIO { cutsDatagrams.store(false, ordering: .relaxed) }
                    queue.split(next)
                    continue
                }
            default: break
            }
            failed += queue.datagramCount(next)
            next += 1
            hasWaited = false
        }
        queue.removeAll()
        return failed
    }

    /// Sends one datagram, from the control thread. A refusal is an error, a full buffer counts as one.
    package func send(_ datagram: [UInt8], to endpoint: Endpoint, from source: IPAddress? = nil) throws(SystemError) {
        let result = unsafe datagram.withUnsafeBytes { bytes in
            var message = unsafe linux_outgoing()
            unsafe message.data = bytes.baseAddress
            unsafe message.length = UInt32(bytes.count)
            unsafe message.destination = linux_address(endpoint)
            if let source { unsafe message.source = linux_address(source) }
            return unsafe linux_send(descriptor.number, &message, 1)
        }
        try SystemError.check(result, "send to \(endpoint)")
    }

    /// Whether trains may be queued as one message.
    package var takesTrains: Bool { cutsDatagrams.load(ordering: .relaxed) }
}

/// Messages for one `UDPSocket.send`. The bytes stay with their owner until then.
@safe package struct SendQueue: ~Copyable {
    private var messages: [linux_outgoing] = unsafe []

    package init(capacity: Int) {
        unsafe messages.reserveCapacity(capacity)
    }

    package var count: Int { unsafe messages.count }

    /// Adds a datagram or, with `segmentSize` < `count`, a train of datagrams of that size.
    ///
    /// The bytes at `start` must stay as they are until the queue has been sent.
    @unsafe package mutating func append(
        _ start: UnsafeRawPointer, count: Int, segmentSize: Int, to destination: Endpoint, from source: IPAddress?
    ) {
        var message = unsafe linux_outgoing()
        unsafe message.data = start
        unsafe message.length = UInt32(count)
        unsafe message.segment = segmentSize < count ? UInt16(segmentSize) : 0
        unsafe message.destination = linux_address(destination)
        if let source { unsafe message.source = linux_address(source) }
        unsafe messages.append(message)
    }

    package mutating func removeAll() {
        unsafe messages.removeAll(keepingCapacity: true)
    }

    func isTrain(_ index: Int) -> Bool { unsafe messages[index].segment > 0 }

    func datagramCount(_ index: Int) -> Int {
        let message = unsafe messages[index]
        let segment = unsafe Int(message.segment)
        return segment == 0 ? 1 : unsafe (Int(message.length) + segment - 1) / segment
    }

    /// Replaces a train by its datagrams.
    mutating func split(_ index: Int) {
        let train = unsafe messages[index]
        let segment = unsafe Int(train.segment)
        let pieces = unsafe stride(from: 0, to: Int(train.length), by: segment).map { offset in
            var piece = unsafe train
            unsafe piece.data = train.data + offset
            unsafe piece.length = UInt32(min(segment, Int(train.length) - offset))
            unsafe piece.segment = 0
            return unsafe piece
        }
        unsafe messages.replaceSubrange(index...index, with: pieces)
    }

    @unsafe func withMessages(from index: Int, _ body: (UnsafePointer<linux_outgoing>, Int) -> Int32) -> Int32 {
        unsafe messages.withUnsafeBufferPointer { unsafe body($0.baseAddress! + index, $0.count - index) }
    }
}
