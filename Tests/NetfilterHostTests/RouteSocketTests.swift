import Glibc
import Netlink
import Testing
import Wire

@Suite(.enabled(if: isRoot, needsRoot)) struct RouteSocketTests {
    @Test func `links are listed with kind, master and MTU, and changed`() throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "docker0", "type", "bridge")
        try host.run("ip", "link", "add", "veth1", "type", "veth", "peer", "name", "veth2")
        try host.run("ip", "link", "set", "veth1", "master", "docker0")
        try host.perform {
            var routes = try RouteSocket()
            let bridge = try #require(try routes.link(named: "docker0"))
            let port = try #require(try routes.links().first { $0.name == "veth1" })
            #expect(bridge.isBridge && !bridge.isUp)
            #expect(port.kind == "veth" && port.master == bridge.index && port.hardwareAddress.count == 6)
            #expect(try routes.link(named: "none0") == nil)
            try routes.setMTU(1408, of: port.index)
            try routes.setLink(port.index, up: true)
            let changed = try #require(try routes.link(named: "veth1"))
            #expect(changed.mtuBytes == 1408 && changed.isUp)
            try routes.setLink(port.index, up: false)
            #expect(try routes.link(named: "veth1")?.isUp == false)
            #expect(try routes.links().contains { $0.isLoopback && $0.name == "lo" })
        }
    }

    @Test(arguments: ["10.130.7.1/32", "fd00:1:2:3::1/64"])
    func `an address is added once, found, and removed once`(_ text: String) throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "mesh0", "type", "veth", "peer", "name", "far0")
        try host.run("ip", "link", "set", "mesh0", "up")
        let parts = text.split(separator: "/")
        let ip = try #require(IPAddress(parts[0]))
        let length = try #require(Int(parts[1]))
        try host.perform {
            var routes = try RouteSocket()
            let index = try #require(try routes.link(named: "mesh0")).index
            let address = InterfaceAddress(
                ip, prefixLength: length, interface: index, flags: [.noDuplicateDetection, .noPrefixRoute])
            #expect(try routes.add(address))
            #expect(try routes.add(address) == false)
            let found = try #require(try routes.addresses(on: index).first { $0.address == ip })
            #expect(found.prefixLength == length && found.flags.contains(.noPrefixRoute))
            #expect(try routes.routes().allSatisfy { $0.destination != address.prefix })
            #expect(try routes.remove(address))
            #expect(try routes.remove(address) == false)
            #expect(try routes.addresses(on: index).contains { $0.address == ip } == false)
        }
        #expect(!(try host.run("ip", "addr")).contains(String(parts[0])))
    }

    @Test func `an address that is there with other attributes is refused by name`() throws {
        let host = try Namespace("h")
        try host.run("ip", "addr", "add", "10.130.7.1/24", "dev", "lo")
        try host.perform {
            var routes = try RouteSocket()
            let ip = IPAddress.v4(IPv4Address(10, 130, 7, 1))
            let ours = InterfaceAddress(ip, prefixLength: 24, interface: 1, flags: .noPrefixRoute)
            #expect(throws: NetlinkError.addressTaken(address: "10.130.7.1", interface: "interface 1")) {
                try routes.add(ours)
            }
        }
    }

    @Test(arguments: [("10.128.0.0/9", "10.130.7.1/32"), ("fd00:1:2::/48", "fd00:1:2:3::1/128")])
    func `a route is added once, replaced when it changes, marked as ours, and removed once`(
        _ range: String, _ own: String
    ) throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "mesh0", "type", "veth", "peer", "name", "far0")
        try host.run("ip", "link", "set", "mesh0", "up")
        try host.run("ip", "link", "set", "far0", "up")
        try host.run("ip", "addr", "add", own, "dev", "mesh0")
        let prefix = try #require(IPPrefix(range))
        let source = try #require(IPPrefix(own)).address
        try host.perform {
            var routes = try RouteSocket()
            let index = try #require(try routes.link(named: "mesh0")).index
            let route = Route(to: prefix, interface: index, source: source)
            #expect(try routes.add(route))
            #expect(try routes.add(route) == false)
            #expect(try routes.routes(routingProtocol: Route.ownProtocol) == [route])
            let inside = try #require(prefix.address(at: 77))
            let found = try #require(try routes.lookUp(inside))
            #expect(found.interface == index && found.source == source && found.mtuBytes == 1500 && !found.isLocal)
            let narrow = Route(to: prefix, interface: index, source: source, mtuBytes: 1408)
            #expect(try routes.add(narrow))
            #expect(try routes.routes(routingProtocol: Route.ownProtocol) == [narrow])
            #expect(try routes.lookUp(inside)?.mtuBytes == 1408)
            #expect(try routes.remove(narrow))
            #expect(try routes.remove(narrow) == false)
            #expect(try routes.lookUp(inside) == nil)
            #expect(try routes.lookUp(source)?.isLocal == true)
        }
    }

    @Test func `a route of somebody else in our place is neither replaced nor removed`() throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
        try host.run("ip", "link", "set", "eth0", "up")
        try host.run("ip", "route", "add", "10.128.0.0/9", "dev", "eth0", "proto", "static")
        let before = try host.run("ip", "route")
        try host.perform {
            var routes = try RouteSocket()
            let ours = Route(to: try #require(IPPrefix("10.128.0.0/9")), interface: 1)
            let error = #expect(throws: NetlinkError.self) { try routes.add(ours) }
            #expect(error?.description.contains("10.128.0.0/9") == true)
            #expect(try routes.remove(ours) == false)
        }
        #expect(try host.run("ip", "route") == before)
    }

    @Test func `a gateway, a table of its own and an unreachable route are kept as given`() throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
        try host.run("ip", "link", "set", "eth0", "up")
        try host.run("ip", "addr", "add", "192.0.2.2/24", "dev", "eth0")
        try host.perform {
            var routes = try RouteSocket()
            let index = try #require(try routes.link(named: "eth0")).index
            let gateway = try #require(IPAddress("192.0.2.1"))
            let wanted = [
                Route(
                    to: try #require(IPPrefix("198.51.100.0/24")), interface: index, gateway: gateway, table: 1580,
                    metric: 50),
                Route(to: try #require(IPPrefix("203.0.113.0/24")), kind: .unreachable, interface: nil, table: 1580),
            ]
            for route in wanted { #expect(try routes.add(route)) }
            #expect(try routes.routes(table: 1580) == wanted)
            #expect(try routes.routes(routingProtocol: Route.ownProtocol).isEmpty)
        }
    }

    @Test func `neighbours of a bridge are listed`() throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "docker0", "type", "bridge")
        try host.run("ip", "link", "set", "docker0", "up")
        for (address, hardware) in [("172.17.0.2", "02:42:ac:11:00:02"), ("fd00::2", "02:42:ac:11:00:03")] {
            try host.run("ip", "neigh", "add", address, "lladdr", hardware, "dev", "docker0")
        }
        try host.perform {
            var routes = try RouteSocket()
            let bridge = try #require(try routes.link(named: "docker0")).index
            let known = try routes.neighbours(on: bridge).filter(\.isKnown).map(\.address.description).sorted()
            #expect(known == ["172.17.0.2", "fd00::2"])
            #expect(try routes.neighbours(on: 1).isEmpty)
        }
    }

    @Test func `a refusal names the object and gives the kernel's reason`() throws {
        let host = try Namespace("h")
        try host.perform {
            var routes = try RouteSocket()
            let error = #expect(throws: NetlinkError.self) { try routes.setMTU(1400, of: 99) }
            #expect(error?.code == ENODEV)
            #expect(error?.description.contains("interface 99") == true)
            let route = Route(to: try #require(IPPrefix("10.128.0.0/9")), interface: 99)
            #expect(throws: NetlinkError.self) { try routes.add(route) }
        }
    }
}
