import Agent
import ControlAPI
import Services
import Testing
import Wire

@Suite struct ServiceExplanationTests {
    /// Each step as its mark, its name and its findings.
    private func text(_ result: Result<Explanation, Failure>?) throws -> [String] {
        try #require(result).get().steps.map { step in
            let mark =
                switch step.outcome {
                case .good: "+"
                case .failed: "x"
                case .doubtful: "?"
                }
            return "\(mark) \(step.name): \(step.findings.joined(separator: " | "))"
        }
    }

    private var served: ServiceWorld {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2"), .at("172.17.0.2", on: "far"), .at("172.17.0.3", ready: false)])
        return world
    }

    @Test func `a service that works shows each step from its name to the nodes behind it`() throws {
        let world = served
        let explanation = try #require(world.explain("web.shop")).get()
        #expect(explanation.from == "here" && explanation.to == "web.shop")
        #expect(explanation.verdict == "connections go to 2 of 3 endpoints, on far, this node")
        #expect(explanation.nextStep == nil)
        #expect(
            try text(.success(explanation)) == [
                "+ name: web.shop.svc.cluster.local is 10.96.0.5",
                "+ service: web.shop is defined by manifest shop.yaml on here",
                "+ address: 10.96.0.5",
                "+ port: 80 TCP (http)",
                "+ proxy: this node's rules serve it",
                "+ endpoints: 2 of 3 used | 172.17.0.2 on here: 50 % of connections | "
                    + "172.17.0.2 on far, reached at 10.130.7.2: 50 % of connections | 172.17.0.3 on here: it is not ready",
                "+ rules: the kernel has them as planned",
                "+ path to far: direct",
            ])
    }

    @Test func `by its address the name is left out, and the port that was asked for is judged`() throws {
        let world = served
        #expect(try text(world.explain("10.96.0.5:80"))[0] == "+ address: 10.96.0.5 is the cluster address of web.shop")
        #expect(try #require(world.explain("10.96.0.5:80/tcp")).get().verdict.hasPrefix("connections go to 2"))
        let wrong = try #require(world.explain("10.96.0.5:81")).get()
        #expect(wrong.verdict == "port 81 is not a port of web.shop")
        #expect(wrong.nextStep == "connect to port 80")
        #expect(try #require(world.explain("web.shop:53/udp")).get().verdict == "UDP port 53 is not a port of web.shop")
        #expect(try text(world.explain("web.shop:http")).contains("+ port: 80 TCP (http)"))
        let target = try text(world.explain("web.shop:8080"))
        #expect(target.contains { $0.hasSuffix("8080 is where its endpoints listen: clients connect to 80") })
    }

    @Test func `the step that fails is the verdict`() throws {
        var world = served
        func verdict(
            _ world: ServiceWorld, _ adapt: (inout ServiceExplanation.Surroundings) -> Void = { _ in }
        ) throws -> String {
            let result = world.explain("web.shop", adapt)
            return try #require(result).get().verdict
        }
        #expect(
            try verdict(world) { $0.names = .failed("UDP port 53 is held by dnsmasq") }
                == "names are not answered on this node: UDP port 53 is held by dnsmasq")
        #expect(
            try verdict(world) { surroundings in
                surroundings.names = .answered(
                    NameAnswer(NameQuestion("web"), code: "NXDOMAIN", origin: "zone", duration: .zero))
            } == "web.shop.svc.cluster.local is answered with NXDOMAIN")
        #expect(
            try verdict(world) { $0.rules = .failed("not permitted") }
                == "the kernel does not follow the plan: not permitted")
        world.set([.at("172.17.0.3", ready: false)])
        #expect(try verdict(world) == "none of 1 can be used: connections are refused")
        world.set([.at("172.17.0.2", on: "far")]) { $0.internalPolicy = .local }
        #expect(try verdict(world) == "none of 1 can be used: connections are dropped")
        world.set([])
        #expect(try verdict(world) == "it has no endpoints: connections are refused")
        world.set([.at("172.17.0.2")]) { $0.isServedElsewhere = true }
        #expect(try verdict(world).hasPrefix("another program serves it"))
    }

    @Test func `the way to an endpoint's node is part of it`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2", on: "dead")])
        let explanation = try #require(world.explain("web.shop")).get()
        #expect(explanation.verdict == "not reached: no answer")
        #expect(explanation.nextStep == "see meshctl why dead")
        world.set([.at("172.17.0.2", on: "stranger")])
        #expect(try text(world.explain("web.shop")).last?.hasPrefix("? path to stranger: no node of the mesh") == true)
    }

    @Test func `other names and services without an address are explained as what they are`() throws {
        var world = ServiceWorld()
        world.set(named: "db", at: nil, []) { $0.kind = .externalName("db.example.org") }
        #expect(try #require(world.explain("db.shop")).get().verdict == "another name for db.example.org")
        world.set(named: "names", at: nil, [.at("172.17.0.2", on: "far"), .at("172.17.0.3", ready: false)]) {
            $0.kind = .headless
        }
        let explanation = try #require(world.explain("names.shop")).get()
        #expect(explanation.verdict == "its name leads to 1 of 2 endpoints, on far")
        #expect(explanation.steps.map(\.name) == ["name", "service", "port", "endpoints", "path to far"])
        #expect(explanation.steps[0].findings == ["names.shop.svc.cluster.local is 10.130.7.2"])
        world.set(named: "early", at: "10.96.0.8", [])
        world.set(named: "late", at: "10.96.0.8", [.at("172.17.0.2")])
        let late = try text(world.explain("late.shop"))
        #expect(
            late.contains { $0.hasPrefix("? address: 10.96.0.8, which it is defined with, is early.shop's: it has") })
    }

    @Test func `a name that is nobody's is answered with the nearest, nodes included`() throws {
        let world = served
        guard case .failure(let failure)? = world.explain("wbe") else {
            Issue.record("nothing is called so")
            return
        }
        #expect(failure.message == "no service or node is called wbe; did you mean web?")
        guard case .failure(let refused)? = world.explain("a b") else {
            Issue.record("it is no name")
            return
        }
        #expect(refused.code == .usage)
    }

    @Test func `an address inside the range that no service has is said to be free`() throws {
        let explanation = try #require(served.explain("10.96.77.7:80")).get()
        #expect(
            explanation.verdict == "no service has 10.96.77.7, of the range 10.96.0.0/16: connections are dropped")
        #expect(served.explain("198.51.100.1") == nil, "it has nothing to do with services")
        #expect(served.explain("10.130.7.1") == nil, "it is a node's own")
    }

    @Test func `an endpoint's address leads to its services, under its mesh address too`() throws {
        var world = served
        world.setContainers(["nginx": "172.17.0.2"], on: "far")
        let explanation = try #require(world.explain("10.130.7.2")).get()
        #expect(explanation.verdict == "the container nginx on far, of web.shop")
        #expect(
            try text(.success(explanation)) == [
                "+ address: 10.130.7.2 is 172.17.0.2 on far", "+ container: nginx on far",
                "+ endpoint: web.shop: 172.17.0.2 on far, reached at 10.130.7.2: 50 % of connections",
                "+ path to far: direct",
            ])
        #expect(
            try text(world.explain("172.17.0.3")).contains("? endpoint: web.shop: 172.17.0.3 on here: it is not ready"))
        world.setContainers(["redis": "172.17.0.9"])
        let container = try #require(world.explain("172.17.0.9:6379")).get()
        #expect(container.verdict == "the container redis on here, of no service")
    }

    @Test func `a node port and a load balancer's address lead to their service`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2")]) { service in
            service.kind = .loadBalancer
            service.ports[0].nodePort = 30_080
            service.loadBalancerAddresses = [.literal("203.0.113.9")]
        }
        #expect(
            try text(world.explain("192.0.2.1:30080"))[0]
                == "+ node port: TCP port 30080 of every node stands for web.shop port 80")
        #expect(try #require(world.explain("192.0.2.1:30080")).get().verdict.hasPrefix("connections go to 1 of 1"))
        #expect(try text(world.explain("10.130.7.1:30080"))[0].hasPrefix("? node port: "))
        #expect(world.explain("192.0.2.1:30081") == nil)
        #expect(
            try text(world.explain("203.0.113.9:80"))[0]
                == "+ address: 203.0.113.9 is a load balancer's address of web.shop")
    }

    @Test func `requests that only read are answered, and others left to the agent`() throws {
        let world = served
        let answers = ServiceAnswers(catalog: world.catalog, planner: world.planner)
        #expect(answers.reply(to: .services(namespace: nil)) == .services(world.listing.list()))
        #expect(answers.reply(to: .endpoints(service: nil)) == .endpoints(world.endpoints.list()))
        #expect(answers.reply(to: .endpoints(service: "web")) == .endpoints(world.endpoints.list(of: .shop("web"))))
        guard case .service(let detail)? = answers.reply(to: .serviceShow(name: "web.shop")) else {
            Issue.record("it is known")
            return
        }
        #expect(detail.endpoints.total == 3)
        #expect(answers.reply(to: .serviceList) == .services(ServiceList()))
        guard case .explanation? = answers.reply(to: .why(from: nil, to: "web.shop")),
            case .failure? = answers.reply(to: .serviceShow(name: "nothing"))
        else {
            Issue.record("a service is explained, and an unknown one refused")
            return
        }
        for request: Request in [.status, .serviceRemove(name: "web"), .why(from: nil, to: "198.51.100.1")] {
            #expect(answers.reply(to: request) == nil)
        }
    }
}
