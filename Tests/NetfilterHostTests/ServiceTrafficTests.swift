import Glibc
import Netfilter
import Services
import Testing
import Wire

/// Rows of reference/kubernetes.md A that the kernel's part decides, told by what clients see.
@Suite(.enabled(if: isRoot, needsRoot)) struct ServiceTrafficTests {
    /// Who answered, and how often.
    private func servers(_ replies: [Reply]) -> [String: Int] {
        replies.reduce(into: [:]) { $0[$1.server ?? "\($1)", default: 0] += 1 }
    }

    /// Each within thirteen points of a third: five standard deviations of 300 draws.
    private func isSpread(_ counts: [String: Int]) -> Bool {
        let total = counts.values.reduce(0, +)
        return Set(counts.keys) == ["e1", "e2", "e3"]
            && counts.values.allSatisfy { abs(Double($0) / Double(total) - 1.0 / 3) < 0.13 }
    }

    @Test func `connections of a Pod and of the host are spread evenly, TCP and UDP, IPv4 and IPv6`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.plan([1, 2, 3])
        for (address, isIPv6) in [("10.96.0.1", false), ("fd96::1", true)] {
            for transport in [TransportProtocol.tcp, .udp] {
                plan.frontends[try ServiceSite.key(address, 80, transport)] = try ServiceSite.frontend(
                    [1, 2, 3], isIPv6: isIPv6)
            }
        }
        try site.apply(plan)
        for address in ["10.96.0.1", "fd96::1"] {
            for place in [site.client, site.node] {
                for transport in [TransportProtocol.tcp, .udp] {
                    let counts = servers(try place.ask(address, 80, by: transport, times: 300))
                    #expect(isSpread(counts), "\(address) \(transport): \(counts)")
                }
            }
        }
        // Judges read our tables without trouble.
        let listed = try site.node.run("nft", "list", "ruleset")
        #expect(listed.contains("10.96.0.1 . tcp . 80 : goto random-3"))
        #expect(listed.contains("fd96::1 . udp . 80 : goto random-3"))
        #expect(try site.node.run("nft", "-j", "list", "ruleset").contains("\"random-3\""))
    }

    @Test func `one port of two protocols is two services`() throws {
        let site = try ServiceSite()
        var both = try ServiceSite.plan([1, 2, 3])
        both.frontends[try ServiceSite.key("10.96.0.1", 80, .udp)] = try ServiceSite.frontend([1, 2, 3])
        for (gone, stays) in [(TransportProtocol.udp, TransportProtocol.tcp), (.tcp, .udp)] {
            try site.apply(both)
            #expect(try site.client.ask("10.96.0.1", 80, by: gone)[0].server != nil)
            var one = both
            one.frontends[try ServiceSite.key("10.96.0.1", 80, gone)] = nil
            try site.apply(one)
            #expect(try site.client.ask("10.96.0.1", 80, by: gone) == [.refused])
            #expect(try site.client.ask("10.96.0.1", 80, by: stays)[0].server != nil)
        }
    }

    @Test func `endpoints of one service may have different ports`() throws {
        let site = try ServiceSite()
        let plan = try ServiceSite.plan([1]) { frontend in
            frontend.backends += (try? ServiceSite.backends([2], 9090)) ?? []
        }
        try site.apply(plan)
        #expect(Set(try site.client.ask("10.96.0.1", 80, times: 40).map(\.server)) == ["e1", "e2"])
        let listed = try site.node.run("nft", "list", "map", "ip", "kubemesh", "endpoints")
        #expect(listed.contains("10.244.1.2 . 8080") && listed.contains("10.244.1.3 . 9090"))
    }

    @Test func `without endpoints a connection is refused at once, from a Pod and from the host, both families`() throws
    {
        let site = try ServiceSite()
        var plan = try ServiceSite.plan([])
        plan.frontends[try ServiceSite.key("10.96.0.1", 80, .udp)] = try ServiceSite.frontend([])
        // IPv6 stands by itself: endpoints of the other family are none.
        plan.frontends[try ServiceSite.key("fd96::1")] = try ServiceSite.frontend([1, 2, 3])
        try site.apply(plan)
        let clock = ContinuousClock()
        for place in [site.client, site.node] {
            let start = clock.now
            #expect(try place.ask("10.96.0.1", 80) == [.refused])
            #expect(try place.ask("fd96::1", 80) == [.refused])
            #expect(try place.ask("10.96.0.1", 80, by: .udp) == [.refused])
            #expect(start.duration(to: clock.now) < .milliseconds(900), "three refusals, none by a time-out")
        }
    }

    @Test func `where a policy keeps from endpoints elsewhere, connections time out and nothing leaves`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([]) { $0.refusal = .drop })
        #expect(try site.client.ask("10.96.0.1", 80, within: 300) == [.timedOut])
        #expect(try site.node.ask("10.96.0.1", 80, within: 300) == [.timedOut])
        try site.apply(try ServiceSite.plan([]))
        #expect(try site.client.ask("10.96.0.1", 80) == [.refused])
    }

    @Test func `an unknown port of a service is refused, an address without a service drops, and neither leaves`()
        throws
    {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1, 2, 3]))
        for place in [site.client, site.node] {
            #expect(try place.ask("10.96.0.1", 81) == [.refused])
            #expect(try place.ask("10.96.0.1", 80, by: .udp) == [.refused])
            #expect(try place.ask("10.96.0.99", 80, within: 300) == [.timedOut])
        }
        let sent = try site.node.run("cat", "/sys/class/net/mesh0/statistics/tx_packets")
        let dropped = try site.node.run("cat", "/sys/class/net/mesh0/statistics/tx_dropped")
        #expect(sent == "0\n" && dropped == "0\n", "nothing was sent to the mesh")
        // What is no service address stays as it was.
        #expect(try site.client.ask("10.244.1.2", 8080)[0].server == "e1")
    }

    @Test func `services answer a ping where they shall, and say unreachable where not`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.plan([1])
        plan.frontends[try ServiceSite.key("fd96::1")] = try ServiceSite.frontend([1], isIPv6: true)
        plan.pingable = [try #require(IPAddress("10.96.0.1")), try #require(IPAddress("fd96::1"))]
        try site.apply(plan)
        for place in [site.client, site.node] {
            #expect(place.succeeds("ping", "-c", "1", "-W", "2", "10.96.0.1"))
            #expect(place.succeeds("ping", "-c", "1", "-W", "2", "fd96::1"))
        }
        plan.pingable = []
        try site.apply(plan)
        let answer = try site.client.run("sh", "-c", "ping -n -c 1 -W 2 10.96.0.1 || true")
        #expect(answer.contains("Destination Port Unreachable"), "\(answer)")
    }

    @Test func `a Pod keeps its address on the way to others and has the node's on the way to itself`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.plan([1, 2, 3])
        plan.frontends[try ServiceSite.key("fd96::1")] = try ServiceSite.frontend([1, 2, 3], isIPv6: true)
        try site.apply(plan)
        for (service, own, node) in [("10.96.0.1", "10.244.1.2", "10.244.1.1"), ("fd96::1", "fd00:1::2", "fd00:1::1")] {
            let replies = try site.servers[0].ask(service, 80, times: 60)
            #expect(Set(replies.map(\.server)) == ["e1", "e2", "e3"])
            for reply in replies { #expect(reply.client == (reply.server == "e1" ? node : own)) }
        }
    }

    @Test func `clients outside the cluster are masqueraded, so that answers find back`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1, 2, 3]))
        let reply = try site.outside.ask("10.96.0.1", 80)[0]
        #expect(reply.server != nil && reply.client == "10.244.1.1")
        #expect(try site.client.ask("10.96.0.1", 80)[0].client == "10.244.1.9")
        // The host's own address for services is a client's address: it stays.
        #expect(try site.node.ask("10.96.0.1", 80)[0].client == "10.130.7.1")
    }

    @Test func `established connections outlive their endpoint, and new ones go elsewhere`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1]))
        let target = try #require(IPAddress("10.96.0.1"))
        let descriptor = try site.client.perform {
            let question = Question(target, .tcp)
            _ = SocketAddress(target, port: 80).connect(question.descriptor)
            return question.release()
        }
        let flow = Question(descriptor)
        #expect(flow.say(nil, within: 1000).server == "e1")
        try site.apply(try ServiceSite.plan([2]))
        #expect(flow.say("still there", within: 1000) == .text("still there"))
        #expect(Set(try site.client.ask("10.96.0.1", 80, times: 5).map(\.server)) == ["e2"])
        try site.apply(try ServiceSite.emptyPlan())
        #expect(flow.say("even now", within: 1000) == .text("even now"))
    }

    @Test func `an SCTP association is sent to an endpoint`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.emptyPlan()
        plan.frontends[try ServiceSite.key("10.96.0.1", 80, .sctp)] = try ServiceSite.frontend([1])
        try site.apply(plan)
        // No sockets for SCTP everywhere: a bare INIT (RFC 9260 §3.3.2), seen at the endpoint.
        let capture = try site.servers[0].start("tcpdump", "-lni", "eth0", "-c", "1", "ip", "proto", "132")
        _ = try capture.wait(for: "listening on eth0")
        try site.client.perform {
            let raw = socket(AF_INET, Int32(SOCK_RAW.rawValue), 132)
            _ = SocketAddress(try #require(IPAddress("10.96.0.1")), port: 0).send(bytes: Self.initiation, by: raw)
            close(raw)
        }
        let seen = try capture.wait(for: "INIT")
        #expect(seen.contains("10.244.1.9.4000 > 10.244.1.2.8080"), "\(seen)")
    }

    /// From port 4000 to port 80, verification tag 0, checksum by CRC-32C.
    private static let initiation: [UInt8] = {
        var packet: [UInt8] = [0x0f, 0xa0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0]
        packet += [1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0x20, 0, 0, 1, 0, 1, 0, 0, 0, 1]
        var remainder = UInt32.max
        for byte in packet {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82f6_3b78 : 0) }
        }
        remainder = ~remainder
        for index in 0..<4 { packet[8 + index] = UInt8(truncatingIfNeeded: remainder >> (8 * UInt32(index))) }
        return packet
    }()

    @Test func `a packet that conntrack calls invalid does not reach the client untranslated`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1]))
        let target = try #require(IPAddress("10.96.0.1"))
        let descriptor = try site.client.perform {
            let question = Question(target, .tcp, from: 5555)
            _ = SocketAddress(target, port: 80).connect(question.descriptor)
            return question.release()
        }
        let flow = Question(descriptor)
        #expect(flow.say(nil, within: 1000).server == "e1")
        // From the server's address and port: conntrack does not translate what is invalid, so the client would answer a
        // stranger with a reset, which ends the server's side.
        let capture = try site.client.start("tcpdump", "-lni", "eth0", "tcp", "and", "host", "10.244.1.2")
        _ = try capture.wait(for: "listening on eth0")
        try site.servers[0].perform {
            let raw = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_TCP))
            let stray = Segment.bytes(
                from: try #require(IPAddress("10.244.1.2")), 8080, to: try #require(IPAddress("10.244.1.9")), 5555)
            _ = SocketAddress(try #require(IPAddress("10.244.1.9")), port: 0).send(bytes: stray, by: raw)
            close(raw)
        }
        #expect(flow.say("still there", within: 1000) == .text("still there"))
        #expect(throws: Program.Failure.self, "nothing of the stray packet reaches the client") {
            try capture.wait(for: "8080", seconds: 1)
        }
        let rules = try site.node.run("nft", "list", "chain", "ip", "kubemesh", "invalid")
        #expect(rules.contains("counter packets 1 "), "\(rules)")
    }
}
