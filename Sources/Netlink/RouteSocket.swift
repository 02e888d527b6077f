import CNetfilter
import Glibc
package import Wire

/// Reads and changes links, addresses and routes of the network namespace it was opened in.
///
/// What is added twice is added once, what is missing is removed with success; the results tell whether something changed,
/// so that the caller can undo exactly that.
package struct RouteSocket: ~Copyable {
    private var socket: NetlinkSocket

    package init() throws(NetlinkError) {
        socket = try NetlinkSocket(.routing)
    }

    // MARK: links

    package mutating func links() throws(NetlinkError) -> [Link] {
        let message = MessageBuilder(type: RTM_GETLINK, flags: NLM_F_REQUEST | NLM_F_DUMP)
        message.put(structure: ifinfomsg())
        return try socket.request(message, doing: "list", to: "the interfaces").compactMap(Link.init(parsing:))
    }

    /// `nil` when there is none of that name.
    package mutating func link(named name: String) throws(NetlinkError) -> Link? {
        let message = MessageBuilder(type: RTM_GETLINK, flags: NLM_F_REQUEST | NLM_F_ACK)
        message.put(structure: ifinfomsg())
        message.put(UInt16(IFLA_IFNAME), text: name)
        return try answer(to: message, doing: "read", of: "interface \(name)", missing: [ENODEV])
            .flatMap(Link.init(parsing:))
    }

    package mutating func setLink(_ index: Int32, up: Bool) throws(NetlinkError) {
        let message = MessageBuilder(type: RTM_NEWLINK, flags: NLM_F_REQUEST | NLM_F_ACK)
        var fixed = ifinfomsg()
        fixed.ifi_index = index
        fixed.ifi_change = UInt32(IFF_UP)
        fixed.ifi_flags = up ? UInt32(IFF_UP) : 0
        message.put(structure: fixed)
        _ = try socket.request(message, doing: up ? "switch on" : "switch off", to: "interface \(index)")
    }

    package mutating func setMTU(_ mtuBytes: Int, of index: Int32) throws(NetlinkError) {
        let message = MessageBuilder(type: RTM_NEWLINK, flags: NLM_F_REQUEST | NLM_F_ACK)
        var fixed = ifinfomsg()
        fixed.ifi_index = index
        message.put(structure: fixed)
        message.put(UInt16(IFLA_MTU), UInt32(clamping: mtuBytes))
        _ = try socket.request(message, doing: "set MTU \(mtuBytes) of", to: "interface \(index)")
    }

    // MARK: addresses

    /// All addresses, or those of one interface.
    package mutating func addresses(on interface: Int32? = nil) throws(NetlinkError) -> [InterfaceAddress] {
        let message = MessageBuilder(type: RTM_GETADDR, flags: NLM_F_REQUEST | NLM_F_DUMP)
        message.put(structure: ifaddrmsg())
        return try socket.request(message, doing: "list", to: "the addresses")
            .compactMap(InterfaceAddress.init(parsing:))
            .filter { interface == nil || $0.interface == interface }
    }

    /// Whether the address was added now: `false` if it was there already with the same attributes.
    @discardableResult
    package mutating func add(_ address: InterfaceAddress) throws(NetlinkError) -> Bool {
        let object = "\(address.address)/\(address.prefixLength) on interface \(address.interface)"
        let message = address.message(
            type: RTM_NEWADDR, flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
        do {
            _ = try socket.request(message, doing: "add address", to: object)
            return true
        } catch {
            guard error.code == EEXIST else { throw error }
        }
        let isSame = try addresses(on: address.interface).contains { existing in
            existing.address == address.address && existing.prefixLength == address.prefixLength
                && existing.flags.intersection(.chosen) == address.flags.intersection(.chosen)
        }
        guard isSame else {
            throw .addressTaken(address: "\(address.address)", interface: "interface \(address.interface)")
        }
        return false
    }

    /// Whether there was such an address.
    @discardableResult
    package mutating func remove(_ address: InterfaceAddress) throws(NetlinkError) -> Bool {
        let message = address.message(type: RTM_DELADDR, flags: NLM_F_REQUEST | NLM_F_ACK)
        let object = "\(address.address)/\(address.prefixLength) on interface \(address.interface)"
        return try remove(message, "address", object, missing: [EADDRNOTAVAIL, ENODEV])
    }

    // MARK: routes

    /// The routes of a table, or of all; with `routingProtocol` those that bear this mark.
    package mutating func routes(
        table: UInt32? = Route.mainTable, routingProtocol: UInt8? = nil
    ) throws(NetlinkError) -> [Route] {
        var routes: [Route] = []
        for family in [AF_INET, AF_INET6] {
            let message = MessageBuilder(type: RTM_GETROUTE, flags: NLM_F_REQUEST | NLM_F_DUMP)
            var fixed = rtmsg()
            fixed.rtm_family = UInt8(family)
            message.put(structure: fixed)
            routes += try socket.request(message, doing: "list", to: "the routes").compactMap(Route.init(parsing:))
        }
        return routes.filter { route in
            (table == nil || route.table == table)
                && (routingProtocol == nil || route.routingProtocol == routingProtocol)
        }
    }

    /// Adds a route, or changes the one of ours in its place. Whether anything changed.
    ///
    /// Throws `routeTaken` where somebody else's route is in its place: a local route is never hijacked.
    @discardableResult
    package mutating func add(_ route: Route) throws(NetlinkError) -> Bool {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
        do {
            let message = route.message(type: RTM_NEWROUTE, flags: flags | NLM_F_EXCL)
            _ = try socket.request(message, doing: "add route", to: "to \(route.destination)")
            return true
        } catch {
            guard error.code == EEXIST else { throw error }
        }
        let existing = try routes(table: route.table).first { $0.isAtSamePlace(as: route) }
        if existing == route { return false }
        if let existing, existing.routingProtocol != route.routingProtocol {
            throw .routeTaken(
                destination: "\(route.destination)", routingProtocol: existing.routingProtocol,
                interface: existing.interface.map { "interface \($0)" } ?? "no single interface")
        }
        let message = route.message(type: RTM_NEWROUTE, flags: flags | NLM_F_REPLACE)
        _ = try socket.request(message, doing: "replace route", to: "to \(route.destination)")
        return true
    }

    /// Whether there was such a route. Another protocol's route in its place stays.
    @discardableResult
    package mutating func remove(_ route: Route) throws(NetlinkError) -> Bool {
        let message = route.message(type: RTM_DELROUTE, flags: NLM_F_REQUEST | NLM_F_ACK)
        return try remove(message, "route", "to \(route.destination)", missing: [ESRCH, ENOENT, ENODEV])
    }

    /// How the kernel would send to `destination`, with `source` as the packets' address if given; `nil`: not at all.
    package mutating func lookUp(
        _ destination: IPAddress, from source: IPAddress? = nil
    ) throws(NetlinkError) -> RouteLookup? {
        let message = MessageBuilder(type: RTM_GETROUTE, flags: NLM_F_REQUEST | NLM_F_ACK)
        var fixed = rtmsg()
        fixed.rtm_family = destination.family
        fixed.rtm_dst_len = UInt8(destination.bitCount)
        fixed.rtm_src_len = UInt8(source?.bitCount ?? 0)
        message.put(structure: fixed)
        message.put(UInt16(RTA_DST.rawValue), bytes: destination.bytes)
        if let source { message.put(UInt16(RTA_SRC.rawValue), bytes: source.bytes) }
        let unreachable = [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL]
        guard
            let answer = try answer(
                to: message, doing: "look up", of: "a route to \(destination)", missing: unreachable),
            let fixedAnswer = answer.structure(rtmsg.self)
        else { return nil }
        let attributes = answer.attributes(after: rtmsg.self)
        guard let interface = attributes.uint32(UInt16(RTA_OIF.rawValue)).map(Int32.init(bitPattern:)) else {
            return nil
        }
        let ownLimit = attributes.nested(UInt16(RTA_METRICS.rawValue))?.uint32(UInt16(RTAX_MTU)).map(Int.init)
        let limit = if let ownLimit { ownLimit } else { try mtu(of: interface) }
        return RouteLookup(
            interface: interface,
            gateway: attributes.address(UInt16(RTA_GATEWAY.rawValue)),
            source: attributes.address(UInt16(RTA_PREFSRC.rawValue)),
            mtuBytes: limit,
            isLocal: Int(fixedAnswer.rtm_type) == Int(RTN_LOCAL))
    }

    // MARK: neighbours

    /// Who is known on an interface, such as the containers on a bridge that have sent something.
    package mutating func neighbours(on interface: Int32) throws(NetlinkError) -> [Neighbour] {
        let message = MessageBuilder(type: RTM_GETNEIGH, flags: NLM_F_REQUEST | NLM_F_DUMP)
        message.put(structure: ndmsg())
        return try socket.request(message, doing: "list", to: "the neighbours")
            .compactMap(Neighbour.init(parsing:))
            .filter { $0.interface == interface }
    }

    // MARK: steps

    private mutating func mtu(of interface: Int32) throws(NetlinkError) -> Int {
        let message = MessageBuilder(type: RTM_GETLINK, flags: NLM_F_REQUEST | NLM_F_ACK)
        var fixed = ifinfomsg()
        fixed.ifi_index = interface
        message.put(structure: fixed)
        let answer = try answer(to: message, doing: "read", of: "interface \(interface)", missing: [])
        guard let link = answer.flatMap(Link.init(parsing:)) else {
            throw .malformed("no description of interface \(interface)")
        }
        return link.mtuBytes
    }

    /// The first answer; `nil` for the errors that mean there is none.
    private mutating func answer(
        to message: borrowing MessageBuilder, doing action: String, of object: String, missing: [Int32]
    ) throws(NetlinkError) -> NetlinkMessage? {
        do {
            return try socket.request(message, doing: action, to: object).first
        } catch {
            guard let code = error.code, missing.contains(code) else { throw error }
            return nil
        }
    }

    private mutating func remove(
        _ message: borrowing MessageBuilder, _ noun: String, _ object: String, missing: [Int32]
    ) throws(NetlinkError) -> Bool {
        do {
            _ = try socket.request(message, doing: "remove \(noun)", to: object)
            return true
        } catch {
            guard let code = error.code, missing.contains(code) else { throw error }
            return false
        }
    }
}

extension InterfaceAddress {
    fileprivate func message(type: Int, flags messageFlags: Int32) -> MessageBuilder {
        let message = MessageBuilder(type: type, flags: messageFlags)
        var fixed = ifaddrmsg()
        fixed.ifa_family = address.family
        fixed.ifa_prefixlen = UInt8(clamping: prefixLength)
        fixed.ifa_index = UInt32(bitPattern: interface)
        message.put(structure: fixed)
        message.put(UInt16(IFA_LOCAL), bytes: address.bytes)
        message.put(UInt16(IFA_ADDRESS), bytes: address.bytes)
        let chosen = flags.intersection(.chosen)
        if !chosen.isEmpty { message.put(UInt16(IFA_FLAGS), chosen.rawValue) }
        return message
    }
}
