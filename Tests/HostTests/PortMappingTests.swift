import ControlAPI
import JSON
import Lab
import Testing
import Wire

/// The agent behind a real gateway, miniupnpd.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct PortMappingTests {
    /// A node behind a gateway, not yet up, and a public one.
    private struct Scene {
        let gateway: MappingGateway
        let inside: MeshNode
        let outside: MeshNode
    }

    private func withGateway(
        _ methods: Set<MappingGateway.Method> = Set(MappingGateway.Method.allCases), lifetimeSeconds: Int = 86_400,
        _ body: (Scene) throws -> Void
    ) throws {
        try Lab.with("host") { lab in
            let files = try MeshNode.builtFiles(for: lab.run)
            let router = try lab.router("home", .symmetric)
            let gateway = try MappingGateway(
                on: router, in: lab.core, methods: methods, lifetimeSeconds: lifetimeSeconds)
            let inside = try MeshNode(on: lab.host("beta", on: router.lan), files: files)
            let outside = try MeshNode(on: lab.host("alpha", on: lab.core), files: files)
            do {
                try body(Scene(gateway: gateway, inside: inside, outside: outside))
            } catch {
                print(inside.logTail)
                throw error
            }
        }
    }

    /// The IPv4 mapping of a node, once it has one.
    private func mapping(of node: MeshNode, within limit: Duration = .seconds(15)) throws -> Status.PortMapping {
        var found: Status.PortMapping?
        try wait(for: "a port mapping of \(node.host.label)", within: limit) { () throws(LabError) in
            found = try node.status().portMappings.first { $0.local.address.isIPv4 && $0.external != nil }
            return found != nil
        }
        return try #require(found)
    }

    @Test(arguments: MappingGateway.Method.allCases)
    func `a mesh that was made behind a gateway is joined from outside, and down deletes the mapping`(
        method: MappingGateway.Method
    ) throws {
        try withGateway([method]) { scene in
            try scene.inside.up()
            let mapping = try mapping(of: scene.inside)
            #expect(mapping.method == method.rawValue)
            #expect(mapping.external == Endpoint(scene.gateway.outside, port: 20007))
            #expect(!mapping.isBehindAnotherNAT)
            #expect(try scene.gateway.mappings().contains("dnat ip to \(mapping.local)"))
            switch method {
            case .pcp: break
            case .natPMP:
                #expect(try scene.inside.host.run("natpmpc").contains("Public IP address : \(scene.gateway.outside)"))
            case .upnp:
                let listed = try scene.inside.host.run("upnpc", "-l")
                #expect(listed.contains("UDP 20007->\(mapping.local) 'KubeMesh'"))
            }
            let invitation = try scene.inside.meshctl("invite", "--json")
            let token = try Invitation(json: JSONCursor(JSONValue(parsing: Array(invitation.utf8)))).token
            try scene.outside.up(token)
            try wait(for: "a direct path from outside", within: .seconds(15)) { () throws(LabError) in
                try scene.outside.peers().contains { $0.name == "beta" && $0.path == .direct }
            }
            try scene.inside.down()
            #expect(try !scene.gateway.mappings().contains("20007"))
        }
    }

    @Test func `a mapping is renewed, found again by a restarted agent, and made anew at a restarted gateway`() throws {
        try withGateway(lifetimeSeconds: 10) { scene in
            try scene.inside.up()
            let first = try mapping(of: scene.inside)
            try wait(for: "a renewal", within: .seconds(15)) { () throws(LabError) in
                try scene.inside.status().counters.contains { $0.name == "port mappings renewed" && $0.count > 0 }
            }
            try scene.inside.crash()
            #expect(try scene.gateway.mappings().contains("dnat ip to \(first.local)"))
            try scene.inside.up()
            #expect(try mapping(of: scene.inside).external == first.external)
            try scene.gateway.restart()
            try wait(for: "the mapping at the restarted gateway", within: .seconds(15)) { () throws(LabError) in
                try scene.gateway.mappings().contains("dnat ip to \(first.local)")
            }
        }
    }

    @Test(arguments: [MappingGateway.Method.natPMP, .upnp])
    func `down deletes what a killed agent had mapped`(method: MappingGateway.Method) throws {
        try withGateway([method]) { scene in
            try scene.inside.up()
            let mapping = try mapping(of: scene.inside)
            try scene.inside.crash()
            try scene.inside.down()
            #expect(try !scene.gateway.mappings().contains("\(mapping.local.port)"))
        }
    }

    @Test(arguments: [MappingGateway.Method.pcp, .upnp])
    func `a pinhole lets others in by IPv6, where the firewall did not`(method: MappingGateway.Method) throws {
        try withGateway([method]) { scene in
            let inside = try #require(scene.inside.host.uplink.address6)
            let probe = try UDPProbe(in: scene.outside.host, address: .v6(.any))
            let capture = try Capture(in: scene.inside.host, interface: "eth0", filter: "ip6 and udp dst port 20007")
            probe.send("before the pinhole", to: Endpoint(inside, port: 20007))
            try scene.inside.up()
            try wait(for: "a pinhole", within: .seconds(15)) { () throws(LabError) in
                try scene.inside.status().portMappings.contains {
                    $0.external == Endpoint(inside, port: 20007) && $0.method == method.rawValue
                }
            }
            probe.send("after the pinhole", to: Endpoint(inside, port: 20007))
            // Switched off while the agent runs, rather than by `down`, which other tests do.
            try scene.inside.host.shell("echo 'portMapping: off' >/etc/kubemesh/config.yaml")
            try scene.inside.meshctl("reload")
            try wait(for: "the end of all mappings", within: .seconds(5)) { () throws(LabError) in
                let rules = try scene.gateway.mappings()
                return try scene.inside.status().portMappings.isEmpty ? !rules.contains("20007") : false
            }
            probe.send("without the pinhole", to: Endpoint(inside, port: 20007))
            let seen = capture.stop()
            #expect(!seen.contains(bytes: Array("before the pinhole".utf8)))
            #expect(seen.contains(bytes: Array("after the pinhole".utf8)))
            #expect(!seen.contains(bytes: Array("without the pinhole".utf8)))
        }
    }

    @Test func `two nodes behind symmetric NATs talk directly when one of them has a mapping`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio(behind: .symmetric)
            let gateway = try MappingGateway(on: trio.home, in: lab.core)
            try trio.join()
            _ = try mapping(of: trio.beta.node)
            let address = try trio.beta.address()
            #expect(try trio.gamma.containers[0].canPing(address, within: 10))
            try wait(for: "a direct path from gamma to beta", within: .seconds(30)) { () throws(LabError) in
                try trio.gamma.node.peers().contains { $0.name == "beta" && $0.path == .direct }
            }
            let beta = try trio.gamma.node.peers().first { $0.name == "beta" }
            #expect(beta?.endpoint == Endpoint(gateway.outside, port: 20007))
            #expect(try trio.gamma.containers[0].canPing(address))
        }
    }
}
