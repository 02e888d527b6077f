import Agent
import ControlAPI
import Services
import Testing
import Wire

@Suite struct CommandSourceTests {
    private func definition(
        _ name: String = "web", _ members: [String] = [], _ adapt: (inout ServiceDefinition) -> Void = { _ in }
    ) -> ServiceDefinition {
        var definition = ServiceDefinition(namespace: "shop", name: name)
        definition.ports = [.init(port: 80, target: 8080)]
        definition.members = members.map { .init(.literal($0)) }
        adapt(&definition)
        return definition
    }

    private func refusal(_ world: ServiceWorld, _ definition: ServiceDefinition) -> Failure? {
        do throws(Failure) {
            _ = try world.commands.add(definition)
            return nil
        } catch {
            return error
        }
    }

    @Test func `what is added is served, and the next one of the name replaces it`() throws {
        var world = ServiceWorld()
        let first = try world.commands.add(definition("web", ["172.17.0.2"]))
        #expect(!first.isReplaced && first.name == .shop("web") && first.notices == [])
        world.apply(first.change)
        let address = try #require(world.catalog.service(.shop("web"))?.clusterIPs.first)
        let second = try world.commands.add(
            definition("web", ["172.17.0.3"]) { definition in
                definition.ports = [
                    .init(port: 80, target: 8080, nodePort: 30_080), .init(transport: "UDP", port: 53),
                ]
                definition.affinitySeconds = 60
                definition.balancing = "least-connections"
                definition.preference = "same-node"
            })
        #expect(second.isReplaced)
        world.apply(second.change)
        let service = try #require(world.catalog.service(.shop("web")))
        #expect(service.clusterIPs == [address], "it keeps its address")
        #expect(service.kind == .nodePort && service.ports.map(\.name) == ["tcp-80", "udp-53"])
        #expect(service.affinitySeconds == 60 && service.balancing == .leastConnections)
        #expect(service.distribution == .preferSameNode)
        let endpoints = world.endpoints.list(of: .shop("web")).endpoints
        #expect(endpoints.map(\.address.description) == ["172.17.0.3"])
        #expect(endpoints.map(\.verdicts) == [["100 %", "100 %"]])
    }

