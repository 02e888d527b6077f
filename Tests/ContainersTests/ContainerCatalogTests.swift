import SansIO
import Services
import Testing
import Wire

@testable import Containers

@Suite struct ContainerCatalogTests {
    private let source = SourceID(.containers, node: "alpha", part: "docker")
    private let web = ServiceName(namespace: "default", name: "web")
    private let host: [IPAddress] = [.v4(IPv4Address(10, 128, 1, 1))]

    private func container(
        _ name: String, _ address: UInt8 = 2, phase: LocalContainer.Phase = .ready,
        _ labels: [String: String] = ["service": "web", "port": "80"]
    ) -> LocalContainer {
        var container = LocalContainer(id: "id-\(name)", name: name)
        for (label, value) in labels { container.labels["kubemesh.\(label)"] = value }
        container.phase = phase
        if phase != .stopped {
            container.networks = [.init(name: "bridge", addresses: [.v4(IPv4Address(172, 17, 0, address))])]
        }
        return container
    }

    private func objects(_ change: CatalogChange?) throws -> [CatalogObject] {
        let change = try #require(change)
        #expect(change.source == source)
        guard case .everything(let objects, of: Set(ObjectClass.allCases)) = change.content else {
            throw Unexpected(change: change)
        }
        return objects
    }

    private struct Unexpected: Error {
        var change: CatalogChange
    }

    private func slices(_ change: CatalogChange?) throws -> [EndpointSlice] {
        try objects(change).compactMap { if case .slice(let slice) = $0 { slice } else { nil } }
    }

    private func services(_ change: CatalogChange?) throws -> [String] {
        try objects(change).compactMap { if case .service(let service) = $0 { service.name.name } else { nil } }
    }

    @Test func `each container is a slice of its own, named after it, with the node and its own address`() throws {
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update([container("web_1"), container("web-2", 3)], hostAddresses: host, at: .zero)
        let slices = try slices(change)
        #expect(slices.map(\.name) == ["web-web-2", "web-web-1"])
        let member = try #require(slices.last?.members.first)
        #expect(member.address == .v4(IPv4Address(172, 17, 0, 2)))
        #expect(member.nodeName == "alpha")
        #expect(member.targetName == "web_1")
        #expect(member.hostname == "web-1")
        #expect(try services(change) == ["web"])
        #expect(catalog.publishedCount == 2)
        #expect(catalog.problems == [])
    }

    @Test(arguments: [
        (LocalContainer.Phase.ready, EndpointSlice.Conditions(ready: true)),
        (.unready, EndpointSlice.Conditions(ready: false)),
        (.terminating, EndpointSlice.Conditions(ready: false, serving: true, terminating: true)),
    ])
    func `a running container is an endpoint in the condition that it is in`(
        phase: LocalContainer.Phase, conditions: EndpointSlice.Conditions
    ) throws {
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update([container("a", phase: phase)], hostAddresses: host, at: .zero)
        #expect(try slices(change).first?.members.first?.conditions == conditions)
    }

    @Test func `a stopped container keeps its service and has no endpoint`() throws {
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update([container("a", phase: .stopped)], hostAddresses: host, at: .zero)
        #expect(try slices(change) == [])
        #expect(try services(change) == ["web"])
    }

    @Test func `a service outlives its last container by half a minute, so that one made anew finds it`() throws {
        var catalog = ContainerCatalog(source: source)
        _ = catalog.update([container("a")], hostAddresses: host, at: .zero)
        let removed = catalog.update([], hostAddresses: host, at: .zero + .seconds(1))
        #expect(try services(removed) == ["web"])
        #expect(try slices(removed) == [])
        #expect(catalog.nextDeadline == .zero + .seconds(31))
        #expect(catalog.advance(to: .zero + .seconds(30)) == nil)

        let back = catalog.update([container("b")], hostAddresses: host, at: .zero + .seconds(30))
        #expect(try services(back) == ["web"])
        #expect(catalog.nextDeadline == nil)

        _ = catalog.update([], hostAddresses: host, at: .zero + .seconds(40))
        #expect(try services(catalog.advance(to: .zero + .seconds(70))) == [])
        #expect(catalog.nextDeadline == nil)
    }

