import Agent
import ControlAPI
import Services
import Testing
import Wire

/// A catalog and the plan that the node `here` makes of it, with two more nodes: `far`, whose containers have the same
/// addresses as ours, and `dead`, which does not answer.
struct ServiceWorld {
    var catalog = Catalog(ownNode: "here", serviceRanges: [.literal("10.96.0.0/16")])
    private(set) var planner: ServicePlanner

    init() {
        var view = LocalView(node: "here")
        view.addresses = [.literal("192.0.2.1")]
        view.podPrefixes = [.literal("172.17.0.0/16")]
        view.serviceRanges = [.literal("10.96.0.0/16")]
        view.deadNodes = ["dead"]
        view.translation.map(.literal("172.17.0.0/24"), on: "far", to: .literal("10.130.7.0/24"))
        planner = ServicePlanner(view: view)
        for (name, address) in [("here", "10.130.1.1"), ("far", "10.130.7.1"), ("dead", "10.130.9.1")] {
            var node = ClusterNode(name: name)
            node.addresses = [.literal(address)]
            tell(.update([.node(node)]), from: SourceID(.mesh))
        }
    }

    var view: LocalView {
        get { planner.view }
        set { _ = planner.adopt(newValue, from: catalog) }
    }

    var listing: ServiceListing { ServiceListing(catalog: catalog, planner: planner) }
    var endpoints: EndpointListing { EndpointListing(catalog: catalog, planner: planner) }
    var commands: CommandSource { CommandSource(catalog: catalog, view: planner.view) }

    static let manifest = SourceID(.manifests, node: "here", part: "shop.yaml")

    mutating func tell(_ content: CatalogChange.Content, from source: SourceID = manifest) {
        apply(CatalogChange(source, content))
    }

    mutating func apply(_ change: CatalogChange) {
        let delta = catalog.apply(change, at: 1000)
        _ = planner.update(delta.services, from: catalog)
    }

    /// Sets a service called `web` in the namespace `shop`, or another, and its only slice.
    mutating func set(
        named name: String = "web", at address: String? = "10.96.0.5", _ members: [EndpointSlice.Member],
        ports: [EndpointSlice.Port] = [.init(name: "http", port: 8080)], from source: SourceID = manifest,
        _ adapt: (inout Service) -> Void = { _ in }
    ) {
        var service = Service(name: .shop(name))
        service.clusterIPs = address.map { [.literal($0)] } ?? []
        service.ports = [.init(name: "http", port: 80)]
        adapt(&service)
        let slice = EndpointSlice(name: "\(name)-1", service: service.name, ports: ports, members: members)
        tell(.update([.service(service), .slice(slice)]), from: source)
    }

    mutating func setContainers(_ containers: [String: String], on node: String = "here") {
        var entry = ClusterNode(name: node)
        entry.containers = containers.sorted { $0.key < $1.key }
            .map { .init(name: $0.key, addresses: [.literal($0.value)]) }
        tell(.update([.node(entry)]), from: SourceID(.containers, node: node, part: "docker"))
    }

    func explain(
        _ text: String, _ adapt: (inout ServiceExplanation.Surroundings) -> Void = { _ in }
    ) -> Result<Explanation, Failure>? {
        var surroundings = ServiceExplanation.Surroundings()
        surroundings.rules = .inForce
        surroundings.nodeNames = ["far", "dead"]
        surroundings.path = { node in
            ["far": .init(.good, "direct"), "dead": .init(.failed, "not reached: no answer")][node]
        }
        adapt(&surroundings)
        return ServiceExplanation(catalog: catalog, planner: planner, surroundings).explanation(of: text)
    }
}

extension ServiceName {
    static func shop(_ name: String) -> Self { Self(namespace: "shop", name: name) }
}

extension IPAddress {
    static func literal(_ text: String) -> Self {
        guard let address = Self(text) else { preconditionFailure("\(text) is no address") }
        return address
    }
}

extension IPPrefix {
    static func literal(_ text: String) -> Self {
        guard let prefix = Self(text) else { preconditionFailure("\(text) is no prefix") }
        return prefix
    }
}

extension EndpointSlice.Member {
    static func at(
        _ address: String, on node: String? = "here", zone: String? = nil, weight: UInt16 = 1, ready: Bool? = nil,
        serving: Bool? = nil, terminating: Bool? = nil
    ) -> Self {
        var member = Self(
            .literal(address), nodeName: node,
            conditions: .init(ready: ready, serving: serving, terminating: terminating))
        member.zone = zone
        member.weight = weight
        return member
    }
}

extension EndpointInfo {
    /// The verdict on each port in short: a share, or the reason why not.
    var verdicts: [String] { ports.map { $0.reason ?? $0.sharePercent.map { "\($0) %" } ?? "by name" } }
}
