import Agent
import Netlink
import PortMapping
import Testing
import Wire

@Suite struct MappingTargetsTests {
    private static func link(_ index: Int32, flags: UInt32 = 0x41) -> Link {
        Link(
            index: index, name: "eth\(index)", kind: nil, mtuBytes: 1500, master: nil, hardwareAddress: [], flags: flags
        )
    }

    /// - Parameters:
    ///   - addresses: interface, address with prefix length, flags.
    ///   - ways: interface, gateway, metric of default routes.
    private func targets(
        links: [Link] = [link(2), link(3)], _ addresses: [(Int32, String, InterfaceAddress.Flags)],
        ways: [(Int32, String, UInt32)]
    ) -> [String] {
        let own = addresses.map { interface, text, flags in
            let parts = text.split(separator: "/")
            return InterfaceAddress(
                IPAddress(parts[0])!, prefixLength: Int(parts[1])!, interface: interface, flags: flags)
        }
        let routes = ways.map { interface, gateway, metric in
            let address = IPAddress(gateway)!
            return Route(
                to: IPPrefix(address.isIPv4 ? "0.0.0.0/0" : "::/0")!, interface: interface, gateway: address,
                routingProtocol: 3, metric: metric)
        }
        let host = ContainerNetworks.Host(links: links, addresses: own, routes: routes, neighbours: [])
        return host.mappingTargets(for: own.map { Endpoint($0.address, port: 7) }).map { target in
            "\(target.local) by \(target.gateway.address)"
        }
    }

    @Test func `the address behind the default route is mapped, and only if it is private`() {
        #expect(
            targets([(2, "192.168.1.9/24", []), (3, "10.0.0.9/8", [])], ways: [(2, "192.168.1.1", 100)])
                == ["192.168.1.9:7 by 192.168.1.1"])
        #expect(targets([(2, "198.18.1.9/24", [])], ways: [(2, "198.18.1.1", 100)]) == [])
        #expect(targets([(2, "192.168.1.9/24", [])], ways: []) == [])
    }

    @Test func `each uplink has its own mapping, each link one for its better route`() {
        let found = targets(
            [(2, "192.168.1.9/24", []), (3, "192.168.2.9/24", []), (3, "172.16.0.9/24", [.temporaryOrSecondary])],
            ways: [(3, "192.168.2.2", 50), (3, "192.168.2.1", 20), (2, "192.168.1.1", 10)])
        #expect(found == ["192.168.1.9:7 by 192.168.1.1", "192.168.2.9:7 by 192.168.2.1"])
    }

    @Test func `pinholes are asked for lasting global addresses before changing ones`() {
        let found = targets(
            [
                (2, "2001:db8::a/64", [.temporaryOrSecondary]), (2, "2001:db8::b/64", []), (2, "fd00::1/64", []),
                (2, "2001:db8::c/64", []),
            ], ways: [(2, "fe80::1", 1024)])
        #expect(found == ["[2001:db8::b]:7 by fe80::1", "[2001:db8::c]:7 by fe80::1"])
    }

    @Test func `a link without carrier leads nowhere`() {
        #expect(
            targets(
                links: [Self.link(2, flags: 1)], [(2, "192.168.1.9/24", [])], ways: [(2, "192.168.1.1", 100)]) == [])
    }
}
