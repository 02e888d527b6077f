import Services
import Testing
import Wire

/// A catalog with one source and the plan that a node called `here` makes of it.
struct Planning {
    var catalog = Catalog(
        ownNode: "here", serviceRanges: [IPPrefix(literal: "10.96.0.0/16"), IPPrefix(literal: "fd96::/112")])
    private(set) var planner: ServicePlanner
    /// What the last step changed in the plan.
    private(set) var change = PlanChange()

    init() {
        var view = LocalView(node: "here")
        view.addresses = [IPAddress(literal: "192.0.2.1")]
        view.podPrefixes = [IPPrefix(literal: "10.1.0.0/24")]
        planner = ServicePlanner(view: view)
    }

    var plan: ServicePlan { planner.plan }

    var view: LocalView {
        get { planner.view }
        set { change = planner.adopt(newValue, from: catalog) }
    }

    mutating func tell(_ content: CatalogChange.Content, from source: SourceID = .api) {
        let delta = catalog.apply(CatalogChange(source, content), at: 1000)
        change = planner.update(delta.services, from: catalog)
    }

    /// Sets a service and its only slice.
    mutating func set(
        _ service: Service, _ members: [EndpointSlice.Member],
        ports: [EndpointSlice.Port] = [.init(name: "http", port: 8080)]
    ) {
        let slice = EndpointSlice(name: "\(service.name.name)-1", service: service.name, ports: ports, members: members)
        tell(.update([.service(service), .slice(slice)]))
    }

    func frontend(_ address: String, _ port: UInt16 = 80, _ transport: TransportProtocol = .tcp) -> ServicePlan
        .Frontend?
    {
        plan.frontends[.init(IPAddress(literal: address), transport, port)]
    }

    func nodePort(_ port: UInt16, isIPv4: Bool = true) -> ServicePlan.Frontend? {
        plan.nodePorts[.init(isIPv4: isIPv4, .tcp, port)]
    }

    /// The plan that a node makes which sees the catalog for the first time.
    var planMadeAnew: ServicePlan {
        var fresh = ServicePlanner(view: planner.view)
        _ = fresh.update(catalog.serviceNames, from: catalog)
        return fresh.plan
    }
}

extension ServicePlan.Frontend {
    /// Backends as text: "10.1.0.1:8080", with "*3" behind it for a weight of 3.
    var served: [String] { Self.text(backends) }
    var servedInside: [String]? { insiders.map(Self.text) }

    private static func text(_ backends: [ServicePlan.Backend]) -> [String] {
        backends.map { "\($0.address):\($0.port)" + ($0.weight == 1 ? "" : "*\($0.weight)") }
    }
}
