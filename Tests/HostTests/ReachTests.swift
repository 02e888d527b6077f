import ControlAPI
import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct ReachTests {
    @Test func `the first packet between the containers of every pair is answered, however they are reached`() throws {
        try Lab.withMesh { _, trio in
            for (one, other) in trio.pairs {
                let address = try other.address()
                let times = try one.containers[0].roundTrips(to: address, count: 1)
                print("first packet \(one.name) -> \(other.name) answered after \(times.first ?? .nan) ms")
                #expect(times.count == 1, "\(one.name) to \(other.name)")
            }
        }
    }

    @Test func `TCP, UDP and ping pass between containers by IPv4, from the sender's own mesh address`() throws {
        try Lab.withMesh { _, trio in
            for site in trio.sites { _ = try site.containers[0].serveHTTP("this is \(site.name)") }
            for (one, other) in trio.pairs {
                let address = try other.address()
                #expect(try one.containers[0].canPing(address))
                #expect(try one.containers[0].fetch(address) == "this is \(other.name)\n")
                try expectDatagram(from: one, by: try one.address(), to: other, at: address, any: IPAddress("0.0.0.0"))
            }
        }
    }

    @Test func `TCP, UDP and ping pass between containers by IPv6, from the sender's own mesh address`() throws {
        try Lab.withMesh { _, trio in
            for site in trio.sites { _ = try site.containers[0].serveHTTP("this is \(site.name)") }
            for (one, other) in trio.pairs {
                let address = try other.address6()
                #expect(try one.containers[0].canPing(address))
                #expect(try one.containers[0].fetch(address) == "this is \(other.name)\n")
                try expectDatagram(from: one, by: try one.address6(), to: other, at: address, any: IPAddress("::"))
            }
        }
    }

    @Test func `hosts and containers reach each other both ways`() throws {
        try Lab.withMesh { _, trio in
            for (one, other) in trio.pairs {
                for address in try other.node.status().addresses {
                    #expect(try one.host.canPing(address), "host to host")
                    #expect(try one.containers[0].canPing(address), "container to host")
                }
                #expect(try one.host.canPing(try other.address()), "host to container")
                #expect(try one.host.canPing(try other.address6()), "host to container")
            }
        }
    }

    @Test func `two nodes behind NATs talk through the member that both reach`() throws {
        try Lab.withMesh(behind: .symmetric) { _, trio in
            let address = try trio.gamma.address()
            #expect(try trio.beta.containers[0].canPing(address))
            let paths = Dictionary(uniqueKeysWithValues: try trio.beta.node.peers().map { ($0.name, $0.path) })
            #expect(paths["alpha"] == .direct)
            #expect(paths["gamma"] == .relay(via: "alpha"))
            let probes = try trio.beta.node.meshctl("ping", "-n", "2", "gamma")
            #expect(probes.contains("alpha"), "meshctl ping shows the path: \(probes)")
        }
    }

    @Test func `two nodes behind firewalls with IPv6 talk directly by it`() throws {
        // By IPv4 there is no way through two symmetric NATs.
        try Lab.withMesh(behind: .symmetric, hasIPv6: true) { _, trio in
            let address = try trio.gamma.address()
            #expect(try trio.beta.containers[0].canPing(address))
            try wait(for: "a direct path between beta and gamma", within: .seconds(20)) { () throws(LabError) in
                try trio.beta.node.peers().contains { $0.name == "gamma" && $0.path == .direct }
            }
            let gamma = try trio.beta.node.peers().first { $0.name == "gamma" }
            #expect(gamma?.endpoint?.address == trio.gamma.host.uplink.address6)
            #expect(try trio.beta.containers[0].canPing(address))
        }
    }

    @Test func `nothing of a packet is in clear on the wire, also at the relay`() throws {
        let marker = "a-marker-that-no-cipher-writes-by-chance"
        try Lab.withMesh { lab, trio in
            let wire = try Capture(in: lab.core.namespace, interface: "any", filter: "udp or icmp or tcp")
            let inside = try Capture(in: trio.gamma.containers[0], interface: "eth0")
            let sender = try UDPProbe(in: trio.beta.containers[0])
            let receiver = try UDPProbe(in: trio.gamma.containers[0], port: 7000)
            _ = try trio.gamma.containers[0].serveHTTP(marker)
            let address = try trio.gamma.address()
            sender.send(marker, to: Endpoint(address, port: 7000))
            #expect(receiver.receive(within: .seconds(5))?.text == marker)
            #expect(try trio.beta.containers[0].fetch(address) == marker + "\n")

            let marked = Array(marker.utf8)
            let addressBytes = address.bytes
            #expect(inside.stop().contains(bytes: marked), "the capture sees what is in clear")
            let seen = wire.stop()
            #expect(seen.count > 1000, "something crossed the core")
            #expect(!seen.contains(bytes: marked))
            #expect(!seen.contains(bytes: addressBytes), "not even an inner address")
        }
    }

    /// The bytes of the sender's mesh address are what the receiver sees, not those of its host or of a bridge.
    private func expectDatagram(
        from one: Site, by source: IPAddress, to other: Site, at address: IPAddress, any: IPAddress?
    ) throws {
        let any = try #require(any)
        let sender = try UDPProbe(in: one.containers[0], address: any, port: 7000)
        let receiver = try UDPProbe(in: other.containers[0], address: any, port: 7000)
        sender.send("from \(one.name)", to: Endpoint(address, port: 7000))
        let received = try #require(receiver.receive(within: .seconds(5)), "\(one.name) to \(other.name)")
        #expect(received.text == "from \(one.name)")
        #expect(received.source.address == source)
        receiver.send("back", to: received.source)
        #expect(sender.receive(within: .seconds(5))?.source == Endpoint(address, port: 7000))
    }
}
