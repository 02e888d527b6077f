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
    private let localAddresses: [IPAddress]

    init(tun: TunDevice, sockets: [UDPSocket]) throws(SystemError) {
        // One place more is for `ending`.
        guard sockets.count < ReadinessPoll.limit else { throw .tooManySockets(sockets.count) }
        localAddresses = sockets.map(\.localEndpoint.address)
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

    /// Index of the socket to send from: the one bound to the wanted local address, else the first of the family that
    /// could have it, else the first of the family; `nil` when there is none.
    func socketIndex(for destination: Destination) -> Int? {
        let isIPv4 = destination.endpoint.address.isIPv4
        var found: Int?
        for (index, address) in localAddresses.enumerated() where address.isIPv4 == isIPv4 {
            if address == destination.localAddress { return index }
            if found == nil || (address.isUnspecified && !localAddresses[found ?? index].isUnspecified) {
                found = index
            }
        }
        return found
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
    private var queue = SendQueue(capacity: 256)

    init(_ ports: PacketPorts) {
        self.ports = ports
    }

    /// Sends `groups` in order and returns how many datagrams could not be sent.
    mutating func send(_ groups: [OutgoingGroup]) -> Int {
        var failed = 0
        var current: Int?
        for group in groups {
            guard let index = ports.socketIndex(for: group.destination) else {
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

extension IPAddress {
    /// 0.0.0.0 or ::, any address of the host.
    fileprivate var isUnspecified: Bool { self == .v4(.any) || self == .v6(.any) }
}
