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
