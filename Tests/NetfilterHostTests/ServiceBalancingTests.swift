import Netfilter
import Services
import Testing
import Wire

/// How a connection's endpoint is chosen.
@Suite(.enabled(if: isRoot, needsRoot)) struct ServiceBalancingTests {
    private static let vip = "10.96.0.1"

    private func servers(_ site: ServiceSite, _ times: Int, _ address: String = ServiceBalancingTests.vip) throws
        -> [String]
    {
        try site.client.ask(address, 80, times: times).map { $0.server ?? "\($0)" }
    }

    @Test(arguments: [false, true])
    func `with affinity a client stays until its endpoint goes or the time is over`(isIPv6: Bool) throws {
        let site = try ServiceSite()
        let address = isIPv6 ? "fd96::1" : Self.vip
        func plan(_ numbers: [Int], seconds: UInt32?) throws -> ServicePlan {
            var plan = try ServiceSite.emptyPlan()
            var frontend = try ServiceSite.frontend(numbers, isIPv6: isIPv6)
            frontend.affinitySeconds = seconds
            plan.frontends[try ServiceSite.key(address)] = frontend
            return plan
        }
        try site.apply(try plan([1, 2, 3], seconds: 600))
        let first = try servers(site, 20, address)
        #expect(Set(first).count == 1)
        // The judge reads these rules, too.
        let listed = try site.node.run("nft", "list", "ruleset")
        #expect(listed.contains("chain random-3-600s") && listed.contains("timeout 10m"))
        #expect(try site.node.run("nft", "-j", "list", "ruleset").contains("random-3-600s"))
        let number = try #require(first.first.flatMap { Int($0.dropFirst()) })
        // Others come and go: it stays, also over a restart.
        let other = number % 3 + 1
        try site.apply(try plan([number, other].sorted(), seconds: 600))
        site.forgetEverything()
        try site.apply(try plan([1, 2, 3], seconds: 600))
        #expect(Set(try servers(site, 20, address)) == ["e\(number)"])
        // Its endpoint goes: the very next connection works, and stays with another.
        try site.apply(try plan([1, 2, 3].filter { $0 != number }, seconds: 600))
        let moved = try servers(site, 20, address)
        #expect(Set(moved).count == 1 && moved.first != first.first && moved.first?.hasPrefix("e") == true)
        try site.apply(try plan([1, 2, 3], seconds: nil))
        #expect(Set(try servers(site, 40, address)).count == 3, "without affinity it spreads at once")
    }

    @Test func `affinity ends by itself when no connection renews it`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1, 2, 3]) { $0.affinitySeconds = 2 })
        #expect(Set(try servers(site, 10)).count == 1)
        let family = "ip"
        func remembered() throws -> Bool {
            try site.node.run("nft", "list", "map", family, "kubemesh", "affinity").contains("10.244.1.9 . 10.96.0.1")
        }
        #expect(try remembered())
        let clock = ContinuousClock()
        let start = clock.now
        while try remembered() { guard start.duration(to: clock.now) < .seconds(20) else { break } }
        #expect(start.duration(to: clock.now) > .seconds(1))
        #expect(try !remembered())
    }

    @Test func `round robin takes turns, and services do not take each other's`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.plan([1, 2]) { $0.choice = .roundRobin }
        plan.frontends[try ServiceSite.key("10.96.0.2")] = plan.frontends[try ServiceSite.key(Self.vip)]
        try site.apply(plan)
        // Alternating connections to two services with as many endpoints: a shared counter would give each always the same.
        var seen: [[String]] = [[], []]
        for _ in 0..<10 {
            seen[0] += try servers(site, 1)
            seen[1] += try servers(site, 1, "10.96.0.2")
        }
        for turns in seen {
            #expect(turns.filter { $0 == "e1" }.count == 5)
            #expect(zip(turns, turns.dropFirst()).allSatisfy { $0 != $1 }, "\(turns)")
        }
        plan.frontends[try ServiceSite.key(Self.vip)]?.backends = try ServiceSite.backends([1, 2, 3])
        try site.apply(plan)
        #expect(Set(try servers(site, 3)).count == 3)
        // Its own chain goes with the service.
        try site.apply(try ServiceSite.emptyPlan())
        #expect(!(try site.node.run("nft", "list", "table", "ip", "kubemesh").contains("turns")))
    }

    @Test func `weights are shares, in turns and by chance`() throws {
        let site = try ServiceSite()
        for choice in [ServicePlan.Choice.roundRobin, .random] {
            try site.apply(
                try ServiceSite.plan([1, 2]) { frontend in
                    frontend.choice = choice
                    frontend.backends[0].weight = 300
                    frontend.backends[1].weight = 100
                })
            let heavy = try servers(site, 400).filter { $0 == "e1" }.count
            #expect(choice == .roundRobin ? heavy == 300 : abs(heavy - 300) < 40, "\(choice): \(heavy)")
        }
    }

    @Test func `a client's hash keeps its endpoint until that goes`() throws {
        let site = try ServiceSite()
        let pods = [site.client] + site.servers
        func seen(_ numbers: [Int]) throws -> [String?] {
            try site.apply(try ServiceSite.plan(numbers) { $0.choice = .sourceHash })
            return try pods.map { pod in
                let replies = Set(try pod.ask(Self.vip, 80, times: 5).map(\.server))
                #expect(replies.count == 1)
                return replies.first ?? nil
            }
        }
        let all = try seen([1, 2, 3])
        for gone in 1...3 {
            let rest = try seen([1, 2, 3].filter { $0 != gone })
            for (before, after) in zip(all, rest) where before != "e\(gone)" { #expect(before == after) }
            #expect(!rest.contains("e\(gone)"))
            #expect(try seen([1, 2, 3]) == all)
        }
    }

    @Test func `open connections are counted by endpoint`() throws {
        let site = try ServiceSite()
        try site.apply(try ServiceSite.plan([1]))
        let target = try #require(IPAddress(Self.vip))
        let flows = try site.client.perform {
            (0..<3).map { _ in
                let question = Question(target, .tcp)
                _ = SocketAddress(target, port: 80).connect(question.descriptor)
                _ = question.say(nil, within: 1000)
                return question.release()
            }
        }.map(Question.init)
        try site.apply(try ServiceSite.plan([1, 2]))
        let e1 = try ServiceSite.key(ServiceSite.addresses[0], 8080)
        #expect(try site.openConnections() == [e1: 3])
        withExtendedLifetime(flows) {}
    }
}
