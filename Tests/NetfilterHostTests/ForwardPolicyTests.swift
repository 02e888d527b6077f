import Netfilter
import Testing

@Suite(.enabled(if: isRoot, needsRoot)) struct ForwardPolicyTests {
    private func read(_ host: Namespace) throws -> ForwardPolicy {
        try host.perform {
            var socket = try RuleSocket()
            return try ForwardPolicy.read(by: &socket)
        }
    }

    @Test func `a host that drops nothing has no finding`() throws {
        let host = try Namespace("h")
        try host.run("iptables", "-A", "FORWARD", "-s", "192.0.2.1", "-j", "DROP")
        try host.run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; }")
        let rules = try fullRules()
        try host.perform {
            var socket = try RuleSocket()
            try socket.apply(rules)
        }
        #expect(try read(host).drops.isEmpty)
    }

    @Test func `Docker's policy is passable once our rules are in DOCKER-USER`() throws {
        let host = try Namespace("h")
        try host.run("iptables", "-N", "DOCKER-USER")
        try host.run("iptables", "-P", "FORWARD", "DROP")
        let without = try read(host)
        #expect(without.drops == [ForwardPolicy.Drop(chain: "ip filter FORWARD", owner: .docker, isPassable: false)])
        try host.perform {
            var socket = try RuleSocket()
            _ = try ForwardAccept(interface: "mesh0").ensure(by: &socket)
        }
        let with = try read(host)
        #expect(with.drops == [ForwardPolicy.Drop(chain: "ip filter FORWARD", owner: .docker, isPassable: true)])
        #expect(with.drops.allSatisfy { $0.nextStep(interface: "mesh0") == nil })
    }

    @Test func `tables of the old iptables are reported`() throws {
        let host = try Namespace("h")
        guard host.succeeds("iptables-legacy", "-t", "nat", "-S") else {
            try Test.cancel("this kernel has no tables of the old iptables")
        }
        #expect(try read(host).legacyTables == ["nat"])
        #expect(host.succeeds("ip6tables-legacy", "-t", "filter", "-S"))
        #expect(try read(host).legacyTables == ["filter", "nat"])
    }

    @Test func `other droppers are named with what to do about them`() throws {
        let host = try Namespace("h")
        try host.run("ip6tables", "-N", "ufw6-before-forward")
        try host.run("ip6tables", "-P", "FORWARD", "DROP")
        let chain = "{ type filter hook forward priority 10; policy accept; }"
        try host.run("nft", "add table inet firewalld; add chain inet firewalld filter_FORWARD \(chain)")
        try host.run(
            "nft", "add table ip mine; add chain ip mine fwd_all { type filter hook forward priority 5; policy drop; }")
        let found = try read(host)
        let chains = found.drops.map(\.chain).sorted()
        #expect(chains == ["inet firewalld filter_FORWARD", "ip mine fwd_all", "ip6 filter FORWARD"])
        let steps = found.drops.compactMap { $0.nextStep(interface: "mesh0") }.sorted()
        #expect(steps.count == 3)
        #expect(steps[0] == "let packets of mesh0 pass the chain ip mine fwd_all, in and out")
        #expect(steps[1].contains("firewall-cmd") && steps[2].contains("ufw route allow in on mesh0"))
        #expect(found.legacyTables.isEmpty)
    }
}
