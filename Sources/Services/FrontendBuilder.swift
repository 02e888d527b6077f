import Wire

/// Makes what the kernel shall do with one service's connections out of its definition and endpoints.
struct FrontendBuilder {
    /// What one service adds to a plan.
    struct Contribution {
        var frontends: [ServicePlan.Key: ServicePlan.Frontend] = [:]
        var nodePorts: [ServicePlan.NodePortKey: ServicePlan.Frontend] = [:]
        var localEndpoints: Set<IPAddress> = []
        var pingable: Set<IPAddress> = []
        /// The nodes that were found nearest, for the next choice.
        var near: Set<String> = []
    }

    let context: PlanningContext
    let service: Service
    let entry: Catalog.Entry

    /// Whether this proxy has anything to do with a service.
    static func serves(_ service: Service, _ filter: LocalView.LabelFilter) -> Bool {
        service.kind.hasClusterIP && !service.isServedElsewhere
            && service.bearsFilterLabel == (filter == .ifAbsent)
    }

    func contribution(near: Set<String>) -> Contribution {
        var contribution = Contribution()
        for isIPv4 in [true, false] {
            let clusterIPs = service.clusterIPs.filter { $0.isIPv4 == isIPv4 }
            let balancerIPs =
                service.kind == .loadBalancer ? service.loadBalancerAddresses.filter { $0.isIPv4 == isIPv4 } : []
            guard !clusterIPs.isEmpty || !balancerIPs.isEmpty else { continue }
            for port in service.ports {
                let selection = EndpointSelection(
                    context.candidates(for: port, isIPv4: isIPv4, of: service, entry),
                    distribution: service.distribution,
                    in: context, near: near, chosen: &contribution.near)
                note(selection, clusterIPs + balancerIPs, in: &contribution)
                let inner = inner(selection, port)
                for address in clusterIPs {
                    contribution.frontends[ServicePlan.Key(address, port.transport, port.port)] = inner
                }
                let outer = outer(selection, port)
                for address in balancerIPs where !clusterIPs.contains(address) {
                    var frontend = outer
                    // As in Kubernetes, a family in which no range is named is open to all.
                    frontend.sources = service.loadBalancerSources.filter { $0.isIPv4 == isIPv4 }.sorted()
                    contribution.frontends[ServicePlan.Key(address, port.transport, port.port)] = frontend
                }
                if let nodePort = port.nodePort, service.kind != .clusterIP {
                    contribution.nodePorts[.init(isIPv4: isIPv4, port.transport, nodePort)] = outer
                }
            }
        }
        return contribution
    }

    private func note(_ selection: EndpointSelection, _ addresses: [IPAddress], in contribution: inout Contribution) {
        for candidate in selection.everywhere where candidate.isLocal {
            contribution.localEndpoints.insert(candidate.address)
        }
        contribution.localEndpoints.formUnion(selection.here.map(\.address))
        if context.view.answersPing, selection.everywhere.contains(where: \.isReady) {
            contribution.pingable.formUnion(addresses)
        }
    }

    /// For clients of the cluster address.
    private func inner(_ selection: EndpointSelection, _ port: Service.Port) -> ServicePlan.Frontend {
        var frontend = frontend(port)
        switch service.internalPolicy {
        case .cluster: frontend.backends = backends(selection.everywhere)
        case .local:
            frontend.backends = backends(selection.here)
            if selection.here.isEmpty, selection.isServedAnywhere { frontend.refusal = .drop }
        }
        return frontend
    }

    /// For clients of a load balancer's address and of node ports. Those inside the mesh are not bound by the policy.
    private func outer(_ selection: EndpointSelection, _ port: Service.Port) -> ServicePlan.Frontend {
        var frontend = frontend(port)
        let everywhere = backends(selection.everywhere)
        switch service.externalPolicy {
        case .cluster:
            frontend.backends = everywhere
            frontend.masquerades = true
        case .local:
            frontend.backends = backends(selection.here)
            if frontend.backends != everywhere { frontend.insiders = everywhere }
            if selection.here.isEmpty, selection.isServedAnywhere { frontend.refusal = .drop }
        }
        return frontend
    }

    private func frontend(_ port: Service.Port) -> ServicePlan.Frontend {
        var frontend = ServicePlan.Frontend(service: service.name, portName: port.name)
        frontend.affinitySeconds = service.affinitySeconds
        frontend.choice =
            switch service.balancing {
            case .random, .leastConnections: .random
            case .roundRobin: .roundRobin
            case .consistentHash: .sourceHash
            }
        return frontend
    }

    private func backends(_ candidates: [EndpointCandidate]) -> [ServicePlan.Backend] {
        let weights = service.balancing == .leastConnections ? ConnectionWeights(candidates, context.view) : nil
        return candidates.map { candidate in
            let weight = weights.map { $0.weight(of: candidate) } ?? candidate.weight
            return ServicePlan.Backend(candidate.address, port: candidate.port, weight: weight)
        }
    }
}

/// Shares for endpoints by the connections they have now: the least loaded has 16, one with twice the load 8, and so on.
///
/// Powers of two, so that the plan changes only when loads differ much.
struct ConnectionWeights {
    static let highest: UInt16 = 16

    private let loads: [ServicePlan.Key: Double]
    private let least: Double

    init(_ candidates: [EndpointCandidate], _ view: LocalView) {
        var loads: [ServicePlan.Key: Double] = [:]
        for candidate in candidates {
            let key = ServicePlan.Key(candidate.address, .tcp, candidate.port)
            // A new endpoint has no load yet; one more than is counted keeps its share finite. Its weight is its capacity.
            loads[key] = Double(max(0, view.connections[key] ?? 0) + 1) / Double(candidate.weight)
        }
        self.loads = loads
        least = loads.values.min() ?? 1
    }

    func weight(of candidate: EndpointCandidate) -> UInt16 {
        guard let load = loads[ServicePlan.Key(candidate.address, .tcp, candidate.port)] else { return 1 }
        var weight = Self.highest
        var ratio = load / least
        // Halfway between two powers, by their ratio, belongs to the higher share.
        while ratio >= 1.5, weight > 1 {
            ratio /= 2
            weight /= 2
        }
        return weight
    }
}
