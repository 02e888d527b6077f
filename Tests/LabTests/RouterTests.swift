import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct RouterTests {
    private static let expected: [Router.Kind: NATBehaviour] = [
        .open: NATBehaviour(.none, .none),
        .firewall: NATBehaviour(.none, .addressAndPortDependent),
        .fullCone: NATBehaviour(.endpointIndependent, .none),
        .addressRestricted: NATBehaviour(.endpointIndependent, .addressDependent),
        .portRestricted: NATBehaviour(.endpointIndependent, .addressAndPortDependent),
        .symmetric: NATBehaviour(.endpointDependent, .addressAndPortDependent),
        .symmetricBlock: NATBehaviour(.endpointDependent, .addressAndPortDependent),
        .symmetricSequential: NATBehaviour(.endpointDependent, .addressAndPortDependent),
        // Linux keeps the source port while it is free, so that it looks endpoint-independent.
        .masquerade: NATBehaviour(.endpointIndependent, .addressAndPortDependent),
    ]

    @Test(arguments: Router.Kind.allCases)
    func `each kind of router maps and filters as its name says`(kind: Router.Kind) throws {
        try Lab.with { lab in
            let servers = (try lab.host("one", on: lab.core), try lab.host("two", on: lab.core))
            let router = try lab.router("r", kind)
            let inside = try lab.host("inside", on: router.lan)
            #expect(try NATBehaviour(behind: inside, seenBy: servers) == Self.expected[kind])
        }
    }

    @Test func `a port-restricted router behind a full cone still maps endpoint-independently`() throws {
        try Lab.with { lab in
            let servers = (try lab.host("one", on: lab.core), try lab.host("two", on: lab.core))
            let carrier = try lab.router("carrier", .fullCone, lan: "100.64.0.0/24")
            let home = try lab.router("home", .portRestricted, on: carrier.lan, lan: "192.168.1.0/24")
            let inside = try lab.host("inside", on: home.lan)
            let behaviour = try NATBehaviour(behind: inside, seenBy: servers)
            #expect(behaviour == NATBehaviour(.endpointIndependent, .addressAndPortDependent))
        }
    }

    @Test func `symmetric routers take ports from a block or one after the other`() throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let receiver = try UDPProbe(in: server, port: 7001)
            func ports(behind kind: Router.Kind) throws -> [UInt16] {
                let inside = try lab.host("in-\(kind)", on: lab.router("r-\(kind)", kind).lan)
                return try (0..<5).map { _ in
                    try UDPProbe(in: inside).send("hello", to: Endpoint(server.uplink.address, port: 7001))
                    return try #require(receiver.receive(within: .seconds(5))).source.port
                }
            }
            #expect(try ports(behind: .symmetricBlock).allSatisfy { (40960...43007).contains($0) })
            let sequence = try ports(behind: .symmetricSequential)
            #expect(sequence == (0..<5).map { sequence[0] + $0 })
        }
    }

    @Test(arguments: [Router.Kind.fullCone, .addressRestricted, .portRestricted])
    func `a router that hairpins joins its LANs by its outer address, and filters as from outside`(
        kind: Router.Kind
    ) throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let receiver = try UDPProbe(in: server, port: 7001)
            for hairpins in [true, false] {
                let router = try lab.router("r-\(hairpins)", kind, hairpins: hairpins)
                let guests = try router.addLAN(prefix: "192.168.77.0/24")
                let hosts = [
                    try lab.host("one-\(hairpins)", on: router.lan), try lab.host("two-\(hairpins)", on: guests),
                ]
                #expect(try !hosts[0].canPing(hosts[1].uplink.address, within: 1), "its LANs are apart")
                let probes = try hosts.map { try UDPProbe(in: $0, port: 4242) }
                let outer = try probes.map { probe in
                    probe.send("who am I", to: Endpoint(server.uplink.address, port: 7001))
                    return try #require(receiver.receive(within: .seconds(5))).source
                }
                // The first is stopped by a filter; it lets the answer in.
                probes[0].send("one", to: outer[1])
                probes[1].send("two", to: outer[0])
                #expect(probes[0].receive()?.source == (hairpins ? outer[1] : nil))
                #expect((probes[1].receive() != nil) == (hairpins && kind == .fullCone))
                probes[0].send("one more", to: outer[1])
                #expect(probes[1].receive()?.source == (hairpins ? outer[0] : nil))
            }
        }
    }

    @Test(arguments: [Router.Kind.portRestricted, .symmetric])
    func `after a change of address traffic leaves by the new one and is answered there`(kind: Router.Kind) throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let router = try lab.router("r", kind)
            let probe = try UDPProbe(in: lab.host("inside", on: router.lan))
            let receiver = try UDPProbe(in: server, port: 7001)
            for address in [router.wan.address, try #require(router.wan.prefix.address(at: 77))] {
                if address != router.wan.address { try router.changeAddress() }
                #expect(router.wan.address == address)
                probe.send("hello", to: Endpoint(server.uplink.address, port: 7001))
                let source = try #require(receiver.receive(within: .seconds(5))).source
                #expect(source.address == address)
                receiver.send("answer", to: source)
                #expect(probe.receive(within: .seconds(5))?.text == "answer")
            }
        }
    }

    @Test(arguments: [Router.Kind.portRestricted, .symmetric])
    func `after a rebinding traffic leaves by another port`(kind: Router.Kind) throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let router = try lab.router("r", kind)
            let inside = try lab.host("inside", on: router.lan)
            let probe = try UDPProbe(in: inside)
            let receiver = try UDPProbe(in: server, port: 7001)
            func seen() throws -> Endpoint {
                probe.send("hello", to: Endpoint(server.uplink.address, port: 7001))
                return try #require(receiver.receive(within: .seconds(5))).source
            }
            let before = try seen()
            #expect(try seen() == before)
            try router.rebind()
            #expect(try seen() != before)
        }
    }

    @Test func `a router that blocks UDP passes TCP`() throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let router = try lab.router("r", .masquerade)
            let inside = try lab.host("inside", on: router.lan)
            let probe = try UDPProbe(in: inside)
            let receiver = try UDPProbe(in: server, port: 7001)
            try router.blockUDP()
            probe.send("hello", to: Endpoint(server.uplink.address, port: 7001))
            #expect(receiver.receive() == nil)
            let listener = try server.start("iperf3", "--server", "--one-off", "--forceflush", log: "iperf3")
            try listener.waitForLog("listening")
            try inside.run("nc", "-z", "-w", "2", "\(server.uplink.address)", "5201")
            try router.allowUDP()
            probe.send("hello", to: Endpoint(server.uplink.address, port: 7001))
            #expect(receiver.receive(within: .seconds(5))?.text == "hello")
        }
    }

    @Test func `a router that lets only HTTPS out passes TCP to that port alone`() throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let router = try lab.router("r", .masquerade)
            let inside = try lab.host("inside", on: router.lan)
            try router.blockUDP(andTCPExcept: 443)
            for port in ["443", "5201"] {
                let listener = try server.start("iperf3", "--server", "--port", port, "--forceflush", log: "on-\(port)")
                try listener.waitForLog("listening")
                let result = try inside.result(of: "nc", "-z", "-w", "1", "\(server.uplink.address)", port)
                #expect(result.succeeded == (port == "443"))
            }
            #expect(try !inside.canPing(server.uplink.address, within: 1))
        }
    }

    @Test func `IPv6 behind a router goes out untranslated and comes in only as an answer`() throws {
        try Lab.with { lab in
            let server = try lab.host("server", on: lab.core)
            let router = try lab.router("r", .portRestricted)
            let inside = try lab.host("inside", on: router.lan)
            let address = try #require(inside.uplink.address6)
            let outside = try #require(server.uplink.address6)
            try inside.run("ping", "-c", "1", "-W", "2", "\(outside)")
            let listener = try inside.start("iperf3", "--server", "--forceflush", log: "iperf3")
            try listener.waitForLog("listening")
            #expect(try !server.result(of: "nc", "-z", "-w", "1", "\(address)", "5201").succeeded)
        }
    }
}
