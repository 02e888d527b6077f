import Services
import Testing
import Wire

/// Row by row what Kubernetes' services mean (the rows are those of its own end-to-end tests).
@Suite struct ServicePlannerTests {
    private var planning = Planning()

    @Test mutating func `each port of each cluster address leads to the ready endpoints, and refuses without any`() {
        let service = Service.sample(
            "web", at: ["10.96.0.1"],
            ports: [
                .init(name: "http", port: 80), .init(name: "dns", transport: .udp, port: 80),
                .init(name: "none", port: 81),
            ])
        planning.set(
            service, [.at("10.1.0.1"), .at("10.2.0.1", on: "far"), .at("10.2.0.2", on: "far", ready: false)],
            ports: [.init(name: "http", port: 8080), .init(name: "dns", transport: .udp, port: 5353)])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.1.0.1:8080", "10.2.0.1:8080"])
        #expect(planning.frontend("10.96.0.1", 80, .udp)?.served == ["10.1.0.1:5353", "10.2.0.1:5353"])
        #expect(planning.frontend("10.96.0.1", 81)?.served == [])
        #expect(planning.frontend("10.96.0.1", 81)?.refusal == .reject)
        #expect(planning.frontend("10.96.0.1")?.masquerades == false)
        #expect(planning.plan.localEndpoints.map(\.description) == ["10.1.0.1"])
        #expect(planning.change.frontends.count == 3)
    }

    @Test mutating func `a named port is joined slice by slice`() {
        planning.tell(
            .update([
                .service(.sample("web", at: ["10.96.0.1"])),
                .slice(.sample("w-1", of: "web", ports: [.init(name: "http", port: 8080)], [.at("10.2.0.1")])),
                .slice(.sample("w-2", of: "web", ports: [.init(name: "http", port: 9090)], [.at("10.2.0.2")])),
                .slice(.sample("w-3", of: "web", ports: [.init(name: "other", port: 1)], [.at("10.2.0.3")])),
                .slice(
                    .sample("w-4", of: "web", ports: [.init(name: "http", transport: .udp, port: 2)], [.at("10.2.0.4")])
                ),
            ]))
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080", "10.2.0.2:9090"])
    }

    @Test mutating func `an endpoint in two slices has no double share, and is there while it moves`() {
        let member = EndpointSlice.Member.at("10.2.0.1")
        planning.tell(
            .update([
                .service(.sample("web", at: ["10.96.0.1"])), .slice(.sample("old", of: "web", [member])),
                .slice(.sample("new", of: "web", [member])),
            ]))
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        planning.tell(.delete([.slice(namespace: "shop", name: "old")]))
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        #expect(planning.change.isEmpty)
    }

    @Test mutating func `draining endpoints serve only while nothing is ready, and only if they still serve`() {
        let service = Service.sample("web", at: ["10.96.0.1"])
        let draining = EndpointSlice.Member.at("10.2.0.1", ready: false, serving: true, terminating: true)
        let gone = EndpointSlice.Member.at("10.2.0.2", ready: false, serving: false, terminating: true)
        let unready = EndpointSlice.Member.at("10.2.0.3", ready: false, serving: true)
        planning.set(service, [draining, gone, unready])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        planning.set(service, [draining, .at("10.2.0.9")])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.9:8080"])
        planning.set(service, [gone])
        #expect(planning.frontend("10.96.0.1")?.served == [])
    }

    @Test mutating func `not ready counts as ready where the service publishes it`() {
        var service = Service.sample("web", at: ["10.96.0.1"])
        service.publishesNotReady = true
        planning.set(service, [.at("10.2.0.1", ready: false)])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
    }

    @Test mutating func `families stand apart`() {
        planning.set(.sample("web", at: ["10.96.0.1", "fd96::1"]), [.at("10.2.0.1")])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        #expect(planning.frontend("fd96::1")?.served == [])
        #expect(planning.frontend("fd96::1")?.refusal == .reject)
        planning.set(.sample("web", at: ["10.96.0.1", "fd96::1"]), [.at("10.2.0.1"), .at("fd02::1")])
        #expect(planning.frontend("fd96::1")?.served == ["fd02::1:8080"])
    }

