import SansIO
import Services
import Testing
import Wire

/// Which of the ready endpoints are preferred, and what a node knows of others.
@Suite struct NearestEndpointTests {
    private var planning = Planning()

    private func service(_ distribution: Service.Distribution, _ name: String = "web", at address: String = "10.96.0.1")
        -> Service
    {
        var service = Service.sample(name, at: [address])
        service.distribution = distribution
        return service
    }

    private func hinted(_ address: String, zones: [String]? = nil, nodes: [String]? = nil) -> EndpointSlice.Member {
        var member = EndpointSlice.Member.at(address, on: "n")
        member.zoneHints = zones
        member.nodeHints = nodes
        return member
    }

    @Test mutating func `hints count when every ready endpoint has them, for nodes first, then for zones`() {
        planning.view.zone = "west"
        let west = hinted("10.2.0.1", zones: ["west"], nodes: ["other"])
        let east = hinted("10.2.0.2", zones: ["east"], nodes: ["here"])
        planning.set(service(.preferSameZone), [west, east])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.2:8080"])
        planning.set(
            service(.preferSameZone), [hinted("10.2.0.1", zones: ["west"]), hinted("10.2.0.2", zones: ["east"])])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        // One without a hint: all.
        planning.set(service(.preferSameZone), [hinted("10.2.0.1", zones: ["west"]), .at("10.2.0.2", on: "n")])
        #expect(planning.frontend("10.96.0.1")?.backends.count == 2)
        // None for us: all.
        planning.set(service(.none), [hinted("10.2.0.1", zones: ["north"]), hinted("10.2.0.2", zones: ["east"])])
        #expect(planning.frontend("10.96.0.1")?.backends.count == 2)
        // An endpoint that is not ready has no say.
        var unready = EndpointSlice.Member.at("10.2.0.3", ready: false)
        unready.zoneHints = nil
        planning.set(
            service(.none), [hinted("10.2.0.1", zones: ["west"]), hinted("10.2.0.2", zones: ["east"]), unready])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
    }

    @Test mutating func `without a controller that writes hints, zones and nodes are preferred all the same`() {
        planning.view.zone = "west"
        let members: [EndpointSlice.Member] = [
            .at("10.1.0.1", on: "here", zone: "west"), .at("10.2.0.2", on: "b", zone: "west"),
            .at("10.2.0.3", on: "c", zone: "east"),
        ]
        planning.set(service(.preferSameNode), members)
        #expect(planning.frontend("10.96.0.1")?.served == ["10.1.0.1:8080"])
        planning.set(service(.preferSameNode), Array(members.dropFirst()))
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.2:8080"])
        planning.set(service(.preferSameZone), members)
        #expect(planning.frontend("10.96.0.1")?.served == ["10.1.0.1:8080", "10.2.0.2:8080"])
        planning.set(service(.preferSameZone), [members[2]])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.3:8080"])
        planning.set(service(.none), members)
        #expect(planning.frontend("10.96.0.1")?.backends.count == 3)
    }

    @Test mutating func `nearest is this node, then its LAN, then the lowest round trip`() {
        planning.view.neighbours = ["lan"]
        planning.view.roundTrips = ["near": .milliseconds(10), "far": .milliseconds(200)]
        let far = EndpointSlice.Member.at("10.5.0.1", on: "far")
        let near = EndpointSlice.Member.at("10.4.0.1", on: "near")
        let lan = EndpointSlice.Member.at("10.3.0.1", on: "lan")
        let unknown = EndpointSlice.Member.at("10.6.0.1", on: "unknown")
        planning.set(service(.preferNearest), [.at("10.1.0.1", on: "here"), lan, near, far])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.1.0.1:8080"])
        planning.set(service(.preferNearest), [lan, near, far])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.3.0.1:8080"])
        planning.set(service(.preferNearest), [near, far, unknown])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.4.0.1:8080"])
        planning.set(service(.preferNearest), [far, unknown])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.5.0.1:8080"])
        planning.set(service(.preferNearest), [unknown])
        #expect(planning.frontend("10.96.0.1")?.served == ["10.6.0.1:8080"])
    }

