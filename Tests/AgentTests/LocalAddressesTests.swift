import Agent
import Configuration
import Netlink
import Testing
import Wire

@Suite struct LocalAddressesTests {
    private static func link(_ index: Int32, _ name: String, kind: String? = nil, flags: UInt32 = 1) -> Link {
        Link(index: index, name: name, kind: kind, mtuBytes: 1500, master: nil, hardwareAddress: [], flags: flags)
    }

    private static let loopback = link(1, "lo", flags: 9)
    private static let ethernet = link(2, "eth0")
    private static let docker = link(3, "docker0", kind: "bridge")
    private static let lan = link(4, "br0", kind: "bridge")
    private static let mesh = link(5, "mesh0", kind: "tun")
    private static let unplugged = link(6, "eth1", flags: 0)

    private func local(
        _ addresses: [(Link, String)], routes: [(Link, String)] = [],
        settings: Configuration.Containers = Configuration.Containers(), sockets: [String] = ["0.0.0.0:7", "[::]:7"]
    ) -> LocalAddresses {
        let host = ContainerNetworks.Host(
            links: Set((addresses + routes).map(\.0)).sorted { $0.index < $1.index },
            addresses: addresses.map { link, text in
                let parts = text.split(separator: "/")
                return InterfaceAddress(IPAddress(parts[0])!, prefixLength: Int(parts[1])!, interface: link.index)
            },
            routes: routes.map { link, text in
                Route(to: IPPrefix(text)!, interface: link.index, routingProtocol: 3)
            }, neighbours: [])
        let networks = ContainerNetworks(prefixes: [], settings: settings, meshInterface: "mesh0")
        return LocalAddresses(
            of: host, sockets: sockets.map { Endpoint($0)! }, mesh: [IPPrefix("10.128.0.0/9")!],
            meshInterface: "mesh0", isForContainers: networks.isForContainers)
    }

    @Test func `only addresses that others can send to are told, public ones first`() {
        let local = local([
            (Self.loopback, "127.0.0.1/8"), (Self.ethernet, "192.168.1.2/24"), (Self.ethernet, "2001:db8::2/64"),
            (Self.ethernet, "fe80::1/64"), (Self.docker, "172.17.0.1/16"), (Self.mesh, "10.130.7.1/24"),
            (Self.unplugged, "192.168.9.2/24"),
        ])
        #expect(local.endpoints.map(\.description) == ["[2001:db8::2]:7", "192.168.1.2:7"])
        #expect(local.containers.map(\.description) == ["172.17.0.0/16"])
    }

    @Test func `a bridge of containers is known as one even when its containers are not part of the mesh`() {
        var settings = Configuration.Containers()
        settings.mapping = .off
        let addresses = [(Self.docker, "172.17.0.1/16"), (Self.lan, "192.168.1.2/24")]
        let local = local(addresses, settings: settings)
        #expect(local.endpoints.map(\.description) == ["192.168.1.2:7"])
        #expect(local.containers.map(\.description) == ["172.17.0.0/16"])
    }

    @Test func `near is what is on a link or routed on purpose, not what the default route leads to`() {
        let local = local(
            [(Self.ethernet, "192.168.1.2/24"), (Self.ethernet, "198.51.100.2/24"), (Self.docker, "172.17.0.1/16")],
            routes: [
                (Self.ethernet, "0.0.0.0/0"), (Self.ethernet, "10.20.0.0/16"), (Self.ethernet, "10.20.3.0/24"),
                (Self.docker, "172.17.0.0/16"), (Self.ethernet, "192.168.1.0/24"),
            ])
        #expect(local.prefixes.map(\.description) == ["10.20.0.0/16", "192.168.1.0/24"])
    }

    @Test func `a socket bound to one address makes no candidate of another`() {
        let addresses = [(Self.ethernet, "192.168.1.2/24"), (Self.ethernet, "192.168.2.2/24")]
        #expect(local(addresses, sockets: ["192.168.2.2:9"]).endpoints.map(\.description) == ["192.168.2.2:9"])
    }
}