    @Test mutating func `an internal policy Local keeps to this node, and waits in silence where only others serve`() {
        var service = Service.sample("web", at: ["10.96.0.1"])
        service.internalPolicy = .local
        planning.set(service, [.at("10.1.0.1", on: "here"), .at("10.2.0.1", on: "far")])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.1.0.1:8080"])
        planning.set(service, [.at("10.2.0.1", on: "far")])
        #expect(planning.frontend("10.96.0.1")?.served == [])
        #expect(planning.frontend("10.96.0.1")?.refusal == .drop)
        planning.set(service, [])
        #expect(planning.frontend("10.96.0.1")?.refusal == .reject)
        // Draining here counts before ready elsewhere: the scope is this node.
        planning.set(
            service,
            [.at("10.1.0.1", on: "here", ready: false, serving: true, terminating: true), .at("10.2.0.1", on: "far")])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.1.0.1:8080"])
    }

    @Test mutating func `node ports and balancers with the policy Cluster serve everywhere and masquerade`() {
        var service = Service.sample(
            "web", at: ["10.96.0.1"], ports: [.init(name: "http", port: 80, nodePort: 30_080)], kind: .loadBalancer)
        service.loadBalancerAddresses = [IPAddress(literal: "203.0.113.5"), IPAddress(literal: "2001:db8::5")]
        service.loadBalancerSources = [IPPrefix(literal: "198.51.100.0/24")]
        planning.set(service, [.at("10.1.0.1", on: "here"), .at("10.2.0.1", on: "far")])
        let both = ["10.1.0.1:8080", "10.2.0.1:8080"]
        #expect(planning.nodePort(30_080)?.served == both)
        #expect(planning.nodePort(30_080)?.masquerades == true)
        #expect(planning.nodePort(30_080)?.sources == [])
        #expect(planning.nodePort(30_080, isIPv4: false)?.served == [])
        #expect(planning.frontend("203.0.113.5")?.served == both)
        #expect(planning.frontend("203.0.113.5")?.masquerades == true)
        #expect(planning.frontend("203.0.113.5")?.sources == [IPPrefix(literal: "198.51.100.0/24")])
        #expect(planning.frontend("2001:db8::5")?.served == [])
        #expect(planning.frontend("10.96.0.1")?.sources == [])
        service.kind = .clusterIP
        planning.set(service, [.at("10.1.0.1", on: "here")])
        #expect(planning.plan.nodePorts.isEmpty)
        #expect(planning.plan.frontends.count == 1)
    }

    @Test mutating func `an external policy Local keeps outsiders to this node and lets insiders go everywhere`() {
        var service = Service.sample(
            "web", at: ["10.96.0.1"], ports: [.init(name: "http", port: 80, nodePort: 30_080)], kind: .loadBalancer)
        service.loadBalancerAddresses = [IPAddress(literal: "203.0.113.5")]
        service.externalPolicy = .local
        let here = EndpointSlice.Member.at("10.1.0.1", on: "here")
        let far = EndpointSlice.Member.at("10.2.0.1", on: "far")
        planning.set(service, [here, far])
        for frontend in [planning.nodePort(30_080), planning.frontend("203.0.113.5")] {
            #expect(frontend?.served == ["10.1.0.1:8080"])
            #expect(frontend?.servedInside == ["10.1.0.1:8080", "10.2.0.1:8080"])
            #expect(frontend?.masquerades == false)
        }
        #expect(planning.frontend("10.96.0.1")?.insiders == nil)
        planning.set(service, [far])
        #expect(planning.nodePort(30_080)?.served == [])
        #expect(planning.nodePort(30_080)?.refusal == .drop)
        #expect(planning.nodePort(30_080)?.servedInside == ["10.2.0.1:8080"])
        planning.set(service, [here])
        #expect(planning.nodePort(30_080)?.insiders == nil)
        planning.set(service, [])
        #expect(planning.nodePort(30_080)?.refusal == .reject)
    }

    @Test mutating func `what has no proxying adds nothing, and adds it again when that ends`() {
        let members = [EndpointSlice.Member.at("10.2.0.1")]
        for kind in [Service.Kind.headless, .externalName("example.org")] {
            planning.set(.sample("web", at: ["10.96.0.1"]), members)
            #expect(planning.plan.frontends.count == 1)
            planning.set(.sample("web", kind: kind), members)
            #expect(planning.plan.frontends.isEmpty)
            #expect(planning.change.frontends.count == 1)
        }
        var elsewhere = Service.sample("web", at: ["10.96.0.1"])
        elsewhere.isServedElsewhere = true
        planning.set(elsewhere, members)
        #expect(planning.plan.frontends.isEmpty)
        planning.set(.sample("web", at: ["10.96.0.1"]), members)
        #expect(planning.plan.frontends.count == 1)
        planning.tell(.delete([.service(ServiceName("web"))]))
        #expect(planning.plan.frontends.isEmpty)
        #expect(planning.plan.localEndpoints.isEmpty)
    }

