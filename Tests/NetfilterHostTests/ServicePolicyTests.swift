import Netfilter
import Services
import Testing
import Wire

/// NodePorts, load balancers, and who may use which endpoints.
@Suite(.enabled(if: isRoot, needsRoot)) struct ServicePolicyTests {
    private func nodePort(_ port: UInt16, _ transport: TransportProtocol = .tcp) -> ServicePlan.NodePortKey {
        ServicePlan.NodePortKey(isIPv4: true, transport, port)
    }

    @Test func `a node port is at all own addresses but the loopback, and by its policy hides the client or not`()
        throws
    {
        let site = try ServiceSite()
        var plan = try ServiceSite.emptyPlan()
        var frontend = try ServiceSite.frontend([1, 2, 3])
        frontend.masquerades = true
        plan.nodePorts[nodePort(30080)] = frontend
        plan.nodePorts[nodePort(30080, .udp)] = frontend
        frontend.masquerades = false
        frontend.backends = try ServiceSite.backends([2])
        plan.nodePorts[nodePort(30081)] = frontend
        try site.apply(plan)
        for transport in [TransportProtocol.tcp, .udp] {
            let replies = try site.outside.ask("192.168.50.1", 30080, by: transport, times: 40)
            #expect(Set(replies.map(\.server)) == ["e1", "e2", "e3"])
            #expect(Set(replies.map(\.client)) == ["10.244.1.1"], "the node's address")
        }
        let kept = try site.outside.ask("192.168.50.1", 30081)[0]
        #expect(kept == .text("e2 192.168.50.2"))
        // Pods and the host reach it at any own address.
        for address in ["192.168.50.1", "10.244.1.1", "10.130.7.1"] {
            #expect(try site.client.ask(address, 30080)[0].server != nil)
            #expect(try site.node.ask(address, 30080)[0].server != nil)
        }
        // The loopback is the host's: its own server gets the connection, and without one nobody does.
        #expect(try site.node.ask("127.0.0.1", 30080) == [.refused])
        let own = try Responder("host", in: site.node, ports: [30080])
        #expect(try site.node.ask("127.0.0.1", 30080)[0].server == "host")
        withExtendedLifetime(own) {}
        #expect(!(try site.node.run("ss", "-Hltn", "sport", "=", "30081").contains("30081")), "nobody listens")
        // A connection through this node to the same port of another host is none of ours.
        let other = try Responder("other", in: site.outside, ports: [30080])
        #expect(try site.client.ask("192.168.50.2", 30080)[0] == .text("other 10.244.1.9"))
        withExtendedLifetime(other) {}
    }

    @Test func `a node port without endpoints in its scope refuses or drops`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.emptyPlan()
        var frontend = try ServiceSite.frontend([])
        plan.nodePorts[nodePort(30080)] = frontend
        frontend.refusal = .drop
        plan.nodePorts[nodePort(30081)] = frontend
        try site.apply(plan)
        #expect(try site.outside.ask("192.168.50.1", 30080) == [.refused])
        #expect(try site.outside.ask("192.168.50.1", 30081, within: 300) == [.timedOut])
    }

    @Test func `with the policy Local outside clients keep their address, and insiders have all endpoints`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.emptyPlan()
        var frontend = try ServiceSite.frontend([2])
        frontend.insiders = try ServiceSite.backends([1, 2, 3])
        plan.frontends[try ServiceSite.key("203.0.113.9")] = frontend
        frontend.backends = []
        frontend.refusal = .drop
        plan.frontends[try ServiceSite.key("203.0.113.10")] = frontend
        plan.nodePorts[nodePort(30080)] = frontend
        try site.node.run("ip", "route", "add", "203.0.113.0/24", "dev", "mesh0", "src", "192.168.50.1")
        try site.apply(plan)
        #expect(Set(try site.outside.ask("203.0.113.9", 80, times: 5)) == [.text("e2 192.168.50.2")])
        #expect(try site.outside.ask("203.0.113.10", 80, within: 300) == [.timedOut])
        #expect(try site.outside.ask("192.168.50.1", 30080, within: 300) == [.timedOut])
        for address in ["203.0.113.9", "203.0.113.10"] {
            let pods = try site.client.ask(address, 80, times: 40)
            #expect(Set(pods.map(\.server)) == ["e1", "e2", "e3"])
            #expect(Set(pods.map(\.client)) == ["10.244.1.9"])
            // The host's address towards the load balancer is not one that a remote endpoint could answer.
            let own = try site.node.ask(address, 80, times: 40)
            #expect(Set(own.map(\.server)) == ["e1", "e2", "e3"])
            #expect(Set(own.map(\.client)) == ["10.244.1.1"])
        }
        #expect(Set(try site.client.ask("192.168.50.1", 30080, times: 40).map(\.server)) == ["e1", "e2", "e3"])
    }

    @Test func `an address of a load balancer is taken while it is in the status, and only its own ports`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.emptyPlan()
        // The node's own address, as K3s' load balancer has it: other ports stay the host's.
        var frontend = try ServiceSite.frontend([1])
        frontend.masquerades = true
        plan.frontends[try ServiceSite.key("192.168.50.1")] = frontend
        let own = try Responder("host", in: site.node, ports: [22, 80])
        try site.apply(plan)
        #expect(try site.outside.ask("192.168.50.1", 80)[0].server == "e1")
        #expect(try site.outside.ask("192.168.50.1", 22)[0].server == "host")
        try site.apply(try ServiceSite.emptyPlan())
        #expect(try site.outside.ask("192.168.50.1", 80)[0].server == "host")
        withExtendedLifetime(own) {}
    }

    @Test func `only allowed sources reach a load balancer, and its node port stays open`() throws {
        let site = try ServiceSite()
        var plan = try ServiceSite.emptyPlan()
        var frontend = try ServiceSite.frontend([1, 2, 3])
        frontend.masquerades = true
        plan.nodePorts[nodePort(30080)] = frontend
        frontend.sources = try ServiceSite.prefixes("192.168.50.2/31", "192.168.50.2", "fd00::/8", "10.244.1.9")
        plan.frontends[try ServiceSite.key("203.0.113.9")] = frontend
        try site.apply(plan)
        #expect(try site.outside.ask("203.0.113.9", 80)[0].server != nil)
        #expect(try site.client.ask("203.0.113.9", 80)[0].server != nil)
        #expect(try site.servers[1].ask("203.0.113.9", 80, within: 300) == [.timedOut])
        plan.frontends[try ServiceSite.key("203.0.113.9")]?.sources = try ServiceSite.prefixes("192.168.51.0/24")
        try site.apply(plan)
        #expect(try site.outside.ask("203.0.113.9", 80, within: 300) == [.timedOut])
        #expect(try site.outside.ask("192.168.50.1", 30080)[0].server != nil)
        // What was read back is what was written: nothing to do.
        site.forgetEverything()
        let outcome = try site.apply(plan)
        #expect(outcome.elementsAdded == 0 && outcome.elementsDeleted == 0)
        plan.frontends[try ServiceSite.key("203.0.113.9")]?.sources = []
        try site.apply(plan)
        #expect(try site.servers[1].ask("203.0.113.9", 80)[0].server != nil)
    }
}
