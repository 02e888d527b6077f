import Datapath
import Linux
import Synchronization
import Wire

/// What both packet threads and the control thread share: the interface, the sockets, the tables, the mailbox.
final class PacketPorts: Sendable {
    /// What is ready, as a token of `readiness`.
    enum Source {
        case ending
        case socket(Int)
        case link(UInt32)

        private static let firstLink: UInt64 = 1 << 32

        var token: UInt64 {
            switch self {
            case .ending: 0
            case .socket(let index): 1 + UInt64(index)
            case .link(let number): Self.firstLink + UInt64(number)
            }
        }

        init(token: UInt64) {
            switch token {
            case 0: self = .ending
            case 1..<Self.firstLink: self = .socket(Int(token - 1))
            default: self = .link(UInt32(truncatingIfNeeded: token - Self.firstLink))
            }
        }
    }

    let tun: TunDevice
    let sockets: [UDPSocket]
    let tables = PublishedTables()
    let mailbox: UpcallMailbox
    /// Signalled once, at the end; never cleared, so that it wakes both threads.
    let ending: WakeUp
    let links = LinkSet()
    /// What the inbound thread waits for, by `Source`'s tokens.
    let readiness: ReadinessSet
    private let isEnding = Atomic(false)
    private let localAddresses: [IPAddress]

    init(tun: TunDevice, sockets: [UDPSocket]) throws(SystemError) {
        localAddresses = sockets.map(\.localEndpoint.address)
        self.tun = tun
        self.sockets = sockets
        mailbox = try UpcallMailbox()
        ending = try WakeUp()
        readiness = try ReadinessSet()
        try readiness.add(ending.descriptor, token: Source.ending.token)
        for (index, socket) in sockets.enumerated() {
            try readiness.add(socket.descriptor, token: Source.socket(index).token)
        }
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

    /// Enters a link, which is read from and sent to from now on.
    func add(_ link: LinkSocket) throws(SystemError) {
        guard links.insert(link) else { throw .tooManyLinks(LinkSet.limit) }
        do throws(SystemError) {
            try readiness.add(link.socket.descriptor, token: Source.link(link.number).token)
        } catch {
            _ = links.remove(link.number)
            throw error
        }
    }

    /// Nothing is read from the link or sent to it any more. Returns whether there was one.
    @discardableResult
    func remove(link number: UInt32) -> Bool {
        guard let link = links.remove(number) else { return false }
        readiness.remove(link.socket.descriptor)
        return true
    }

    /// Writes an IP packet to the interface, from whatever thread.
    func deliver(_ packet: [UInt8]) -> Bool {
        let frame = Array(repeating: 0, count: VirtioHeader.size) + packet
        return unsafe frame.withUnsafeBytes { unsafe tun.write($0.baseAddress!, count: $0.count) } >= 0
    }
}

extension IPAddress {
    /// 0.0.0.0 or ::, any address of the host.
    fileprivate var isUnspecified: Bool { self == .v4(.any) || self == .v6(.any) }
}
