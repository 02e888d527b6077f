import Agent
import ControlAPI
import Services
import Testing
import Wire

@Suite struct ServiceListingTests {
    private func problems(_ world: ServiceWorld, _ name: String = "web") -> [String] {
        world.listing.info(of: .shop(name))?.problems.map(\.text) ?? ["unknown"]
    }

    @Test func `a service is shown with its address, its ports as endpoints serve them, and who defines it`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2"), .at("172.17.0.3", on: "dead")]) { service in
            service.balancing = .leastConnections
            service.distribution = .preferNearest
            service.affinitySeconds = 60
            service.internalPolicy = .local
        }
        world.set([.at("172.17.0.4", ready: false)], from: SourceID(.containers, node: "far", part: "docker"))
        let info = try #require(world.listing.info(of: .shop("web")))
        #expect(info.clusterIPs.map(\.description) == ["10.96.0.5"])
        #expect(info.ports.map(\.targets) == [[8080]])
        #expect(info.sources.map(\.words) == ["manifest shop.yaml on here", "containers' labels on far"])
        #expect(info.readyCount == 1 && info.endpointCount == 3)
        #expect(info.balancing == "least-connections" && info.preference == "nearest")
        #expect(info.affinitySeconds == 60 && info.isNodeLocal)
        #expect(info.problems == [])
    }

    @Test func `what is wrong is said: no endpoints, none ready, a port that nobody has`() {
        var world = ServiceWorld()
        world.set([])
        #expect(problems(world) == ["it has no endpoints"])
        world.set([.at("172.17.0.2", ready: false)])
        #expect(problems(world) == ["its only endpoint is not ready"])
        world.set([.at("172.17.0.2")], ports: [.init(name: "https", port: 8443)])
        #expect(problems(world) == ["no endpoint has a TCP port called http, so port 80 leads nowhere"])
    }

    @Test func `a lost address, a missing one and a node port that another has are said`() {
        var world = ServiceWorld()
        world.set(named: "early", [.at("172.17.0.2")])
        world.set(named: "late", [.at("172.17.0.3")])
        #expect(problems(world, "late") == ["10.96.0.5, which it is defined with, is early.shop's"])
        for name in ["one", "two"] {
            world.set(named: name, at: nil, [.at("172.17.0.2")]) { service in
                service.kind = .nodePort
                service.ports[0].nodePort = 30_080
            }
        }
        #expect(problems(world, "one") == [])
        #expect(problems(world, "two") == ["node port 30080 goes to one.shop, which claims it too"])
        world.set(named: "six", at: nil, [.at("fd00::2")]) { $0.families = .ipv6 }
        #expect(problems(world, "six").first?.hasPrefix("it has no address") == true)
    }

    @Test func `services are listed by namespace, and those of commands by themselves`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2")])
        var definition = ServiceDefinition(name: "mine")
        definition.ports = [.init(port: 80)]
        world.apply(try world.commands.add(definition).change)
        #expect(world.listing.list().services.map(\.name) == ["mine", "web"])
        #expect(world.listing.list(in: "shop").services.map(\.name) == ["web"])
        #expect(world.listing.list(in: "none").total == 0)
        #expect(world.listing.list(from: world.commands.source).services.map(\.name) == ["mine"])
    }

    @Test func `the status counts services and endpoints, and who gives them`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2"), .at("172.17.0.3", ready: false)])
        world.set(
            named: "api", at: nil, [.at("172.17.0.2", on: "far")],
            from: SourceID(.containers, node: "far", part: "docker"))
        world.set(
            named: "old", at: nil, [.at("172.17.0.2", on: "dead")], from: SourceID(.manifests, node: "dead", part: "a"))
        var definition = ServiceDefinition(name: "mine")
        definition.ports = [.init(port: 80)]
        world.apply(try world.commands.add(definition).change)
        let status = ServiceStatusReport(catalog: world.catalog, planner: world.planner).status
        #expect(status.serviceCount == 4 && status.endpointCount == 4 && status.readyCount == 2)
        #expect(status.ranges.map(\.description) == ["10.96.0.0/16"])
        #expect(
            status.sources == [
                .init("commands", .good, "1 service"),
                .init(
                    "dead", .failed, "1 service, but it does not answer", nextStep: "see meshctl why dead"),
                .init("far", .good, "1 service"),
            ])
        #expect(
            status.problems.map(\.text) == [
                "mine.default: it has no endpoints", "old.shop: its only endpoint is not ready",
            ])
    }

    @Test func `problems beyond the limit are counted`() {
        var world = ServiceWorld()
        for number in 0..<30 { world.set(named: "s\(number)", at: nil, []) }
        let problems = ServiceStatusReport(catalog: world.catalog, planner: world.planner).status.problems
        #expect(problems.count == ServiceStatusReport.problemLimit + 1)
        #expect(problems.last?.text == "and 10 more problems")
    }
}
