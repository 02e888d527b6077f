import CNetfilter
import Glibc
package import Wire

/// A route in one of the kernel's tables.
package struct Route: Hashable, Sendable {
    /// What happens to packets that take it.
    package enum Kind: Hashable, Sendable {
        case unicast
        /// Dropped, with an ICMP error to the sender.
        case unreachable
        /// Dropped in silence.
        case blackhole
        /// To this host itself, broadcasts and others; listed, never made by us.
        case other(UInt8)
    }

    /// The "protocol" number that marks the routes KubeMesh made (`ip route` prints `proto 158`).
    package static let ownProtocol: UInt8 = 158
    package static let mainTable = UInt32(RT_TABLE_MAIN.rawValue)

    package let destination: IPPrefix
    package let kind: Kind
    /// `nil` for a route without device, or with several next hops.
    package let interface: Int32?
    package let gateway: IPAddress?
    /// The address that the host's own packets on this route come from, where the route says so.
    package let source: IPAddress?
    package let table: UInt32
    package let routingProtocol: UInt8
    /// Lower wins; 0 where the kernel shows none (IPv4) and means its default, 1024, when an IPv6 route is added.
    package let metric: UInt32
    /// A limit of packet size of its own; `nil`: the interface's.
    package let mtuBytes: Int?

    package init(
        to destination: IPPrefix, kind: Kind = .unicast, interface: Int32?, gateway: IPAddress? = nil,
        source: IPAddress? = nil, table: UInt32 = Route.mainTable, routingProtocol: UInt8 = Route.ownProtocol,
        metric: UInt32 = 0, mtuBytes: Int? = nil
    ) {
        self.destination = destination
        self.kind = kind
        self.interface = interface
        self.gateway = gateway
        self.source = source
        self.table = table
        self.routingProtocol = routingProtocol
        // The kernel turns IPv6's 0 into 1024; doing so here makes what is listed equal to what was added.
        self.metric = metric == 0 && !destination.isIPv4 ? UInt32(IP6_RT_PRIO_USER) : metric
        self.mtuBytes = mtuBytes
    }

    package var isOurs: Bool { routingProtocol == Self.ownProtocol }

    /// Whether two routes compete for one place in a table, as the kernel sees it.
    package func isAtSamePlace(as other: Route) -> Bool {
        destination == other.destination && table == other.table && metric == other.metric
    }

    /// Reads `RTM_NEWROUTE` and `RTM_DELROUTE` of IPv4 and IPv6; `nil` for others, and for cached clones.
    package init?(parsing message: NetlinkMessage) {
        guard message.type == Int(RTM_NEWROUTE) || message.type == Int(RTM_DELROUTE),
            let fixed = message.structure(rtmsg.self), let any = IPAddress(anyOf: fixed.rtm_family),
            fixed.rtm_flags & UInt32(RTM_F_CLONED) == 0
        else { return nil }
        let attributes = message.attributes(after: rtmsg.self)
        let address = attributes.address(UInt16(RTA_DST.rawValue)) ?? any
        guard address.bitCount == any.bitCount,
            let destination = IPPrefix(address, length: Int(fixed.rtm_dst_len))
        else { return nil }
        self.destination = destination
        kind = Kind(rawValue: fixed.rtm_type)
        interface = attributes.uint32(UInt16(RTA_OIF.rawValue)).map(Int32.init(bitPattern:))
        gateway = attributes.address(UInt16(RTA_GATEWAY.rawValue))
        source = attributes.address(UInt16(RTA_PREFSRC.rawValue))
        table = attributes.uint32(UInt16(RTA_TABLE.rawValue)) ?? UInt32(fixed.rtm_table)
        routingProtocol = fixed.rtm_protocol
        metric = attributes.uint32(UInt16(RTA_PRIORITY.rawValue)) ?? 0
        mtuBytes = attributes.nested(UInt16(RTA_METRICS.rawValue))?.uint32(UInt16(RTAX_MTU)).map(Int.init)
    }

    /// The message that adds, replaces or deletes this route.
    func message(type: Int, flags: Int32) -> MessageBuilder {
        let message = MessageBuilder(type: type, flags: flags)
        var fixed = rtmsg()
        fixed.rtm_family = destination.address.family
        fixed.rtm_dst_len = UInt8(destination.length)
        fixed.rtm_table = table < 256 ? UInt8(table) : UInt8(RT_TABLE_UNSPEC.rawValue)
        fixed.rtm_protocol = routingProtocol
        fixed.rtm_type = kind.rawValue
        let isDirect = kind == .unicast && gateway == nil && destination.isIPv4
        fixed.rtm_scope = UInt8(isDirect ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue)
        message.put(structure: fixed)
        message.put(UInt16(RTA_DST.rawValue), bytes: destination.address.bytes)
        message.put(UInt16(RTA_TABLE.rawValue), table)
        if let interface { message.put(UInt16(RTA_OIF.rawValue), UInt32(bitPattern: interface)) }
        if let gateway { message.put(UInt16(RTA_GATEWAY.rawValue), bytes: gateway.bytes) }
        if let source { message.put(UInt16(RTA_PREFSRC.rawValue), bytes: source.bytes) }
        if metric != 0 { message.put(UInt16(RTA_PRIORITY.rawValue), metric) }
        if let mtuBytes {
            message.nest(UInt16(RTA_METRICS.rawValue)) { $0.put(UInt16(RTAX_MTU), UInt32(clamping: mtuBytes)) }
        }
        return message
    }
}

extension Route.Kind {
    init(rawValue: UInt8) {
        switch Int(rawValue) {
        case Int(RTN_UNICAST): self = .unicast
        case Int(RTN_UNREACHABLE): self = .unreachable
        case Int(RTN_BLACKHOLE): self = .blackhole
        default: self = .other(rawValue)
        }
    }

    var rawValue: UInt8 {
        switch self {
        case .unicast: UInt8(RTN_UNICAST)
        case .unreachable: UInt8(RTN_UNREACHABLE)
        case .blackhole: UInt8(RTN_BLACKHOLE)
        case .other(let value): value
        }
    }
}

extension IPAddress {
    /// The unspecified address of a family; `nil` unless it is `AF_INET` or `AF_INET6`.
    init?(anyOf family: UInt8) {
        switch Int32(family) {
        case AF_INET: self = .v4(.any)
        case AF_INET6: self = .v6(.any)
        default: return nil
        }
    }

    /// `AF_INET` or `AF_INET6`.
    package var family: UInt8 { UInt8(isIPv4 ? AF_INET : AF_INET6) }
}

/// How the kernel would send to an address now.
package struct RouteLookup: Hashable, Sendable {
    package let interface: Int32
    package let gateway: IPAddress?
    /// The address that the packets would come from.
    package let source: IPAddress?
    /// The largest packet that the route or its interface takes.
    package let mtuBytes: Int
    /// The address is this host's own.
    package let isLocal: Bool
}