    @Test
    mutating func `the nearest node stays nearest while measurements wander, and goes when another is clearly nearer`()
    {
        planning.view.roundTrips = ["a": .milliseconds(20), "b": .milliseconds(40)]
        planning.set(service(.preferNearest), [.at("10.2.0.1", on: "a"), .at("10.2.0.2", on: "b")])
        planning.set(service(.none, "other", at: "10.96.0.2"), [.at("10.2.0.1", on: "a"), .at("10.2.0.2", on: "b")])
        var random = SeededRandom(seed: 4)
        var changes = 0
        for _ in 0..<200 {
            planning.view.roundTrips = [
                "a": .milliseconds(20) + .microseconds(Int.random(in: -2000...2000, using: &random)),
                "b": .milliseconds(40) + .microseconds(Int.random(in: -4000...4000, using: &random)),
            ]
            changes += planning.change.isEmpty ? 0 : 1
        }
        #expect(changes == 0)
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        planning.view.roundTrips = ["a": .milliseconds(20), "b": .milliseconds(10)]
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.2:8080"])
        #expect(planning.change.frontends.count == 1)
        // Two that cannot be told apart share, and one of them stays until it is clearly farther.
        planning.view.roundTrips = ["a": .milliseconds(10), "b": .milliseconds(10)]
        #expect(planning.frontend("10.96.0.1")?.backends.count == 2)
        planning.view.roundTrips = ["a": .milliseconds(14), "b": .milliseconds(10)]
        #expect(planning.frontend("10.96.0.1")?.backends.count == 2)
        planning.view.roundTrips = ["a": .milliseconds(16), "b": .milliseconds(10)]
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.2:8080"])
        planning.view.roundTrips = ["a": .milliseconds(14), "b": .milliseconds(10)]
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.2:8080"])
    }

    @Test mutating func `endpoints of a dead node leave and return, unless that would leave none`() {
        let members: [EndpointSlice.Member] = [.at("10.2.0.1", on: "a"), .at("10.2.0.2", on: "b")]
        planning.set(service(.none), members)
        planning.set(service(.none, "only-a", at: "10.96.0.2"), [members[0]])
        planning.set(service(.none, "only-b", at: "10.96.0.3"), [members[1]])
        planning.view.deadNodes = ["a"]
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.2:8080"])
        #expect(planning.frontend("10.96.0.2")?.served == ["10.2.0.1:8080"])
        #expect(planning.change.frontends.map(\.address.description) == ["10.96.0.1"])
        planning.view.deadNodes = ["a", "b"]
        #expect(planning.frontend("10.96.0.1")?.backends.count == 2)
        planning.view.deadNodes = []
        #expect(planning.plan == planning.planMadeAnew)
        #expect(planning.frontend("10.96.0.1")?.backends.count == 2)
    }

    @Test mutating func `an endpoint that its own node calls down is out, the last one too`() {
        planning.set(service(.none), [.at("10.2.0.1", on: "a"), .at("10.2.0.1", on: "b")])
        planning.view.downEndpoints = [.init(node: "a", address: IPAddress(literal: "10.2.0.1"))]
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
        planning.view.downEndpoints.insert(.init(node: "b", address: IPAddress(literal: "10.2.0.1")))
        #expect(planning.frontend("10.96.0.1")?.served == [])
        #expect(planning.frontend("10.96.0.1")?.refusal == .reject)
        planning.view.downEndpoints = []
        #expect(planning.frontend("10.96.0.1")?.served == ["10.2.0.1:8080"])
    }