    @Test func `an endpoint is kept as its node has it`() throws {
        let world = ServiceWorld()
        let added = try world.commands.add(
            definition("web", ["172.17.0.2", "192.0.2.1", "10.130.7.9", "10.130.9.1", "203.0.113.5"]) {
                $0.members.append(.init(.literal("172.17.0.2"), node: "far", weight: 0))
            })
        guard case .update(let objects) = added.change.content, case .slice(let slice)? = objects.last else {
            Issue.record("it has a slice")
            return
        }
        #expect(
            slice.members.map { "\($0.address)@\($0.nodeName ?? "-")*\($0.weight)" } == [
                "172.17.0.2@here*1", "192.0.2.1@here*1", "172.17.0.9@far*1", "10.130.9.1@dead*1", "203.0.113.5@-*1",
                "172.17.0.2@far*0",
            ])
        #expect(slice.ports.map(\.port) == [8080])
        #expect(
            added.notices.map(\.text) == [
                "203.0.113.5 is of no node of the mesh: every node goes to it by its own routes"
            ])
        var advertised = ServiceWorld()
        var far = ClusterNode(name: "far")
        far.podPrefixes = [.literal("203.0.113.0/24")]
        advertised.tell(.update([.node(far)]), from: SourceID(.kubernetes))
        #expect(try advertised.commands.add(definition("web", ["203.0.113.5"])).notices == [])
    }

    @Test func `a service with endpoints of IPv6 alone has an address of IPv6`() throws {
        let world = ServiceWorld()
        for (members, families) in [
            (["fd00::2"], Service.Families.ipv6), (["fd00::2", "172.17.0.2"], .both), (["172.17.0.2"], .first),
        ] {
            let change = try world.commands.add(definition("web", members)).change
            guard case .update(let objects) = change.content, case .service(let service)? = objects.first else {
                Issue.record("it has a service")
                return
            }
            #expect(service.families == families)
        }
    }

    @Test func `a container is followed to its next address, and is not ready while it is gone`() throws {
        var world = ServiceWorld()
        world.setContainers(["nginx": "172.17.0.2"])
        world.apply(try world.commands.add(definition { $0.containers = ["nginx"] }).change)
        func state(_ world: ServiceWorld) -> [String] {
            world.endpoints.list(of: .shop("web")).endpoints.map { "\($0.address) \($0.target ?? "-") \($0.isReady)" }
        }
        #expect(state(world) == ["172.17.0.2 nginx true"])
        #expect(world.commands.followContainers() == nil)
        world.setContainers(["nginx": "172.17.0.7"])
        world.apply(try #require(world.commands.followContainers()))
        #expect(state(world) == ["172.17.0.7 nginx true"])
        world.setContainers([:])
        world.apply(try #require(world.commands.followContainers()))
        #expect(state(world) == ["172.17.0.7 nginx false"])
        #expect(world.commands.followContainers() == nil)
        world.setContainers(["nginx": "172.17.0.7"])
        world.apply(try #require(world.commands.followContainers()))
        #expect(state(world) == ["172.17.0.7 nginx true"])
    }

    @Test func `another source that defines it is told of`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2")], from: SourceID(.kubernetes))
        world.set(named: "api", at: "10.96.0.6", [.at("172.17.0.2")])
        #expect(
            try world.commands.add(definition("web", ["172.17.0.3"])).notices.map(\.text) == [
                "Kubernetes defines it too, and that definition counts; the endpoints given here are added"
            ])
        #expect(
            try world.commands.add(definition("api", ["172.17.0.3"])).notices.map(\.text) == [
                "manifest shop.yaml on here defines it too; what is given here counts, and its endpoints are added"
            ])
        #expect(
            try world.commands.add(definition("new")).notices.map(\.text) == [
                "it has no endpoints of its own: connections are refused until another source names some"
            ])
    }

    @Test func `what cannot be served is refused, with what to do instead`() throws {
        var world = ServiceWorld()
        world.set(named: "taken", at: "10.96.0.9", [.at("172.17.0.2")])
        world.setContainers(["nginx": "172.17.0.2"])
        let cases: [(String, (inout ServiceDefinition) -> Void)] = [
            ("the name of a service cannot be \"We_b\"", { $0.name = "We_b" }),
            ("the namespace of a service cannot be \"a.b\"", { $0.namespace = "a.b" }),
            ("a service needs a port", { $0.ports = [] }),
            ("TCP port 80 is given twice", { $0.ports.append(.init(port: 80)) }),
            ("two ports are called a", { $0.ports = [.init(name: "a", port: 1), .init(name: "a", port: 2)] }),
            (
                "TCP node port 30080 is given twice",
                { $0.ports = [.init(port: 1, nodePort: 30_080), .init(port: 2, nodePort: 30_080)] }
            ),
            ("0 is no port", { $0.ports = [.init(port: 80, target: 0)] }),
            ("\"ICMP\" is no protocol with ports", { $0.ports = [.init(transport: "ICMP", port: 8)] }),
            ("a port cannot be called \"A b\"", { $0.ports = [.init(name: "A b", port: 8)] }),
            (
                "101 ports are more than a service may have", { $0.ports = (1...101).map { .init(port: $0) } }
            ),
            (
                "a headless service has no cluster address",
                { definition in
                    definition.isHeadless = true
                    definition.clusterIPs = [.literal("10.96.0.7")]
                }
            ),
            (
                "a headless service has no node port, as is asked for port 80",
                { definition in
                    definition.isHeadless = true
                    definition.ports = [.init(port: 80, nodePort: 30_080)]
                }
            ),
            ("10.96.0.9 is the address of taken.shop", { $0.clusterIPs = [.literal("10.96.0.9")] }),
            ("127.0.0.1 cannot be a service's address", { $0.clusterIPs = [.literal("127.0.0.1")] }),
            (
                "a service has one address of each family",
                { $0.clusterIPs = [.literal("10.96.0.7"), .literal("10.96.0.8")] }
            ),
            ("clients cannot stay with an endpoint for 0 s", { $0.affinitySeconds = 0 }),
            ("\"fair\" is no balancing", { $0.balancing = "fair" }),
            ("\"far\" is no preference", { $0.preference = "far" }),
            (
                "127.0.0.1 cannot be an endpoint: other hosts do not reach it",
                { $0.members = [.init(.literal("127.0.0.1"))] }
            ),
            (
                "10.96.0.9 cannot be an endpoint: it is the address of taken.shop",
                { $0.members = [.init(.literal("10.96.0.9"))] }
            ),
            ("1001 is no weight", { $0.members = [.init(.literal("172.17.0.2"), weight: 1001)] }),
            (
                "endpoint 172.17.0.2 is given twice",
                { $0.members = [.init(.literal("172.17.0.2")), .init(.literal("172.17.0.2"))] }
            ),
            (
                "no node is called fra; did you mean far?",
                { $0.members = [.init(.literal("172.17.0.2"), node: "fra")] }
            ),
            ("no container of this host is called ngnix; did you mean nginx?", { $0.containers = ["ngnix"] }),
            (
                "251 endpoints are more than one command may name",
                { $0.members = (0...250).map { .init(.literal("172.17.1.\($0)")) } }
            ),
            ("a service that is another name for db.example.org", { $0.externalName = "db.example.org" }),
            (
                "\"a b\" is no DNS name",
                { definition in
                    definition.externalName = "a b"
                    definition.ports = []
                }
            ),
        ]
        for (message, adapt) in cases {
            let failure = try #require(refusal(world, definition("web", [], adapt)), "\(message)")
            #expect(failure.message.hasPrefix(message), "\(failure.message)")
            #expect(failure.nextStep?.isEmpty == false)
        }
        let outside = try world.commands.add(definition { $0.clusterIPs = [.literal("10.97.0.1")] })
        #expect(outside.notices.first?.text.hasPrefix("10.97.0.1 is outside the range") == true)
    }

    @Test func `an external name needs nothing else`() throws {
        var world = ServiceWorld()
        world.apply(
            try world.commands.add(
                definition { definition in
                    definition.ports = []
                    definition.externalName = "DB.example.org."
                }
            ).change)
        #expect(world.listing.info(of: .shop("web"))?.externalName == "db.example.org")
        #expect(world.listing.info(of: .shop("web"))?.problems == [])
    }

    @Test func `only what a command added is taken away, and who else defines it is said`() throws {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2")])
        #expect {
            try world.commands.remove("web.shop")
        } throws: {
            $0 as? Failure
                == Failure(
                    .failed, "no command of this node has added web.shop: manifest shop.yaml on here defines it",
                    nextStep: "take it out of shop.yaml")
        }
        world.apply(try world.commands.add(definition("web", ["172.17.0.3"])).change)
        let removal = try world.commands.remove("web.shop")
        #expect(removal.remaining.map(\.words) == ["manifest shop.yaml on here"])
        world.apply(removal.change)
        #expect(world.catalog.objects(of: world.commands.source) == [])
        #expect(world.endpoints.list(of: .shop("web")).endpoints.map(\.address.description) == ["172.17.0.2"])
    }

    @Test(arguments: [
        (SourceID(.kubernetes), "run kubectl delete service --namespace shop web"),
        (SourceID(.commands, node: "far"), "run meshctl service rm web.shop on far"),
        (
            SourceID(.containers, node: "far", part: "docker"),
            "stop its containers on far, or take their labels kubemesh.service away"
        ),
    ])
    func `how to take a service away that is defined elsewhere is said`(_ source: SourceID, _ step: String) {
        var world = ServiceWorld()
        world.set([], from: source)
        #expect {
            try world.commands.remove("web.shop")
        } throws: {
            ($0 as? Failure)?.nextStep == step
        }
    }
}
