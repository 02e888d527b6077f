import Netfilter
import Services
import Testing
import Wire

/// UDP flows, which no protocol of their own ends (row 24): forgotten exactly when they must be.
@Suite(.enabled(if: isRoot, needsRoot)) struct ServiceFlowTests {
    private static let vip = "10.96.0.1"

    private func plan(_ numbers: [Int], _ transport: TransportProtocol = .udp) throws -> ServicePlan {
        var plan = try ServiceSite.emptyPlan()
        plan.frontends[try ServiceSite.key(Self.vip, 80, transport)] = try ServiceSite.frontend(numbers)
        plan.nodePorts[ServicePlan.NodePortKey(isIPv4: true, transport, 30080)] = try ServiceSite.frontend(numbers)
        return plan
    }

    /// A client that sends from one port all the time.
    private func ask(_ site: ServiceSite, _ milliseconds: Int32 = 1000) throws -> Reply {
        try site.client.ask(Self.vip, 80, by: .udp, from: 6000, within: milliseconds)[0]
    }

    @Test func `a flow moves on when its endpoint goes, is refused without one, and resumes with the next`() throws {
        let site = try ServiceSite()
        try site.apply(try plan([1]))
        #expect(try ask(site).server == "e1")
        #expect(try site.outside.ask("192.168.50.1", 30080, by: .udp, from: 6000)[0].server == "e1")
        let outcome = try site.apply(try plan([2]))
        #expect(outcome.flowsForgotten == 2, "that to the service's address, and that to the node's")
        #expect(try ask(site).server == "e2")
        #expect(try site.outside.ask("192.168.50.1", 30080, by: .udp, from: 6000)[0].server == "e2")
        try site.apply(try plan([]))
        #expect(try ask(site) == .refused)
        try site.apply(try plan([3]))
        #expect(try ask(site).server == "e3")
    }

    @Test func `flows to endpoints that stay are left alone, and TCP is`() throws {
        let site = try ServiceSite()
        try site.apply(try plan([1]))
        #expect(try ask(site).server == "e1")
        let before = try tracked(site)
        #expect(try site.apply(try plan([1, 2])).flowsForgotten == 0)
        #expect(try ask(site).server == "e1", "the flow keeps its endpoint")
        #expect(try tracked(site) == before, "it is the same entry")
        try site.apply(try plan([1], .tcp))
        #expect(try site.client.ask(Self.vip, 80)[0].server == "e1")
        #expect(try site.apply(try plan([2], .tcp)).flowsForgotten == 0)
    }

    @Test func `a flow from before its service is forgotten when the service comes`() throws {
        let site = try ServiceSite()
        // Tracked already, and on its way to the mesh without a translation; the other ends at the node itself.
        try site.node.run("nft", "-f", "-", input: "table ip other { chain c { ct state new counter; }; }\n")
        #expect(try ask(site, 200) != .refused)
        #expect(try site.outside.ask("192.168.50.1", 30080, by: .udp, from: 6000, within: 200)[0].server == nil)
        _ = try site.node.ask("192.168.50.2", 30080, by: .udp, from: 6001, within: 200)
        try site.apply(try ServiceSite.emptyPlan())
        try site.apply(try plan([1]))
        #expect(try ask(site).server == "e1")
        #expect(try site.outside.ask("192.168.50.1", 30080, by: .udp, from: 6000)[0].server == "e1")
    }

    @Test func `an agent that starts again forgets no valid flow, and those that went stale meanwhile`() throws {
        let site = try ServiceSite()
        try site.apply(try plan([1, 2]))
        let first = try #require(try ask(site).server)
        let before = try tracked(site)
        site.forgetEverything()
        #expect(try site.apply(try plan([1, 2])).flowsForgotten == 0)
        #expect(try tracked(site) == before)
        #expect(try ask(site).server == first)
        site.forgetEverything()
        let rest = first == "e1" ? 2 : 1
        #expect(try site.apply(try plan([rest])).flowsForgotten == 1)
        #expect(try ask(site).server == "e\(rest)")
    }

    @Test func `with very many changes at once flows are still found`() throws {
        let site = try ServiceSite()
        func many(_ numbers: [Int]) throws -> ServicePlan {
            var plan = try plan(numbers)
            for port in UInt16(1000)..<1100 {
                plan.frontends[try ServiceSite.key(Self.vip, port, .udp)] = try ServiceSite.frontend(numbers)
            }
            return plan
        }
        try site.apply(try many([1]))
        #expect(try ask(site).server == "e1")
        #expect(try site.client.ask(Self.vip, 1050, by: .udp, from: 6002)[0].server == "e1")
        #expect(try site.apply(try many([2])).flowsForgotten == 2)
    }

    /// The entry's number, which a new one would not have.
    private func tracked(_ site: ServiceSite) throws -> [Substring] {
        let listed = try site.node.run("conntrack", "-L", "-o", "id", "-p", "udp", "--orig-port-src", "6000")
        return listed.split(separator: " ").filter { $0.hasPrefix("id=") }
    }
}