    @Test mutating func `an address that is unique only on its node is reached at its mesh address`() {
        let docker = IPPrefix(literal: "172.17.0.0/16")
        var translation = AddressTranslation()
        for (node, prefix) in [("here", "10.200.0.0/16"), ("a", "10.201.0.0/16"), ("b", "10.202.0.0/16")] {
            translation.map(docker, on: node, to: IPPrefix(literal: prefix))
        }
        translation.map(IPPrefix(literal: "192.168.1.9/32"), on: "b", to: IPPrefix(literal: "10.202.255.1/32"))
        planning.view.translation = translation
        planning.set(
            service(.none),
            [
                .at("172.17.0.2", on: "here"), .at("172.17.0.2", on: "a"), .at("172.17.0.2", on: "b"),
                .at("192.168.1.9", on: "b"), .at("10.9.0.1", on: "a"),
            ])
        #expect(
            planning.frontend("10.96.0.1")?.served == [
                "10.9.0.1:8080", "10.201.0.2:8080", "10.202.0.2:8080", "10.202.255.1:8080", "172.17.0.2:8080",
            ])
        #expect(planning.plan.localEndpoints == [IPAddress(literal: "172.17.0.2")])
        let origin = translation.origin(of: IPAddress(literal: "10.202.0.2"))
        #expect(origin?.node == "b" && origin?.address == IPAddress(literal: "172.17.0.2"))
        translation.removeMappings(of: "b")
        #expect(translation.origin(of: IPAddress(literal: "10.202.0.2")) == nil)
        planning.view.translation = translation
        #expect(planning.change.frontends.count == 1)
        #expect(planning.plan == planning.planMadeAnew)
    }

    @Test mutating func `least connections gives the least loaded the greatest share`() {
        var least = service(.none)
        least.balancing = .leastConnections
        planning.set(least, [.at("10.2.0.1"), .at("10.2.0.2"), .at("10.2.0.3")])
        #expect(planning.frontend("10.96.0.1")?.backends.map(\.weight) == [16, 16, 16])
        func key(_ address: String) -> ServicePlan.Key { .init(IPAddress(literal: address), .tcp, 8080) }
        planning.view.connections = [key("10.2.0.1"): 9, key("10.2.0.2"): 19, key("10.2.0.3"): 4999]
        #expect(planning.frontend("10.96.0.1")?.backends.map(\.weight) == [16, 8, 1])
        planning.view.connections = [key("10.2.0.1"): 10, key("10.2.0.2"): 18, key("10.2.0.3"): 5999]
        #expect(planning.change.isEmpty, "a little more or less moves nothing")
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    mutating func `a plan kept in step is the plan made anew`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<60 {
            let name = ["a", "b", "c", "d"].randomElement(using: &random) ?? "a"
            switch Int.random(in: 0..<6, using: &random) {
            case 0: planning.tell(.delete([.service(ServiceName(name))]))
            case 1: planning.tell(.delete([.slice(namespace: "shop", name: "\(name)-1")]))
            case 2: planning.view.deadNodes = Bool.random(using: &random) ? ["n1"] : []
            case 3: planning.view.zone = ["west", "east", nil].randomElement(using: &random) ?? nil
            default:
                var service = Service.sample(
                    name, at: Bool.random(using: &random) ? ["10.96.0.\(Int.random(in: 1...3, using: &random))"] : [],
                    ports: [
                        .init(name: "http", port: 80, nodePort: UInt16.random(in: 30_000...30_002, using: &random))
                    ],
                    kind: [.clusterIP, .nodePort, .loadBalancer, .headless].randomElement(using: &random) ?? .clusterIP)
                service.loadBalancerAddresses = [IPAddress(literal: "10.96.0.\(Int.random(in: 1...9, using: &random))")]
                service.distribution = [.none, .preferSameZone].randomElement(using: &random) ?? .none
                service.externalPolicy = Bool.random(using: &random) ? .local : .cluster
                let members = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    EndpointSlice.Member.at(
                        "10.1.0.\(Int.random(in: 1...6, using: &random))",
                        on: ["here", "n1", "n2"].randomElement(using: &random),
                        zone: ["west", "east"].randomElement(using: &random), ready: Bool.random(using: &random),
                        serving: true, terminating: true)
                }
                planning.set(service, members)
            }
            #expect(planning.plan == planning.planMadeAnew)
        }
    }
}
