import CNetfilter

/// A change of the host's network that the kernel told.
package enum RouteEvent: Hashable, Sendable {
    case linkChanged(Link)
    case linkRemoved(Link)
    case addressAdded(InterfaceAddress)
    case addressRemoved(InterfaceAddress)
    case routeAdded(Route)
    case routeRemoved(Route)
    /// Notices were lost: read everything anew.
    case resync

    /// `nil` for messages that tell nothing of these.
    package init?(parsing message: NetlinkMessage) {
        if let link = Link(parsing: message) {
            self = message.type == Int(RTM_DELLINK) ? .linkRemoved(link) : .linkChanged(link)
        } else if let address = InterfaceAddress(parsing: message) {
            self = message.type == Int(RTM_DELADDR) ? .addressRemoved(address) : .addressAdded(address)
        } else if let route = Route(parsing: message) {
            self = message.type == Int(RTM_DELROUTE) ? .routeRemoved(route) : .routeAdded(route)
        } else {
            return nil
        }
    }
}

/// The kernel's notices of links, addresses and routes, on a non-blocking descriptor for an event loop.
package struct RouteEvents: ~Copyable {
    /// Datagrams taken in one call, so that a storm of notices does not hold up the loop.
    private static let datagramsPerRead = 64

    private let socket: NetlinkSocket

    package init() throws(NetlinkError) {
        let groups = [
            RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
        ]
        socket = try NetlinkSocket(.routing, groups: groups.map(\.rawValue))
    }

    package var fileDescriptor: Int32 { socket.fileDescriptor }

    /// What has happened since the last call; empty when nothing has. The descriptor stays readable if there is more.
    package func read() throws(NetlinkError) -> [RouteEvent] {
        var events: [RouteEvent] = []
        for _ in 0..<Self.datagramsPerRead {
            switch try socket.receive() {
            case .empty: return events
            case .overrun: events.append(.resync)
            case .datagram(let bytes):
                events += NetlinkMessage.split(bytes).compactMap(RouteEvent.init(parsing:))
            }
        }
        return events
    }
}
