import CLinux
import Glibc
import Netfilter
import Testing
import Wire

/// Rules with a mapped block, mapped single addresses, an identity and IPv6, as a node with Docker and a CNI bridge has them.
func fullRules() throws -> HostRules {
    HostRules(
        interface: "mesh0",
        meshPrefixes: [try #require(IPPrefix("10.128.0.0/9")), try #require(IPPrefix("fd12:3456:789a::/48"))],
        mappings: [
            HostRules.Mapping(
                containers: try #require(IPPrefix("172.17.0.0/24")), mesh: try #require(IPPrefix("10.130.7.0/24")),
                bridge: "docker0"),
            HostRules.Mapping(
                containers: try #require(IPPrefix("172.17.3.4")), mesh: try #require(IPPrefix("10.130.8.9")),
                bridge: "docker0"),
            HostRules.Mapping(
                containers: try #require(IPPrefix("fd00:d0c::/64")),
                mesh: try #require(IPPrefix("fd12:3456:789a:7::/64")), bridge: "docker0"),
        ],
        identities: [try #require(IPPrefix("10.244.1.0/26"))],
        gateways: [try #require(IPPrefix("192.168.50.0/24"))])
}

@Suite(.enabled(if: isRoot, needsRoot)) struct RuleSocketTests {
    static let expected = """
        table inet kubemesh {
        	map inbound4 {
        		type ipv4_addr : ipv4_addr
        		elements = { 10.130.8.9 : 172.17.3.4 }
        	}

        	map outbound4 {
        		type ipv4_addr : ipv4_addr
        		elements = { 172.17.3.4 : 10.130.8.9 }
        	}

        	chain prerouting {
        		type nat hook prerouting priority dstnat - 1; policy accept;
        		fib daddr type local accept
        		iifname "mesh0" jump inbound
        		iifname "docker0" jump inbound
        		ip saddr 10.244.1.0/26 jump inbound
        	}

        	chain output {
        		type nat hook output priority -101; policy accept;
        		fib daddr type local accept
        		jump inbound
        	}

        	chain inbound {
        		ip daddr 10.130.7.0/24 dnat ip prefix to 172.17.0.0/24
        		ip6 daddr fd12:3456:789a:7::/64 dnat ip6 prefix to fd00:d0c::/64
        		dnat ip to ip daddr map @inbound4
        	}

        	chain postrouting {
        		type nat hook postrouting priority srcnat - 1; policy accept;
        		oifname "mesh0" jump outbound
        		ct original ip daddr 10.128.0.0/9 jump outbound
        		ct original ip6 daddr fd12:3456:789a::/48 jump outbound
        	}

        	chain outbound {
        		ip saddr 172.17.0.0/24 snat ip prefix to 10.130.7.0/24
        		ip6 saddr fd00:d0c::/64 snat ip6 prefix to fd12:3456:789a:7::/64
        		snat ip to ip saddr map @outbound4
        		ip saddr 10.244.1.0/26 snat ip prefix to 10.244.1.0/26
        	}

        	chain clamp {
        		type filter hook forward priority mangle; policy accept;
        		oifname "mesh0" tcp flags syn / syn,rst tcp option maxseg size set rt mtu
        		iifname "mesh0" tcp flags syn / syn,rst tcp option maxseg size set rt mtu
        	}

        	chain forward {
        		type filter hook forward priority filter; policy accept;
        		iifname "mesh0" jump arriving
        	}

        	chain arriving {
        		ct state established,related accept
        		ct original ip daddr 10.128.0.0/9 accept
        		ct original ip6 daddr fd12:3456:789a::/48 accept
        		ct original ip daddr 10.244.1.0/26 accept
        		ct original ip daddr 192.168.50.0/24 accept
        		counter packets 0 bytes 0 drop
        	}

        	chain redirects {
        		type filter hook output priority filter; policy accept;
        		oifname "mesh0" icmp type redirect drop
        	}
        }

        """

    @Test func `the rules are in the kernel as one would type them, and applying twice changes nothing`() throws {
        let host = try Namespace("h")
        let rules = try fullRules()
        for _ in 0..<2 {
            try host.perform {
                var socket = try RuleSocket()
                try socket.apply(rules)
            }
            #expect(try host.run("nft", "list", "ruleset") == Self.expected)
        }
    }

    @Test func `tables of others are the same after apply and remove, byte for byte`() throws {
        let host = try Namespace("h")
        try host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "172.17.0.0/16", "-j", "MASQUERADE")
        try host.run("iptables", "-P", "FORWARD", "DROP")
        try host.run(
            "nft", "-f", "-",
            input:
                "table inet theirs { set s { type ipv4_addr; elements = { 10.0.0.1 } }; chain c { ip saddr @s drop; }; }\n"
        )
        let before = try host.run("nft", "-a", "list", "ruleset")
        let rules = try fullRules()
        try host.perform {
            var socket = try RuleSocket()
            try socket.apply(rules)
        }
        #expect(try host.run("nft", "-a", "list", "ruleset").hasPrefix(before))
        try host.perform {
            var socket = try RuleSocket()
            try socket.remove()
            try socket.remove()
        }
        #expect(try host.run("nft", "-a", "list", "ruleset") == before)
    }

    @Test func `a new set of rules replaces the old one, thousands of addresses included`() throws {
        let host = try Namespace("h")
        let mesh = try #require(IPPrefix("10.130.0.0/16"))
        let containers = try #require(IPPrefix("172.17.0.0/16"))
        var rules = HostRules(interface: "mesh0", meshPrefixes: [])
        for offset in 0..<UInt64(5000) {
            let (inside, outside) = (containers.address(at: offset), mesh.address(at: offset))
            rules.mappings.append(
                HostRules.Mapping(
                    containers: IPPrefix(try #require(inside)), mesh: IPPrefix(try #require(outside)),
                    bridge: "docker0"))
        }
        let (many, few) = (rules, HostRules(interface: "mesh1", meshPrefixes: []))
        try host.perform {
            var socket = try RuleSocket()
            try socket.apply(many)
        }
        let listed = try host.run("nft", "list", "map", "inet", "kubemesh", "inbound4")
        #expect(listed.split(separator: ",").count == 5000)
        #expect(listed.contains("10.130.19.135 : 172.17.19.135"))
        try host.perform {
            var socket = try RuleSocket()
            try socket.apply(few)
        }
        let after = try host.run("nft", "list", "ruleset")
        #expect(after.contains("mesh1") && !after.contains("mesh0") && !after.contains("inbound4"))
    }

    @Test func `contradicting rules are refused before the kernel is asked, and the old ones stay`() throws {
        let host = try Namespace("h")
        let rules = try fullRules()
        var wrong = rules
        wrong.mappings += rules.mappings.prefix(1)
        let doubled = wrong
        try host.perform {
            var socket = try RuleSocket()
            try socket.apply(rules)
            #expect(throws: RuleError.self) { try socket.apply(doubled) }
        }
        #expect(try host.run("nft", "list", "ruleset") == Self.expected)
    }

    @Test func `without the right to change rules the error says what to do, and the old ones stay`() throws {
        let host = try Namespace("h")
        let rules = try fullRules()
        try host.perform {
            var socket = try RuleSocket()
            try socket.apply(rules)
            // Only this thread, which ends here, gives up its rights.
            #expect(linux_keep_capabilities(0) == 0)
            let error = #expect(throws: RuleError.self) {
                try socket.apply(HostRules(interface: "mesh0", meshPrefixes: []))
            }
            #expect(error?.description.contains("start meshd as root or grant it CAP_NET_ADMIN") == true)
        }
        #expect(try host.run("nft", "list", "ruleset") == Self.expected)
    }
}
