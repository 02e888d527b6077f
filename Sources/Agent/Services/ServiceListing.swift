package import ControlAPI
package import Services
import Wire

/// Services as `meshctl services` lists them, with what is wrong about each.
package struct ServiceListing {
    let catalog: Catalog
    let view: LocalView
    let plan: ServicePlan

    package init(catalog: Catalog, planner: ServicePlanner) {
        self.catalog = catalog
        view = planner.view
        plan = planner.plan
    }

    /// Services of one namespace or of all, as far as one answer holds.
    package func list(in namespace: String? = nil) -> ServiceList {
        list(catalog.serviceNames.filter { namespace == nil || $0.namespace == namespace })
    }

    /// What commands of this node have added, by the source that they are kept under.
    package func list(from source: SourceID) -> ServiceList {
        list(
            catalog.objects(of: source).compactMap { object in
                if case .service(let service) = object { service.name } else { nil }
            })
    }

    private func list(_ names: [ServiceName]) -> ServiceList {
        ServiceList(names.prefix(ServiceList.limit).compactMap { info(of: $0) }, total: names.count)
    }

    /// One service and its endpoints; `nil` where nobody defines it.
    package func detail(of name: ServiceName, planner: ServicePlanner) -> ServiceDetail? {
        info(of: name).map { ServiceDetail($0, EndpointListing(catalog: catalog, planner: planner).list(of: name)) }
    }

    package func info(of name: ServiceName) -> ServiceInfo? {
        guard let service = catalog.service(name) else { return nil }
        let endpoints = catalog.endpoints(of: name)
        var info = ServiceInfo(namespace: name.namespace, name: name.name, kind: Self.kind(service.kind))
        info.clusterIPs = service.clusterIPs
        info.loadBalancerAddresses = service.loadBalancerAddresses
        if case .externalName(let target) = service.kind { info.externalName = target }
        info.ports = service.ports.map { port in
            var shown = ServiceInfo.Port(port.name, port.transport.description, port.port)
            shown.nodePort = port.nodePort
            shown.targets = Set(endpoints.flatMap { $0.targets(of: port) }).sorted()
            return shown
        }
        info.sources = catalog.sources(of: name).map(ServiceInfo.Source.init)
        info.endpointCount = endpoints.count
        info.readyCount = endpoints.count { endpoint in
            !view.isDead(endpoint.member) && EndpointStanding(endpoint.member, of: service, view) == .ready
        }
        info.balancing = ServiceWords.name(of: service.balancing)
        info.preference = ServiceWords.name(of: service.distribution)
        info.affinitySeconds = service.affinitySeconds.map { Int($0) }
        info.isNodeLocal = service.internalPolicy == .local
        info.problems = problems(service, info)
        return info
    }

    private static func kind(_ kind: Service.Kind) -> ServiceInfo.Kind {
        switch kind {
        case .clusterIP: .clusterIP
        case .headless: .headless
        case .nodePort: .nodePort
        case .loadBalancer: .loadBalancer
        case .externalName: .externalName
        }
    }

    // MARK: what is wrong

    private func problems(_ service: Service, _ info: ServiceInfo) -> [Notice] {
        if case .externalName = service.kind { return [] }
        return addressProblems(service) + portProblems(service) + endpointProblems(info)
    }

    private func addressProblems(_ service: Service) -> [Notice] {
        guard service.kind.hasClusterIP else { return [] }
        if let lost = catalog.lostAddress(of: service.name) {
            return [
                Notice(
                    "\(lost.address), which it is defined with, is \(lost.holder.dotted)'s",
                    nextStep: "give one of the two another address")
            ]
        }
        guard service.clusterIPs.isEmpty else { return [] }
        return [
            Notice(
                "it has no address: there is no range of addresses for services of its family",
                nextStep: "give it one (clusterIP, or --cluster-ip)")
        ]
    }

    private func portProblems(_ service: Service) -> [Notice] {
        guard view.objection(to: service) == nil else { return [] }
        var problems: [Notice] = []
        for port in service.ports {
            for address in service.clusterIPs {
                let key = ServicePlan.Key(address, port.transport, port.port)
                guard let other = plan.frontends[key]?.service, other != service.name else { continue }
                problems.append(
                    Notice(
                        "\(address) port \(port.port) goes to \(other.dotted), which claims it too",
                        nextStep: "give one of the two another address"))
            }
            guard let number = port.nodePort,
                let other = [true, false].lazy.compactMap({
                    plan.nodePorts[.init(isIPv4: $0, port.transport, number)]?.service
                }).first(where: { $0 != service.name })
            else { continue }
            problems.append(
                Notice(
                    "node port \(number) goes to \(other.dotted), which claims it too",
                    nextStep: "give one of the two another node port"))
        }
        return problems
    }

    private func endpointProblems(_ info: ServiceInfo) -> [Notice] {
        guard info.endpointCount > 0 else {
            return [Notice("it has no endpoints", nextStep: "check the source that is to name them")]
        }
        guard info.readyCount > 0 else {
            let count =
                info.endpointCount == 1 ? "its only endpoint is not" : "none of its \(info.endpointCount) endpoints is"
            return [Notice("\(count) ready", nextStep: "see meshctl endpoints \(info.name).\(info.namespace)")]
        }
        return info.ports.filter(\.targets.isEmpty).map { port in
            let called = port.name.map { "called \($0)" } ?? "without a name"
            return Notice(
                "no endpoint has a \(port.transport) port \(called), so port \(port.port) leads nowhere",
                nextStep: "give the service's port and the endpoints' port the same name")
        }
    }
}

/// Settings of services, as people write them.
enum ServiceWords {
    static let balancing: KeyValuePairs<String, Service.Balancing> = [
        "random": .random, "round-robin": .roundRobin, "consistent-hash": .consistentHash,
        "least-connections": .leastConnections,
    ]
    static let preferences: KeyValuePairs<String, Service.Distribution> = [
        "same-node": .preferSameNode, "same-zone": .preferSameZone, "nearest": .preferNearest,
    ]

    static func name(of balancing: Service.Balancing) -> String {
        Self.balancing.first { $0.value == balancing }?.key ?? "random"
    }

    static func name(of distribution: Service.Distribution) -> String? {
        preferences.first { $0.value == distribution }?.key
    }
}

extension ServiceInfo.Source {
    init(_ source: SourceID) {
        let kind =
            switch source.kind {
            case .kubernetes: "kubernetes"
            case .commands: "commands"
            case .manifests: "manifests"
            case .containers: "containers"
            case .mesh: "mesh"
            }
        self.init(kind: kind, node: source.node, part: source.part)
    }
}
