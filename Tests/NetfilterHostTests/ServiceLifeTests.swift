import Glibc
import Netfilter
import Services
import Synchronization
import Testing
import Wire

/// Restarts, changes under traffic, and neighbours.
@Suite(.enabled(if: isRoot, needsRoot)) struct ServiceLifeTests {
    fileprivate static let vip = "10.96.0.1"

    /// Connects one after another, on a thread of its own, until told to stop.
    private final class Connector: Sendable {
        private let ends = Atomic<Bool>(false)
        private let result = Mutex<[String: Int]?>(nil)

        init(_ place: Namespace, by transport: TransportProtocol = .tcp) {
            Responder.detach { [self] in
                var counts: [String: Int] = [:]
                while !ends.load(ordering: .relaxed) {
                    let replies = try? place.ask(ServiceLifeTests.vip, 80, by: transport, times: 20)
                    for reply in replies ?? [] { counts[reply.server ?? "\(reply)", default: 0] += 1 }
                }
                result.withLock { $0 = counts }
            }
        }

        /// Who answered how often.
        func stop() -> [String: Int] {
            ends.store(true, ordering: .relaxed)
            while true {
                if let counts = result.withLock({ $0 }) { return counts }
                sched_yield()
            }
        }
    }

    @Test func `no connection fails while endpoints change a thousand times`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1, 2, 3]))
        let connector = Connector(site.client)
        let sets = [[1, 2], [2, 3], [1, 2, 3], [3], [1, 3], [2]]
        for round in 0..<1000 {
            let scope = ServiceTable.Scope(frontends: [try ServiceSite.key(Self.vip)])
            try site.apply(try ServiceSite.plan(sets[round % sets.count]), changed: scope)
        }
        let counts = connector.stop()
        #expect(Set(counts.keys) == ["e1", "e2", "e3"], "\(counts)")
    }

    @Test func `an agent that ends and starts again changes nothing, and no connection fails`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.plan([1, 2, 3]) { $0.affinitySeconds = 300 }
        plan.frontends[try ServiceSite.key("10.96.0.2")] = try ServiceSite.frontend([1, 2])
        plan.frontends[try ServiceSite.key("10.96.0.3")] = try ServiceSite.frontend([])
        var inside = try ServiceSite.frontend([1])
        inside.insiders = try ServiceSite.backends([1, 2, 3])
        plan.frontends[try ServiceSite.key("203.0.113.9")] = inside
        inside.choice = .roundRobin
        plan.nodePorts[ServicePlan.NodePortKey(isIPv4: true, .tcp, 30080)] = inside
        plan.frontends[try ServiceSite.key("fd96::1")] = try ServiceSite.frontend([1, 2, 3], isIPv6: true)
        plan.pingable = [try #require(IPAddress(Self.vip))]
        try site.apply(plan)
        // So that the client is remembered before and after.
        #expect(try site.client.ask(Self.vip, 80)[0].server != nil)
        let before = try site.node.run("nft", "list", "ruleset")
        let connector = Connector(site.client)
        for _ in 0..<20 {
            site.forgetEverything()
            let outcome = try site.apply(plan)
            #expect(outcome.elementsAdded == 0 && outcome.elementsDeleted == 0 && outcome.flowsForgotten == 0)
        }
        let counts = connector.stop()
        #expect(counts.count == 1 && counts.keys.first?.hasPrefix("e") == true, "one endpoint by affinity: \(counts)")
        #expect(withoutState(try site.node.run("nft", "list", "ruleset")) == withoutState(before))
        // What changed while it was away is all that is changed.
        site.forgetEverything()
        plan.frontends[try ServiceSite.key("10.96.0.2")] = try ServiceSite.frontend([1, 3])
        let outcome = try site.apply(plan)
        #expect(outcome.elementsAdded == 1 && outcome.elementsDeleted == 1, "one slot")
        #expect(Set(try site.client.ask("10.96.0.2", 80, times: 30).map(\.server)) == ["e1", "e3"])
    }

    @Test func `a table of another layout is made anew`() throws {
        let site = try ServiceSite()
        try site.node.run(
            "nft", "-f", "-",
            input:
                "table ip kubemesh { set services { type ipv4_addr; }; chain output { type filter hook output priority 5; }; }\n"
        )
        try site.apply(try ServiceSite.plan([1]))
        #expect(try site.client.ask(Self.vip, 80)[0].server == "e1")
    }

    @Test func `a foreign flush of all rules is noticed and repaired within a second`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1, 2, 3]))
        let before = try site.node.run("nft", "list", "ruleset")
        let (noticed, repaired) = try site.node.perform {
            var table = ServiceTable()
            var rules = try RuleSocket()
            let events = try RuleEvents(ignoring: rules)
            _ = try table.apply(try ServiceSite.plan([1, 2, 3]), by: &rules)
            #expect(try events.read().isEmpty, "own changes are no notices")
            try Program.run("nft", "flush", "ruleset")
            let clock = ContinuousClock()
            let start = clock.now
            var changes: RuleChanges = []
            while !changes.contains(.services), isReadable(events.fileDescriptor, within: 1000) {
                changes.formUnion(try events.read())
            }
            let noticed = start.duration(to: clock.now)
            _ = try table.repair(try ServiceSite.plan([1, 2, 3]), by: &rules)
            return (noticed, start.duration(to: clock.now))
        }
        print("flush noticed after \(noticed), repaired after \(repaired)")
        #expect(repaired < .seconds(1))
        #expect(withoutState(try site.node.run("nft", "list", "ruleset")) == withoutState(before))
        #expect(try site.client.ask(Self.vip, 80)[0].server != nil)
    }

    @Test func `what others did to our tables alone is put right`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1, 2, 3]))
        let before = try site.node.run("nft", "list", "ruleset")
        try site.node.run("nft", "delete", "element", "ip", "kubemesh", "services", "{ 10.96.0.1 . tcp . 80 }")
        try site.node.run("nft", "flush", "map", "ip", "kubemesh", "endpoints")
        try site.node.run("nft", "flush", "chain", "ip", "kubemesh", "dispatch")
        try site.node.run("nft", "add", "element", "ip", "kubemesh", "kept", "{ 10.96.0.7 . udp . 7 }")
        try site.repair(try ServiceSite.plan([1, 2, 3]))
        #expect(withoutState(try site.node.run("nft", "list", "ruleset")) == withoutState(before))
        #expect(Set(try site.client.ask(Self.vip, 80, times: 30).map(\.server)) == ["e1", "e2", "e3"])
    }

    @Test func `removal leaves the rules of others byte for byte`() throws {
        let site = try ServiceSite()
        try site.node.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "172.17.0.0/16", "-j", "MASQUERADE")
        try site.node.run("nft", "-f", "-", input: "table inet theirs { chain c { counter; }; }\n")
        let before = try site.node.run("nft", "-a", "list", "ruleset")
        try site.apply(try ServiceSite.plan([1, 2, 3]))
        try site.remove()
        try site.remove()
        #expect(try site.node.run("nft", "-a", "list", "ruleset") == before)
    }

    enum Neighbour: String, CaseIterable {
        case kubeProxyByIptables, kubeProxyByNftables, docker, firewalld
    }

    /// The rules that each of these makes for the same addresses, before ours and after.
    @Test(arguments: Neighbour.allCases, [true, false])
    func `services work beside others in any order`(_ neighbour: Neighbour, startsFirst: Bool) throws {
        let site = try ServiceSite()
        if startsFirst { try start(neighbour, on: site) }
        var plan = try ServiceSite.plan([1, 2, 3])
        var frontend = try ServiceSite.frontend([1, 2, 3])
        frontend.masquerades = true
        plan.nodePorts[ServicePlan.NodePortKey(isIPv4: true, .tcp, 30080)] = frontend
        try site.apply(plan)
        if !startsFirst { try start(neighbour, on: site) }
        for _ in 0..<2 {
            let pods = try site.client.ask(Self.vip, 80, times: 60)
            #expect(Set(pods.map(\.server)) == ["e1", "e2", "e3"])
            #expect(Set(pods.map(\.client)) == ["10.244.1.9"])
            #expect(Set(try site.outside.ask("192.168.50.1", 30080, times: 60).map(\.server)) == ["e1", "e2", "e3"])
            // It starts again, as firewalld does with everything flushed.
            if neighbour == .firewalld { try site.node.run("nft", "flush", "ruleset") }
            try start(neighbour, on: site)
            try site.repair(plan)
        }
    }

    private func start(_ neighbour: Neighbour, on site: ServiceSite) throws {
        switch neighbour {
        case .kubeProxyByIptables:
            try site.node.run(
                "iptables-restore", "--noflush",
                input: """
                    *nat
                    :KUBE-SERVICES - [0:0]
                    :KUBE-POSTROUTING - [0:0]
                    :KUBE-NODEPORTS - [0:0]
                    -A PREROUTING -j KUBE-SERVICES
                    -A OUTPUT -j KUBE-SERVICES
                    -A POSTROUTING -j KUBE-POSTROUTING
                    -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp --dport 80 -j DNAT --to-destination 10.244.1.2:8080
                    -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
                    -A KUBE-NODEPORTS -p tcp --dport 30080 -j MARK --set-xmark 0x4000/0x4000
                    -A KUBE-NODEPORTS -p tcp --dport 30080 -j DNAT --to-destination 10.244.1.2:8080
                    -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
                    -A KUBE-POSTROUTING -j MASQUERADE --random-fully
                    COMMIT

                    """)
        case .kubeProxyByNftables:
            try site.node.run(
                "nft", "-f", "-",
                input: """
                    add table ip kube-proxy
                    delete table ip kube-proxy
                    table ip kube-proxy {
                        set cluster-ips { type ipv4_addr; elements = { 10.96.0.1 }; }
                        map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.1 . tcp . 80 : goto service-web }; }
                        chain service-web { meta l4proto tcp dnat to 10.244.1.2:8080; }
                        chain nat-prerouting { type nat hook prerouting priority dstnat; ip daddr . meta l4proto . th dport vmap @service-ips; }
                        chain nat-output { type nat hook output priority -100; ip daddr . meta l4proto . th dport vmap @service-ips; }
                        chain cluster-ips-check { ip daddr @cluster-ips reject; }
                        chain filter-forward { type filter hook forward priority -110; ct state new jump cluster-ips-check; }
                        chain filter-output { type filter hook output priority -90; ct state new jump cluster-ips-check; }
                    }

                    """)
        case .docker:
            try site.node.run(
                "iptables-restore", "--noflush",
                input: """
                    *nat
                    :DOCKER - [0:0]
                    -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
                    -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
                    -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
                    -A DOCKER -p tcp --dport 8088 -j DNAT --to-destination 172.17.0.2:80
                    COMMIT

                    """)
        case .firewalld:
            try site.node.run(
                "nft", "-f", "-",
                input: """
                    add table inet firewalld
                    delete table inet firewalld
                    table inet firewalld {
                        chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; counter; }
                        chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; counter; }
                        chain filter_INPUT { type filter hook input priority filter + 10; ct state established,related accept; ct status dnat accept; }
                        chain filter_FORWARD { type filter hook forward priority filter + 10; ct state established,related accept; ct status dnat accept; counter; }
                    }

                    """)
        }
    }

    /// Without what changes by traffic and time: counters, timers, remembered clients, the order of elements.
    private func withoutState(_ ruleset: String) -> [String] {
        var words = ruleset.split { " \n\t,".contains($0) }.map(String.init)
        while let index = words.firstIndex(of: "expires") { words.removeSubrange(index...(index + 1)) }
        while let index = words.firstIndex(of: "packets") { words.removeSubrange(index...(index + 3)) }
        while let index = words.firstIndex(of: "timeout") { words.removeSubrange(index...(index + 1)) }
        return words.sorted()
    }
}
