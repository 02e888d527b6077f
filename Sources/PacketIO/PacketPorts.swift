import Datapath
import Linux
import Synchronization
import Wire

/// What both packet threads and the control thread share: the interface, the sockets, the tables, the mailbox.
final class PacketPorts: Sendable {
    let tun: TunDevice
    let sockets: [UDPSocket]
    let tables = PublishedTables()
    let mailbox: UpcallMailbox
    /// Signalled once, at the end; never cleared, so that it wakes both threads.
    let ending: WakeUp
    private let isEnding = Atomic(false)

    init(tun: TunDevice, sockets: [UDPSocket]) throws(SystemError) {
        self.tun = tun
        self.sockets = sockets
        mailbox = try UpcallMailbox()
        ending = try WakeUp()
    }

    var hasEnded: Bool { isEnding.load(ordering: .relaxed) }

    func end() {
        isEnding.store(true, ordering: .relaxed)
        ending.signal()
    }

    /// Index of the socket for an address family; `nil` when there is none.
    func socketIndex(isIPv4: Bool) -> Int? {
        sockets.firstIndex { $0.isIPv4 == isIPv4 }
    }

    /// Writes an IP packet to the interface, from whatever thread.
    func deliver(_ packet: [UInt8]) -> Bool {
        let frame = Array(repeating: 0, count: VirtioHeader.size) + packet
        return unsafe frame.withUnsafeBytes { unsafe tun.write($0.baseAddress!, count: $0.count) } >= 0
    }
}

/// Sends the groups of an engine over the sockets of a thread's ports.
struct GroupSender: ~Copyable {
    private let ports: PacketPorts
    private let v4: Int?
    private let v6: Int?
    private var queue = SendQueue(capacity: 256)

    init(_ ports: PacketPorts) {
        self.ports = ports
        v4 = ports.socketIndex(isIPv4: true)
        v6 = ports.socketIndex(isIPv4: false)
    }

    /// Sends `groups` in order and returns how many datagrams could not be sent.
    mutating func send(_ groups: [OutgoingGroup]) -> Int {
        var failed = 0
        var current: Int?
        for group in groups {
            guard let index = group.destination.endpoint.address.isIPv4 ? v4 : v6 else {
                failed += (group.bytes.count + group.segmentSize - 1) / group.segmentSize
                continue
            }
            if let current, current != index { failed += ports.sockets[current].send(&queue) }
            current = index
            append(group, isTrain: ports.sockets[index].takesTrains)
        }
        if let current { failed += ports.sockets[current].send(&queue) }
        return failed
    }

    private mutating func append(_ group: OutgoingGroup, isTrain: Bool) {
        let destination = group.destination
        if isTrain {
            unsafe queue.append(
                group.bytes.pointer, count: group.bytes.count, segmentSize: group.segmentSize,
                to: destination.endpoint, from: destination.localAddress)
            return
        }
        var offset = 0
        while offset < group.bytes.count {
            let piece = group.bytes.slice(offset, min(group.segmentSize, group.bytes.count - offset))
            unsafe queue.append(
                piece.pointer, count: piece.count, segmentSize: piece.count, to: destination.endpoint,
                from: destination.localAddress)
            offset += piece.count
        }
    }
}