    @Test mutating func `EdgeMesh's label takes services away or picks them out, as the node is set`() {
        var labelled = Service.sample("labelled", at: ["10.96.0.1"])
        labelled.bearsFilterLabel = true
        planning.set(labelled, [.at("10.2.0.1")])
        planning.set(.sample("plain", at: ["10.96.0.2"]), [.at("10.2.0.2")])
        #expect(planning.plan.frontends.values.map(\.service.name) == ["plain"])
        planning.view.labelFilter = .ifAbsent
        #expect(planning.plan.frontends.values.map(\.service.name) == ["labelled"])
        #expect(planning.change.frontends.count == 2)
    }

    @Test mutating func `affinity, choice and weights reach the plan`() {
        var service = Service.sample("web", at: ["10.96.0.1"])
        service.affinitySeconds = 10_800
        service.balancing = .consistentHash
        var heavy = EndpointSlice.Member.at("10.2.0.1")
        heavy.weight = 3
        var idle = EndpointSlice.Member.at("10.2.0.2")
        idle.weight = 0
        planning.set(service, [heavy, idle, .at("10.2.0.3")])
        #expect(planning.frontend("10.96.0.1")?.affinitySeconds == 10_800)
        #expect(planning.frontend("10.96.0.1")?.choice == .sourceHash)
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080*3", "10.2.0.3:8080"])
        service.balancing = .roundRobin
        service.affinitySeconds = nil
        planning.set(service, [heavy])
        #expect(planning.frontend("10.96.0.1")?.choice == .roundRobin)
        #expect(planning.frontend("10.96.0.1")?.affinitySeconds == nil)
    }

    @Test mutating func `addresses with something ready behind them answer a ping where that is wanted`() {
        planning.set(.sample("up", at: ["10.96.0.1"]), [.at("10.2.0.1")])
        planning.set(
            .sample("down", at: ["10.96.0.2"]), [.at("10.2.0.2", ready: false, serving: true, terminating: true)])
        #expect(planning.plan.pingable.isEmpty)
        planning.view.answersPing = true
        #expect(planning.plan.pingable == [IPAddress(literal: "10.96.0.1")])
        #expect(planning.change.pingable == [IPAddress(literal: "10.96.0.1")])
        planning.set(.sample("up", at: ["10.96.0.1"]), [])
        #expect(planning.plan.pingable.isEmpty)
    }

    @Test mutating func `the health check counts what is ready here`() {
        let service = Service.sample("web", at: ["10.96.0.1"])
        planning.set(
            service,
            [.at("10.1.0.1", on: "here"), .at("10.1.0.2", on: "here", ready: false), .at("10.2.0.1", on: "far")])
        #expect(planning.planner.localReadyCount(of: service.name, in: planning.catalog) == 1)
        planning.view.downEndpoints = [.init(node: "here", address: IPAddress(literal: "10.1.0.1"))]
        #expect(planning.planner.localReadyCount(of: service.name, in: planning.catalog) == 0)
    }

    @Test
    mutating func
        `of two services with one balancer address the one whose cluster address it is has it, else the lower name`()
    {
        func balancer(_ name: String, at address: String) -> Service {
            var service = Service.sample(name, at: [address], kind: .loadBalancer)
            service.loadBalancerAddresses = [IPAddress(literal: "203.0.113.5")]
            return service
        }
        planning.set(balancer("b", at: "10.96.0.2"), [.at("10.2.0.2")])
        planning.set(balancer("a", at: "10.96.0.1"), [.at("10.2.0.1")])
        planning.set(balancer("c", at: "10.96.0.3"), [.at("10.2.0.3")])
        #expect(planning.frontend("203.0.113.5")?.service.name == "a")
        #expect(planning.plan == planning.planMadeAnew)
        planning.set(.sample("d", at: ["203.0.113.5"]), [.at("10.2.0.4")])
        #expect(planning.frontend("203.0.113.5")?.service.name == "d")
        planning.tell(.delete([.service(ServiceName("d"))]))
        #expect(planning.frontend("203.0.113.5")?.service.name == "a")
        planning.tell(.delete([.service(ServiceName("a"))]))
        #expect(planning.frontend("203.0.113.5")?.service.name == "b")
        #expect(planning.plan == planning.planMadeAnew)
    }
}
