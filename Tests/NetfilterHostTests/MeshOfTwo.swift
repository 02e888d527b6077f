import Netfilter
import Testing
import Wire

/// Two hosts with the same Docker subnet, and containers on both; a pair of virtual interfaces stands for the tunnel.
///
/// ```
///  172.17.0.2 c1 ┐                                        ┌ c1 172.17.0.2
///  172.17.0.3 c2 ├ docker0  A  mesh0 ══════ mesh0  B  docker0 ┼ c2 172.17.0.3
///  172.17.3.4 c3 ┘     10.130.7.0/24    10.131.9.0/24     └ c3 172.17.3.4
/// ```
/// c3 is outside the mapped block; its mesh address is 10.130.8.9 (A) or 10.131.10.9 (B).
final class MeshOfTwo: Sendable {
    final class Host: Sendable {
        let namespace: Namespace
        let containers: [Namespace]
        /// Of this host: IPv4 block, the single address of c3, IPv6 block.
        let block: IPPrefix
        let single: IPAddress
        let block6: IPPrefix

        init(_ role: String, block: String, single: String, block6: String) throws {
            namespace = try Namespace(role)
            containers = try (1...3).map { try Namespace("\(role)c\($0)") }
            self.block = try #require(IPPrefix(block))
            self.single = try #require(IPAddress(single))
            self.block6 = try #require(IPPrefix(block6))
            try namespace.run(
                "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
            try namespace.run(
                "ip", "-batch", "-",
                input: """
                    link add docker0 type bridge
                    addr add 172.17.0.1/16 dev docker0
                    addr add fd00:d0c::1/64 dev docker0 nodad
                    link set docker0 up

                    """)
            for (index, address) in ["172.17.0.2", "172.17.0.3", "172.17.3.4"].enumerated() {
                try attach(containers[index], port: "port\(index)", address, "fd00:d0c::\(index + 2)")
            }
        }

        /// The mesh address of container 1, 2 or 3.
        func address(of container: Int) throws -> IPAddress {
            container == 3 ? single : try #require(block.address(at: UInt64(container) + 1))
        }

        func address6(of container: Int) throws -> IPAddress {
            try #require(block6.address(at: UInt64(container) + 1))
        }

        /// The host's own mesh address: the first of its block.
        func ownAddress() throws -> IPAddress {
            try #require(block.address(at: 1))
        }

        func rules() throws -> HostRules {
            let blocks = [("172.17.0.0/24", block), ("172.17.3.4", IPPrefix(single)), ("fd00:d0c::/64", block6)]
            return HostRules(
                interface: "mesh0",
                meshPrefixes: [try #require(IPPrefix("10.128.0.0/9")), try #require(IPPrefix("fd12:3456:789a::/48"))],
                mappings: try blocks.map { containers, mesh in
                    HostRules.Mapping(
                        containers: try #require(IPPrefix(containers)), mesh: mesh, bridge: "docker0")
                })
        }

        /// Sets the rules as the agent does.
        func apply(_ rules: HostRules? = nil) throws {
            let wanted = try rules ?? self.rules()
            try namespace.perform {
                var socket = try RuleSocket()
                try socket.apply(wanted)
                _ = try ForwardAccept(interface: "mesh0").ensure(by: &socket)
            }
        }

        func remove() throws {
            try namespace.perform {
                var socket = try RuleSocket()
                try socket.remove()
                try ForwardAccept.remove(by: &socket)
            }
        }

        /// The rules that Docker 20 to 28 makes for its default bridge.
        func startDocker() throws {
            for iptables in ["iptables", "ip6tables"] {
                let isIPv4 = iptables == "iptables"
                try namespace.run(
                    "\(iptables)-restore", "--noflush",
                    input: """
                        *filter
                        :FORWARD DROP [0:0]
                        :DOCKER-USER - [0:0]
                        -A FORWARD -j DOCKER-USER
                        -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
                        -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
                        -A FORWARD -i docker0 -o docker0 -j ACCEPT
                        -A DOCKER-USER -j RETURN
                        COMMIT
                        *nat
                        :DOCKER - [0:0]
                        -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
                        -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
                        -A POSTROUTING -s \(isIPv4 ? "172.17.0.0/16" : "fd00:d0c::/64") ! -o docker0 -j MASQUERADE
                        COMMIT

                        """)
            }
        }

        private func attach(_ container: Namespace, port: String, _ address: String, _ address6: String) throws {
            try namespace.run(
                "ip", "-batch", "-",
                input: """
                    link add \(port) type veth peer name eth0 netns \(container.name)
                    link set \(port) master docker0 up

                    """)
            try container.run(
                "ip", "-batch", "-",
                input: """
                    link set eth0 up
                    addr add \(address)/16 dev eth0
                    addr add \(address6)/64 dev eth0 nodad
                    route add default via 172.17.0.1
                    route add default via fd00:d0c::1

                    """)
        }
    }

    static let meshMTU = 1408

    let a: Host
    let b: Host

    init() throws {
        a = try Host("a", block: "10.130.7.0/24", single: "10.130.8.9", block6: "fd12:3456:789a:7::/64")
        b = try Host("b", block: "10.131.9.0/24", single: "10.131.10.9", block6: "fd12:3456:789a:9::/64")
        // One hardware address and no ARP: each end takes whatever comes, as a tunnel does.
        let link = "address 02:00:00:00:00:01 mtu \(Self.meshMTU)"
        try Program.run(
            ["ip", "-batch", "-"],
            input: "link add mesh0 netns \(a.namespace.name) \(link) type veth peer name mesh0 netns "
                + "\(b.namespace.name) \(link)\n")
        for host in [a, b] {
            let (own, own6) = (try host.ownAddress(), try #require(host.block6.address(at: 1)))
            try host.namespace.run(
                "ip", "-batch", "-",
                input: """
                    link set mesh0 arp off up
                    addr add \(own)/32 dev mesh0
                    addr add \(own6)/128 dev mesh0 nodad
                    route add 10.128.0.0/9 dev mesh0 src \(own)
                    route add fd12:3456:789a::/48 dev mesh0 src \(own6)

                    """)
        }
    }

    /// The address that a TCP server in `server` sees when `client` connects to `address`.
    static func source(
        seenBy server: Namespace, from client: Namespace, to address: IPAddress, port: Int = 7000
    ) throws -> String {
        let family = address.isIPv4 ? "4" : "6"
        let text = address.isIPv4 ? "\(address)" : "[\(address)]"
        let listener = try server.start(
            "socat", "TCP\(family)-LISTEN:\(port),reuseaddr,fork", "SYSTEM:echo $SOCAT_PEERADDR")
        defer { withExtendedLifetime(listener) {} }
        let seen = try client.run(
            "socat", "-T3", "-", "TCP\(family):\(text):\(port),retry=30,interval=0.1,connect-timeout=2")
        let bare = seen.split(separator: "\n").joined().filter { !"[]".contains($0) }
        return IPAddress(bare)?.description ?? seen
    }

    static func pings(_ address: IPAddress, from client: Namespace) -> Bool {
        client.succeeds("ping", "-c1", "-W2", "-n", "\(address)")
    }
}
