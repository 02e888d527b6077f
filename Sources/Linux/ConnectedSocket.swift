import CLinux
import Synchronization

/// A descriptor that carries datagrams to and from one other end: a connected UDP socket, or one end of a `datagramPair`.
///
/// `send` may be called from any thread, and never waits: what finds no room is lost, as on any link.
package final class ConnectedSocket: Sendable {
    package let descriptor: FileDescriptor
    /// Whether trains may be queued as one message; cleared when they turn out not to be cut on the way.
    private let cutsDatagrams: Atomic<Bool>

    /// `cutsDatagrams`: it is a UDP socket.
    package init(_ descriptor: consuming FileDescriptor, cutsDatagrams: Bool) {
        self.descriptor = descriptor
        self.cutsDatagrams = Atomic(cutsDatagrams)
    }

    package var takesTrains: Bool { cutsDatagrams.load(ordering: .relaxed) }

    /// Sends everything in `queue` and empties it; returns how many datagrams could not be sent.
    package func send(_ queue: inout SendQueue) -> Int {
        let (failed, refusesTrains) = queue.send(to: descriptor.number, waitMilliseconds: 0)
        if refusesTrains { cutsDatagrams.store(false, ordering: .relaxed) }
        return failed
    }

    /// Sends one datagram, from the control thread. A refusal is an error, a full buffer counts as one.
    package func send(_ datagram: [UInt8], hopLimit: UInt8? = nil) throws(SystemError) {
        let result = Datagram.send(datagram, over: descriptor.number, to: nil, from: nil, hopLimit: hopLimit)
        try SystemError.check(result, "send along a link")
    }
}

extension FileDescriptor {
    /// What each direction of a pair holds: enough for a burst, and no more delay than 0.2 s at 10 Mbit/s.
    private static let pairBufferBytes: Int32 = 256 << 10

    /// Makes two ends that carry datagrams to each other inside this host, gives one to `takeNear` and returns the other. When
    /// one is closed the other notices.
    package static func datagramPair(
        _ takeNear: (consuming FileDescriptor) throws(SystemError) -> Void
    ) throws(SystemError) -> FileDescriptor {
        var near: Int32 = -1
        var far: Int32 = -1
        try SystemError.check(unsafe linux_datagram_pair(&near, &far), "socketpair")
        let other = FileDescriptor(owning: far)
        // Without room of its own it takes what the system gives every socket.
        for end in [near, far] { _ = linux_set_buffers(end, pairBufferBytes) }
        try takeNear(FileDescriptor(owning: near))
        return other
    }
}
