import Datapath
import Linux
import Wire

/// Sends the groups of an engine over the sockets and links of a thread's ports.
struct GroupSender: ~Copyable {
    /// What a destination is sent over.
    private enum Outlet: Equatable {
        case socket(Int)
        case link(UInt32)
    }

    private let ports: PacketPorts
    private var queue = SendQueue(capacity: 256)

    init(_ ports: PacketPorts) {
        self.ports = ports
    }

    /// Sends `groups` in order and returns how many datagrams could not be sent.
    mutating func send(_ groups: [OutgoingGroup]) -> Int {
        var failed = 0
        var current: Outlet?
        for group in groups {
            let outlet = outlet(for: group.destination)
            if let current, current != outlet { failed += flush(current) }
            current = outlet
            switch outlet {
            case .socket(let index): append(group, isTrain: ports.sockets[index].takesTrains, isConnected: false)
            case .link(let number):
                append(group, isTrain: ports.links[number]?.socket.takesTrains ?? false, isConnected: true)
            case nil: failed += group.datagramCount
            }
        }
        if let current { failed += flush(current) }
        return failed
    }

    private func outlet(for destination: Destination) -> Outlet? {
        if let link = destination.endpoint.link { return .link(link.number) }
        return ports.socketIndex(for: destination).map { .socket($0) }
    }

    /// Sends what is queued for an outlet.
    private mutating func flush(_ outlet: Outlet) -> Int {
        switch outlet {
        case .socket(let index): return ports.sockets[index].send(&queue)
        case .link(let number):
            if let link = ports.links[number] { return link.socket.send(&queue) }
            defer { queue.removeAll() }
            return queue.datagramCount
        }
    }

    private mutating func append(_ group: OutgoingGroup, isTrain: Bool, isConnected: Bool) {
        let endpoint = isConnected ? nil : group.destination.endpoint
        let localAddress = isConnected ? nil : group.destination.localAddress
        if isTrain {
            unsafe queue.append(
                group.bytes.pointer, count: group.bytes.count, segmentSize: group.segmentSize, to: endpoint,
                from: localAddress)
            return
        }
        var offset = 0
        while offset < group.bytes.count {
            let piece = group.bytes.slice(offset, min(group.segmentSize, group.bytes.count - offset))
            unsafe queue.append(
                piece.pointer, count: piece.count, segmentSize: piece.count, to: endpoint, from: localAddress)
            offset += piece.count
        }
    }
}
