import CLinux
import Glibc
package import Wire

/// Messages for one call that sends them. The bytes stay with their owner until then.
@safe package struct SendQueue: ~Copyable {
    private var messages: [linux_outgoing] = unsafe []

    package init(capacity: Int) {
        unsafe messages.reserveCapacity(capacity)
    }

    package var count: Int { unsafe messages.count }

    /// Adds a datagram or, with `segmentSize` < `count`, a train of datagrams of that size; `destination` is `nil` for a socket
    /// that is connected.
    ///
    /// The bytes at `start` must stay as they are until the queue has been sent.
    @unsafe package mutating func append(
        _ start: UnsafeRawPointer, count: Int, segmentSize: Int, to destination: Endpoint?, from source: IPAddress?
    ) {
        var message = unsafe linux_outgoing()
        unsafe message.data = start
        unsafe message.length = UInt32(count)
        unsafe message.segment = segmentSize < count ? UInt16(segmentSize) : 0
        if let destination { unsafe message.destination = linux_address(destination) }
        if let source { unsafe message.source = linux_address(source) }
        unsafe messages.append(message)
    }

    /// Datagrams in all messages.
    package var datagramCount: Int { (0..<count).reduce(0) { $0 + datagramCount($1) } }

    package mutating func removeAll() {
        unsafe messages.removeAll(keepingCapacity: true)
    }

    /// Sends everything over the socket `descriptor` and empties the queue. When its buffer is full it waits for room as long as
    /// told, once for each message that then leaves; what finds none is lost.
    ///
    /// Returns how many datagrams could not be sent, and whether the socket's device does not cut trains. A destination that
    /// cannot be reached costs its own datagrams only.
    mutating func send(to descriptor: Int32, waitMilliseconds: Int32) -> (failed: Int, refusesTrains: Bool) {
        var failed = 0
        var refusesTrains = false
        var next = 0
        var hasWaited = waitMilliseconds == 0
        while next < count {
            let sent = unsafe withMessages(from: next) { messages, count in
                unsafe linux_send(descriptor, messages, Int32(count))
            }
            if sent > 0 {
                next += Int(sent)
                hasWaited = waitMilliseconds == 0
                continue
            }
            switch -sent {
            case EAGAIN where !hasWaited, ENOBUFS where !hasWaited:
                hasWaited = true
                _ = linux_wait_ready(descriptor, UInt32(LINUX_WRITABLE), waitMilliseconds)
                continue
            case EIO, EINVAL, EMSGSIZE, EOPNOTSUPP:
                // EIO: the device computes no checksums. EINVAL, EMSGSIZE: the pieces need fragmenting, which the
                // kernel does for single datagrams only.
                if isTrain(next) {
                    if sent == -EIO { refusesTrains = true }
                    split(next)
                    continue
                }
            default: break
            }
            failed += datagramCount(next)
            next += 1
            hasWaited = waitMilliseconds == 0
        }
        removeAll()
        return (failed, refusesTrains)
    }

    private func isTrain(_ index: Int) -> Bool { unsafe messages[index].segment > 0 }

    private func datagramCount(_ index: Int) -> Int {
        let message = unsafe messages[index]
        let segment = unsafe Int(message.segment)
        return segment == 0 ? 1 : unsafe (Int(message.length) + segment - 1) / segment
    }

    /// Replaces a train by its datagrams.
    private mutating func split(_ index: Int) {
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

    @unsafe private func withMessages(
        from index: Int, _ body: (UnsafePointer<linux_outgoing>, Int) -> Int32
    ) -> Int32 {
        unsafe messages.withUnsafeBufferPointer { unsafe body($0.baseAddress! + index, $0.count - index) }
    }
}

enum Datagram {
    /// Sends one datagram over the socket `descriptor`; the result is `-errno` when it is refused.
    static func send(
        _ bytes: [UInt8], over descriptor: Int32, to destination: Endpoint?, from source: IPAddress?,
        interface: UInt32 = 0, hopLimit: UInt8? = nil
    ) -> Int32 {
        unsafe bytes.withUnsafeBytes { bytes in
            var message = unsafe linux_outgoing()
            unsafe message.data = bytes.baseAddress
            unsafe message.length = UInt32(bytes.count)
            if let destination { unsafe message.destination = linux_address(destination) }
            if let source { unsafe message.source = linux_address(Endpoint(source, port: 0, scope: interface)) }
            unsafe message.hop_limit = hopLimit ?? 0
            return unsafe linux_send(descriptor, &message, 1)
        }
    }
}
