import Netfilter
import Testing
import Wire

@Suite(.enabled(if: isRoot, needsRoot)) struct TrafficTests {
    /// Whether Docker's rules are there, and whether they came before or after ours.
    enum DockerStart: CaseIterable {
        case never
        case before
        case after
    }

    @Test(arguments: DockerStart.allCases)
    func `containers of hosts with one subnet reach each other and see mesh addresses`(_ docker: DockerStart) throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] {
            if docker == .before { try host.startDocker() }
            try host.apply()
            if docker == .after {
                try host.startDocker()
                try host.apply()
            }
        }
        for (here, there) in [(mesh.a, mesh.b), (mesh.b, mesh.a)] {
            for (client, server) in [(1, 1), (2, 1), (1, 3), (3, 2)] {
                let target = try there.address(of: server)
                #expect(MeshOfTwo.pings(target, from: here.containers[client - 1]))
                let seen = try MeshOfTwo.source(
                    seenBy: there.containers[server - 1], from: here.containers[client - 1], to: target)
                #expect(seen == "\(try here.address(of: client))")
            }
            let target6 = try there.address6(of: 1)
            #expect(MeshOfTwo.pings(target6, from: here.containers[1]))
            let seen6 = try MeshOfTwo.source(seenBy: there.containers[0], from: here.containers[1], to: target6)
            #expect(seen6 == "\(try here.address6(of: 2))")
        }
    }

    @Test func `without our rules Docker's policy and subnet stop the same traffic`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] { try host.startDocker() }
        #expect(!MeshOfTwo.pings(try mesh.b.address(of: 1), from: mesh.a.containers[0]))
        // One side alone is not enough: B's containers are behind its own rules.
        try mesh.a.apply()
        #expect(!MeshOfTwo.pings(try mesh.b.address(of: 1), from: mesh.a.containers[0]))
    }

    @Test func `a host reaches containers of others, and its own, by mesh addresses`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] {
            try host.startDocker()
            try host.apply()
        }
        let host = mesh.a.namespace
        let own = "\(try mesh.a.ownAddress())"
        #expect(
            try MeshOfTwo.source(seenBy: mesh.b.containers[0], from: host, to: try mesh.b.address(of: 1)) == own)
        #expect(
            try MeshOfTwo.source(seenBy: mesh.a.containers[0], from: host, to: try mesh.a.address(of: 1)) == own)
        #expect(
            try MeshOfTwo.source(seenBy: mesh.a.containers[2], from: host, to: try mesh.a.address(of: 3)) == own)
        #expect(MeshOfTwo.pings(try mesh.a.address6(of: 1), from: host))
    }

    @Test func `containers of one host reach each other by mesh addresses`() throws {
        let mesh = try MeshOfTwo()
        try mesh.a.startDocker()
        try mesh.a.apply()
        for (client, server) in [(1, 2), (3, 1), (1, 3)] {
            let seen = try MeshOfTwo.source(
                seenBy: mesh.a.containers[server - 1], from: mesh.a.containers[client - 1],
                to: try mesh.a.address(of: server))
            #expect(seen == "\(try mesh.a.address(of: client))")
        }
        #expect(MeshOfTwo.pings(try mesh.a.address6(of: 2), from: mesh.a.containers[0]))
    }

    /// With br_netfilter the bridge itself would have to send a frame back out of its port, which Docker does not allow either.
    @Test func `a container reaches itself by its mesh address where bridges do not filter`() throws {
        let mesh = try MeshOfTwo()
        try mesh.a.startDocker()
        try mesh.a.apply()
        try mesh.a.namespace.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
        let (container, address) = (mesh.a.containers[1], try mesh.a.address(of: 2))
        #expect(try MeshOfTwo.source(seenBy: container, from: container, to: address) == "\(address)")
    }

    @Test func `nobody is told to go straight to another node of the mesh`() throws {
        let mesh = try MeshOfTwo()
        try mesh.b.apply()
        // B passes it on by the interface that it came in by, as it does for a stock client of its own.
        let elsewhere = "10.140.0.1"
        func ping() throws -> String {
            try mesh.a.namespace.run("sh", "-c", "ping -n -c 3 -i 0.2 -W 1 \(elsewhere) || true")
        }
        #expect(try !ping().contains("Redirect"))
        try mesh.b.namespace.run("nft", "flush", "chain", "inet", "kubemesh", "redirects")
        #expect(try ping().contains("Redirect"), "so the kernel would have")
    }

    @Test func `the host's own mesh address is not taken for a container's`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] { try host.apply() }
        // 10.130.7.1 would be 172.17.0.1 by the mapping; a server bound to the mesh address alone must get it.
        let own = try mesh.a.ownAddress()
        let listener = try mesh.a.namespace.start(
            "socat", "TCP4-LISTEN:7001,bind=\(own),reuseaddr,fork", "SYSTEM:echo $SOCAT_PEERADDR")
        let client = "TCP4:\(own):7001,retry=30,interval=0.1,connect-timeout=2"
        let seen = try mesh.b.containers[0].run("socat", "-T3", "-", client)
        withExtendedLifetime(listener) {}
        #expect(seen == "\(try mesh.b.address(of: 1))\n")
    }

    @Test func `containers with addresses of the mesh are masqueraded by nobody`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] { try host.apply() }
        let pod = try Namespace("pod")
        try mesh.a.namespace.run(
            "ip", "-batch", "-",
            input: """
                link add cni0 type bridge
                addr add 10.244.1.1/24 dev cni0
                link set cni0 up
                link add podport type veth peer name eth0 netns \(pod.name)
                link set podport master cni0 up

                """)
        try pod.run(
            "ip", "-batch", "-",
            input: "link set eth0 up\naddr add 10.244.1.2/24 dev eth0\nroute add default via 10.244.1.1\n")
        try mesh.b.namespace.run("ip", "route", "add", "10.244.1.0/24", "dev", "mesh0")
        try mesh.a.namespace.run(
            "iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "10.244.0.0/16", "!", "-d", "10.244.0.0/16", "-j",
            "MASQUERADE")
        let target = try mesh.b.address(of: 1)
        let server = mesh.b.containers[0]
        #expect(try MeshOfTwo.source(seenBy: server, from: pod, to: target) == "\(try mesh.a.ownAddress())")
        var rules = try mesh.a.rules()
        rules.identities = [try #require(IPPrefix("10.244.1.0/24"))]
        try mesh.a.apply(rules)
        #expect(try MeshOfTwo.source(seenBy: server, from: pod, to: target) == "10.244.1.2")
        // The way back, and a container of the same host by its mesh address.
        let podAddress = try #require(IPAddress("10.244.1.2"))
        #expect(
            try MeshOfTwo.source(seenBy: pod, from: server, to: podAddress) == "\(try mesh.b.address(of: 1))")
        let near = try MeshOfTwo.source(seenBy: mesh.a.containers[0], from: pod, to: try mesh.a.address(of: 1))
        #expect(near == "10.244.1.2")
    }

    @Test(arguments: [(true, 40), (false, 60)])
    func `a SYN announces no larger segment than the mesh carries, either way`(_ isIPv4: Bool, _ headers: Int) throws {
        let mesh = try MeshOfTwo()
        // Only A has our rules for packets from B: B announces what its bridge takes.
        for host in [mesh.a, mesh.b] { try host.apply() }
        try mesh.b.namespace.run("nft", "flush", "chain", "inet", "kubemesh", "clamp")
        for (from, to) in [(mesh.a, mesh.b), (mesh.b, mesh.a)] {
            let target = isIPv4 ? try to.address(of: 1) : try to.address6(of: 1)
            let capture = try to.containers[0].start(
                "tcpdump", "-nn", "-l", "-i", "eth0", "tcp[tcpflags] & tcp-syn != 0 or ip6[53] & 2 != 0")
            _ = try capture.wait(for: "listening on")
            _ = from.containers[0].succeeds("nc", "-w1", "-z", "\(target)", "7002")
            let printed = try capture.wait(for: "mss")
            #expect(printed.contains("mss \(MeshOfTwo.meshMTU - headers),"))
        }
    }

    @Test func `the mesh gets no further into a host's other networks than it is let`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] { try host.apply() }
        let device = try Namespace("dev")
        try mesh.b.namespace.run(
            "ip", "-batch", "-",
            input: """
                link add lan0 type veth peer name eth0 netns \(device.name)
                addr add 192.168.50.1/24 dev lan0
                link set lan0 up

                """)
        try device.run(
            "ip", "-batch", "-",
            input: "link set eth0 up\naddr add 192.168.50.9/24 dev eth0\nroute add default via 192.168.50.1\n")
        try mesh.a.namespace.run("ip", "route", "add", "192.168.50.0/24", "dev", "mesh0")
        let target = try #require(IPAddress("192.168.50.9"))
        #expect(!MeshOfTwo.pings(target, from: mesh.a.containers[0]))
        // What the device starts is answered, for answers belong to a connection.
        try mesh.b.namespace.run(
            "nft", "add table ip lan; add chain ip lan post { type nat hook postrouting priority srcnat; }")
        try mesh.b.namespace.run("nft", "add rule ip lan post ip saddr 192.168.50.0/24 oifname mesh0 masquerade")
        #expect(MeshOfTwo.pings(try mesh.a.address(of: 1), from: device))
        var rules = try mesh.b.rules()
        rules.gateways = [try #require(IPPrefix("192.168.50.0/24"))]
        try mesh.b.apply(rules)
        #expect(MeshOfTwo.pings(target, from: mesh.a.containers[0]))
    }

    @Test func `a stream that began before the rules takes the right address after them`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] { try host.startDocker() }
        try mesh.b.apply()
        let (client, server) = (mesh.a.containers[0], mesh.b.containers[0])
        let stream = try client.start("ping", "-n", "-i0.05", "\(try mesh.b.address(of: 1))")
        let masqueraded = "\(try mesh.a.ownAddress())"
        let right = "\(try mesh.a.address(of: 1))"
        let capture = try server.start("tcpdump", "-nn", "-l", "-i", "eth0", "icmp[icmptype] == icmp-echo")
        _ = try capture.wait(for: "IP \(masqueraded) >")
        let rules = try mesh.a.rules()
        try mesh.a.apply(rules)
        let counts = try mesh.a.namespace.perform {
            var socket = try RuleSocket()
            return [try socket.forgetOutdatedConnections(rules), try socket.forgetOutdatedConnections(rules)]
        }
        #expect(counts == [1, 0])
        _ = try capture.wait(for: "IP \(right) >")
        withExtendedLifetime(stream) {}
        // What goes elsewhere, and what is right already, is left alone.
        let listed = try mesh.a.namespace.run("conntrack", "-L", "-p", "icmp")
        #expect(listed.contains("dst=\(right)"))
    }

    @Test func `connections live on while the rules are applied anew`() throws {
        let mesh = try MeshOfTwo()
        for host in [mesh.a, mesh.b] { try host.apply() }
        let target = try mesh.b.address(of: 1)
        let ping = try mesh.a.containers[0].start("ping", "-n", "-i0.02", "-c100", "-W1", "\(target)")
        _ = try ping.wait(for: "icmp_seq=5")
        for _ in 0..<10 { try mesh.b.apply() }
        #expect(try ping.wait(for: "packet loss").contains(" 0% packet loss"))
    }
}
