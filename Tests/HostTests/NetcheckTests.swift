import ControlAPI
import Lab
import Testing
import Wire

/// `meshctl netcheck` behind real NATs, with members and stock servers to ask.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct NetcheckTests {
    private func ipv4(_ check: Netcheck) throws -> Netcheck.Family {
        try #require(check.families.first { $0.version == 4 })
    }

    @Test func `every kind of NAT is told from the others with the help of two public members`() throws {
        try Lab.with("host") { lab in
            let files = try MeshNode.builtFiles(for: lab.run)
            let alpha = try MeshNode(on: lab.host("alpha", on: lab.core), files: files)
            let delta = try MeshNode(on: lab.host("delta", on: lab.core), files: files)
            let carrier = try lab.router("carrier", .fullCone, lan: "100.64.0.0/24", hasIPv6: false)
            let scenes: [(node: MeshNode, kind: String, mapping: String, filtering: String)] = [
                (
                    try MeshNode(
                        on: lab.host("one", on: lab.router("r1", .fullCone, hasIPv6: false).lan), files: files),
                    "NAT1 (full cone)", "endpointIndependent", "endpointIndependent"
                ),
                (
                    try MeshNode(
                        on: lab.host("two", on: lab.router("r2", .addressRestricted, hasIPv6: false).lan), files: files),
                    "NAT2 (address-restricted cone)", "endpointIndependent", "addressDependent"
                ),
                (
                    try MeshNode(
                        on: lab.host("three", on: lab.router("r3", .portRestricted, hasIPv6: false).lan), files: files),
                    "NAT3 (port-restricted cone)", "endpointIndependent", "addressAndPortDependent"
                ),
                (
                    try MeshNode(
                        on: lab.host("four", on: lab.router("r4", .symmetricBlock, hasIPv6: false).lan), files: files),
                    "NAT4 (symmetric)", "endpointDependent", "addressAndPortDependent"
                ),
                (
                    try MeshNode(
                        on: lab.host(
                            "five", on: lab.router("r5", .portRestricted, on: carrier.lan, hasIPv6: false).lan),
                        files: files),
                    "NAT3 (port-restricted cone)", "endpointIndependent", "addressAndPortDependent"
                ),
            ]
            let token = try #require(try alpha.up().token?.token)
            try delta.up(token)
            for scene in scenes { try scene.node.up(token) }
            // It takes two whom strangers reach, and that everybody knows of it.
            try wait(for: "both public members known as reachable", within: .seconds(20)) { () throws(LabError) in
                for scene in scenes {
                    let relays = try scene.node.netcheck().relays.map(\.name)
                    guard relays.contains("alpha") && relays.contains("delta") else { return false }
                }
                return true
            }
            for scene in scenes {
                let check = try scene.node.netcheck()
                let ipv4 = try ipv4(check)
                let place: Comment = "\(scene.node.host.label): \(check)"
                #expect(ipv4.kind == scene.kind, place)
                #expect(ipv4.mapping == scene.mapping && ipv4.filtering == scene.filtering, place)
                #expect(ipv4.ports?.samples == 5, place)
                #expect(check.duration < .seconds(5), place)
                #expect(check.isReachable == (scene.kind == "NAT1 (full cone)"), place)
                #expect(check.relays.contains { $0.name == "alpha" && $0.isConnected }, place)
            }
            let block = try #require(try ipv4(scenes[3].node.netcheck()).ports)
            // Estimated from five ports of 2,048: in one run of ten thousand they lie within a fifteenth of them.
            #expect(block.pattern == "block" && (200...4096).contains(block.blockSize ?? 0), "\(block)")
            let open = try alpha.netcheck()
            #expect(try ipv4(open).mapping == "none" && open.isReachable)
            #expect(open.candidates.contains { $0.kind == "interface" && $0.standing == "confirmed" })
            let text = try scenes[2].node.meshctl("netcheck")
            #expect(text.contains("both sides must send first") && text.contains("Reached by others"))
        }
    }

    @Test(arguments: [
        (Router.Kind.addressRestricted, "endpointIndependent", "addressDependent"),
        (.symmetric, "addressAndPortDependent", "addressAndPortDependent"),
    ])
    func `a stock server with two addresses tells a lone node everything`(
        _ kind: Router.Kind, _ mapping: String, _ filtering: String
    ) throws {
        try Lab.with("host") { lab in
            let server = try lab.host("server", on: lab.core)
            let first = server.uplink.address
            let second = try #require(server.uplink.prefix.address(at: 77))
            try server.run("ip", "address", "add", "\(second)/24", "dev", server.uplink.interface)
            let coturn = try server.start(
                // Debian's configuration, which -n leaves out, switches RFC 5780 off.
                "turnserver", "-n", "--stun-only", "--no-cli", "--no-tls", "--no-dtls", "--listening-ip=\(first)",
                "--listening-ip=\(second)", "--log-file=stdout", "--pidfile=/run/turnserver.pid", log: "coturn")
            defer { coturn.stop() }
            try wait(for: "coturn", within: .seconds(10)) { () throws(LabError) in
                try server.run("ss", "-Hlun").contains("\(second):3478")
            }
            let node = try MeshNode(
                on: lab.host("beta", on: lab.router("home", kind).lan), files: MeshNode.builtFiles(for: lab.run))
            try node.host.shell("echo 'stun: {servers: [\(first)]}' >/etc/kubemesh/config.yaml")
            try node.up()
            let ipv4 = try ipv4(node.netcheck())
            #expect(ipv4.mapping == mapping && ipv4.filtering == filtering, "\(ipv4)")
            #expect(ipv4.outside == [try #require(ipv4.outside.first)])
            let reflexive = try node.netcheck().candidates.contains { $0.kind == "reflexive" }
            #expect(reflexive)
        }
    }

    @Test func `stock clients learn their address from a node`() throws {
        try Lab.withPublicNodes("alpha") { lab, nodes in
            let alpha = nodes[0]
            try alpha.up()
            let client = try lab.host("client", on: lab.router("home", .portRestricted).lan)
            let server = "\(alpha.host.uplink.address)"
            let modern = try client.run("turnutils_stunclient", "-p", "20007", server)
            #expect(modern.contains("UDP reflexive addr"), "\(modern)")
            let old = try client.shell("stun \(server):20007 1 -v 2>&1 || true")
            #expect(old.contains("mappedAddr") || old.contains("MappedAddress"), "\(old)")
            let behaviour = try client.shell("turnutils_natdiscovery -m -p 20007 \(server) 2>&1 || true")
            #expect(behaviour.contains("UDP reflexive addr"), "\(behaviour)")
            // Nobody of another mesh is served when members alone are.
            try alpha.host.shell("echo 'stun: {serve: members}' >/etc/kubemesh/config.yaml")
            try alpha.meshctl("reload")
            let refused = try client.shell("timeout 3 turnutils_stunclient -p 20007 \(server) 2>&1 || true")
            #expect(!refused.contains("UDP reflexive addr"), "\(refused)")
        }
    }

    @Test func `a public node that a firewall closes withdraws, and says so`() throws {
        try Lab.withMesh { _, trio in
            let alpha = trio.alpha.node
            #expect(try alpha.netcheck().isReachable)
            try alpha.host.loadRules(
                """
                table inet wall { chain input { type filter hook input priority 0;
                    udp dport 20007 ct state new drop; }; }
                """)
            try wait(for: "the withdrawal", within: .seconds(60)) { () throws(LabError) in
                try !alpha.netcheck().isReachable
            }
            let check = try alpha.netcheck()
            #expect(check.candidates.contains { $0.kind == "interface" && $0.standing == "refuted" }, "\(check)")
            #expect(alpha.log.contains("nobody outside reaches this node"))
        }
    }
}
