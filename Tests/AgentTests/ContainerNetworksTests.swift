import Agent
import Configuration
import Netfilter
import Netlink
import Testing
import Wire

@Suite struct ContainerNetworksTests {
    private static let own = [IPPrefix("10.130.7.0/24")!, IPPrefix("fd00:1:2:3::/64")!]
    private static let docker = Link(
        index: 3, name: "docker0", kind: "bridge", mtuBytes: 1500, master: nil, hardwareAddress: [], flags: 1)
    private static let compose = Link(
        index: 4, name: "br-0123456789ab", kind: "bridge", mtuBytes: 1500, master: nil, hardwareAddress: [], flags: 1)
    private static let cni = Link(
        index: 5, name: "cni0", kind: "bridge", mtuBytes: 1500, master: nil, hardwareAddress: [], flags: 1)
    private static let lan = Link(
        index: 6, name: "br0", kind: "bridge", mtuBytes: 1500, master: nil, hardwareAddress: [], flags: 1)

    private func plan(
        _ addresses: [(Link, String)], neighbours: [(Link, String)] = [], remembered: [String: String] = [:],
        settings: Configuration.Containers = Configuration.Containers()
    ) throws -> ContainerNetworks.Plan {
        let host = ContainerNetworks.Host(
            links: Set(addresses.map(\.0)).sorted { $0.index < $1.index },
            addresses: try addresses.map { link, text in
                let parts = text.split(separator: "/")
                return InterfaceAddress(
                    try #require(IPAddress(parts[0])), prefixLength: try #require(Int(parts[1])), interface: link.index)
            },
            routes: [],
            neighbours: try neighbours.map { link, text in
                Neighbour(
                    interface: link.index, address: try #require(IPAddress(text)), hardwareAddress: [], isKnown: true)
            })
        var kept: [IPAddress: IPAddress] = [:]
        for (container, mesh) in remembered { kept[try #require(IPAddress(container[...]))] = IPAddress(mesh[...]) }
        return ContainerNetworks(prefixes: Self.own, settings: settings, meshInterface: "mesh0")
            .plan(for: host, remembered: kept)
    }

    private func text(_ plan: ContainerNetworks.Plan) -> [String] {
        plan.mappings.map { "\($0.containers) \($0.mesh) \($0.bridge)" }
    }

    @Test func `Docker's first containers have their addresses before they exist`() throws {
        let plan = try plan([(Self.docker, "172.17.0.1/16")])
        #expect(text(plan) == ["172.17.0.0/25 10.130.7.0/25 docker0"])
        #expect(plan.problems.isEmpty)
    }

    @Test func `containers beyond the block get one of the upper half when they are seen, and keep it`() throws {
        let seen = [(Self.docker, "172.17.3.9"), (Self.docker, "172.17.0.4"), (Self.compose, "172.18.0.2")]
        let addresses = [(Self.docker, "172.17.0.1/16"), (Self.compose, "172.18.0.1/16")]
        let first = try plan(addresses, neighbours: seen)
        #expect(
            text(first) == [
                "172.17.0.0/25 10.130.7.0/25 docker0", "172.17.3.9/32 10.130.7.128/32 docker0",
                "172.18.0.2/32 10.130.7.129/32 br-0123456789ab",
            ])
        let later = try plan(
            addresses, neighbours: [(Self.compose, "172.18.0.2")] + [(Self.docker, "172.17.9.9")],
            remembered: ["172.17.3.9": "10.130.7.128", "172.18.0.2": "10.130.7.129"])
        #expect(text(later).contains("172.18.0.2/32 10.130.7.129/32 br-0123456789ab"))
        #expect(text(later).contains("172.17.9.9/32 10.130.7.130/32 docker0"), "a remembered address is left alone")
    }

    @Test func `a network inside the node's prefix is not translated, and takes no room from it twice`() throws {
        let plan = try plan([(Self.cni, "10.130.7.1/24"), (Self.docker, "172.17.0.1/16")])
        #expect(plan.identities.map(\.description) == ["10.130.7.0/24"])
        #expect(text(plan) == [])
    }

    @Test func `bridges of the host's own LAN are left alone unless they are named`() throws {
        let untouched = try plan([(Self.lan, "192.168.5.1/24")])
        #expect(text(untouched) == [])
        var settings = Configuration.Containers()
        settings.bridges = ["br0"]
        let named = try plan([(Self.lan, "192.168.5.1/24")], settings: settings)
        #expect(text(named) == ["192.168.5.0/25 10.130.7.0/25 br0"])
    }

    @Test func `mapping can be switched off`() throws {
        var settings = Configuration.Containers()
        settings.mapping = .off
        let plan = try plan([(Self.docker, "172.17.0.1/16")], settings: settings)
        #expect(text(plan) == [])
    }

    @Test func `an IPv6 network of containers is mapped whole`() throws {
        let plan = try plan([(Self.docker, "172.17.0.1/16"), (Self.docker, "fd99::1/80"), (Self.compose, "fd98::1/80")])
        #expect(text(plan).contains("fd99::/80 fd00:1:2:3::/80 docker0"))
        #expect(text(plan).contains("fd98::/80 fd00:1:2:3:1::/80 br-0123456789ab"))
    }

    @Test func `more containers than addresses is said`() throws {
        let many = (0..<200).map { (Self.docker, "172.17.5.\($0 + 1)") }
        let plan = try plan([(Self.docker, "172.17.0.1/16")], neighbours: many)
        #expect(plan.single.count == 127)
        #expect(plan.problems.count == 1)
    }
}