    @Test func `what is not different is not told again`() {
        var catalog = ContainerCatalog(source: source)
        #expect(catalog.update([container("a")], hostAddresses: host, at: .zero) != nil)
        #expect(catalog.update([container("a")], hostAddresses: host, at: .zero) == nil)
    }

    @Test func `refused labels take nothing else down`() throws {
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update(
            [container("bad", 3, ["service": "web", "port": "x"]), container("good")], hostAddresses: host, at: .zero)
        #expect(try slices(change).map(\.name) == ["web-good"])
        #expect(catalog.problems.map(\.container) == ["bad"])
        let node = try objects(change).last
        var expected = ClusterNode(name: "alpha")
        expected.containers = [
            .init(name: "bad", addresses: [.v4(IPv4Address(172, 17, 0, 3))]),
            .init(name: "good", addresses: [.v4(IPv4Address(172, 17, 0, 2))]),
        ]
        #expect(node == .node(expected))
    }

    @Test func `where two describe one service differently the first by name counts, and both serve`() throws {
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update(
            [container("b", 3, ["service": "web", "port": "81:8080"]), container("a")], hostAddresses: host, at: .zero)
        guard case .service(let service)? = try objects(change).first else {
            throw Unexpected(change: try #require(change))
        }
        #expect(service.ports == [Service.Port(port: 80)])
        #expect(try slices(change).map { $0.ports.map(\.port) } == [[80], [8080]])
        #expect(
            catalog.problems == [
                .init(container: "b", text: "default/web is described otherwise by container a, whose word counts")
            ])
    }

    @Test func `the network is the one that the label names, else the first with an address`() throws {
        var two = container("two")
        two.networks.append(
            .init(name: "back", addresses: [.v4(IPv4Address(10, 0, 0, 2)), try #require(IPAddress("fd00::2"))]))
        var catalog = ContainerCatalog(source: source)
        let first = catalog.update([two], hostAddresses: host, at: .zero)
        #expect(try slices(first).first?.members.map { "\($0.address)" } == ["172.17.0.2"])
        two.labels["kubemesh.network"] = "back"
        let chosen = catalog.update([two], hostAddresses: host, at: .zero)
        #expect(try slices(chosen).first?.members.map { "\($0.address)" } == ["10.0.0.2", "fd00::2"])
        two.labels["kubemesh.network"] = "front"
        let none = catalog.update([two], hostAddresses: host, at: .zero)
        #expect(try slices(none) == [])
        #expect(
            catalog.problems == [
                .init(container: "two", text: "it has no address in network front; it is in: bridge, back")
            ])
    }

    @Test func `a container on the host's network is reached at the node`() throws {
        var own = container("own")
        own.isOnHostNetwork = true
        own.networks = []
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update([own], hostAddresses: host, at: .zero)
        #expect(try slices(change).first?.members.map(\.address) == host)
    }

    @Test func `containers of Pods are left to the cluster's API`() throws {
        var pod = container("k8s_web")
        pod.labels["io.kubernetes.pod.name"] = "web-0"
        var catalog = ContainerCatalog(source: source)
        #expect(
            try objects(catalog.update([pod], hostAddresses: host, at: .zero)) == [.node(ClusterNode(name: "alpha"))])
    }

    @Test func `names that are the same in DNS get different ones`() throws {
        var catalog = ContainerCatalog(source: source)
        let change = catalog.update(
            [container("a.b"), container("a_b", 3), container("...", 4)], hostAddresses: host, at: .zero)
        #expect(try slices(change).map(\.name) == ["web-container", "web-a-b", "web-a-b-2"])
    }
}
