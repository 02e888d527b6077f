import ControlAPI
import Services
import Wire

// What an address stands for: a service's, an endpoint's, a container's, or one that a service could have.
extension ServiceExplanation {
    func explain(_ address: IPAddress, _ target: ServiceTarget, _ text: String) -> Explanation? {
        if let name = catalog.service(atClusterIP: address) {
            let step = Explanation.Step("address", .good, ["\(address) is the cluster address of \(name.dotted)"])
            return explain(name, target, text, isNamed: false, leading: [step])
        }
        if let name = balanced(at: address) {
            let step = Explanation.Step("address", .good, ["\(address) is a load balancer's address of \(name.dotted)"])
            return explain(name, target, text, isNamed: false, leading: [step])
        }
        if let found = nodePort(at: address, target) {
            return explain(found.service, found.target, text, isNamed: false, leading: [found.step])
        }
        if let explanation = endpointOrContainer(address, text) { return explanation }
        guard let range = view.serviceRanges.first(where: { $0.contains(address) }) else { return nil }
        return conclude(
            text,
            [.init("address", .failed, ["no service has \(address), of the range \(range): connections are dropped"])],
            "",
            "see meshctl services")
    }

    private func balanced(at address: IPAddress) -> ServiceName? {
        catalog.serviceNames.first { name in
            guard let service = catalog.service(name), case .loadBalancer = service.kind else { return false }
            return service.loadBalancerAddresses.contains(address)
        }
    }

    // MARK: node ports

    private struct NodePortFinding {
        var service: ServiceName
        var target: ServiceTarget
        var step: Explanation.Step
    }

    /// A node's own address with a port that stands for a service.
    private func nodePort(at address: IPAddress, _ target: ServiceTarget) -> NodePortFinding? {
        guard case .number(let number)? = target.port else { return nil }
        let isHere = view.addresses.contains(address) || catalog.node(at: address) == view.node
        guard isHere || catalog.node(at: address) != nil else { return nil }
        let transports = target.transport.map { [$0] } ?? TransportProtocol.allCases
        for transport in transports {
            let key = ServicePlan.NodePortKey(isIPv4: address.isIPv4, transport, number)
            guard let name = plan.nodePorts[key]?.service,
                let port = catalog.service(name)?.ports.first(where: {
                    $0.transport == transport && $0.nodePort == number
                })
            else { continue }
            var inner = target
            inner.port = .number(port.port)
            inner.transport = transport
            var step = Explanation.Step(
                "node port", .good,
                ["\(transport) port \(number) of every node stands for \(name.dotted) port \(port.port)"])
            if !isHere, let node = catalog.node(at: address) {
                step.outcome = .doubtful
                step.findings.append("\(node) serves it there: what follows is what this node would do")
            }
            return NodePortFinding(service: name, target: inner, step: step)
        }
        return nil
    }

    // MARK: endpoints and containers

    private func endpointOrContainer(_ address: IPAddress, _ text: String) -> Explanation? {
        let origin = view.translation.origin(of: address)
        let raw = origin?.address ?? address
        let listing = EndpointListing(catalog: catalog, planner: planner)
        let names = catalog.services(withEndpoint: raw)
        let found = names.flatMap { listing.list(of: $0).endpoints }.filter { endpoint in
            endpoint.address == raw && (origin == nil || endpoint.node == origin?.node)
        }
        let isLocal = origin == nil && view.podPrefixes.contains { $0.contains(address) }
        let container = catalog.container(at: raw, on: origin?.node ?? (isLocal ? view.node : nil))
        guard !found.isEmpty || container != nil else { return nil }
        var steps: [Explanation.Step] = []
        if let origin {
            steps.append(.init("address", .good, ["\(address) is \(origin.address) on \(origin.node)"]))
        }
        if let container {
            let place = container.node == view.node ? "this node" : container.node
            steps.append(.init("container", .good, ["\(container.container) on \(place)"]))
        }
        if !found.isEmpty { steps.append(endpointStep(found)) }
        var nodes = found
        if nodes.isEmpty, let container {
            var place = EndpointInfo(namespace: "", service: "", address: raw)
            place.node = container.node
            nodes = [place]
        }
        steps += pathSteps(nodes)
        let what = container.map { "the container \($0.container) on \($0.node)" } ?? "an endpoint"
        let services = Set(found.map { "\($0.service).\($0.namespace)" }).sorted()
        let role = services.isEmpty ? ", of no service" : ", of \(Self.list(services))"
        let failed = steps.first { $0.outcome == .failed }
        return conclude(
            text, steps, what + role,
            failed.map { step in
                step.name.hasPrefix("path to ") ? "see meshctl why \(step.name.dropFirst(8))" : "see meshctl endpoints"
            })
    }

    private func endpointStep(_ endpoints: [EndpointInfo]) -> Explanation.Step {
        let findings = endpoints.prefix(20).map { endpoint in
            "\(endpoint.service).\(endpoint.namespace): \(endpoint.words(endpoint.ports))"
        }
        let isUsed = endpoints.contains(where: \.isUsed)
        return .init("endpoint", isUsed ? .good : .doubtful, findings)
    }
}

// MARK: - in words

extension ServiceTarget.Port {
    func words(_ transport: TransportProtocol?) -> String {
        switch self {
        case .number(let number): transport.map { "\($0) port \(number)" } ?? "port \(number)"
        case .name(let name): "\"\(name)\""
        }
    }
}

extension Service.Port {
    /// "80 TCP (http)".
    var words: String { "\(port) \(transport)" + (name.map { " (\($0))" } ?? "") }
}

extension Service {
    /// How it spreads connections, where that is not at random over all.
    var spreading: [String] {
        var words: [String] = []
        if balancing != .random { words.append("balancing: \(ServiceWords.name(of: balancing))") }
        if let preference = ServiceWords.name(of: distribution) { words.append("preferred: \(preference)") }
        if let affinitySeconds { words.append("a client keeps its endpoint for \(affinitySeconds) s") }
        if internalPolicy == .local { words.append("only endpoints on this node serve (internalTrafficPolicy: Local)") }
        return words
    }
}

extension EndpointInfo {
    func use(of port: Service.Port) -> Port? {
        ports.first { $0.port == port.port && $0.transport == port.transport.description }
    }

    /// "172.17.0.2 on edge-2, reached at 10.130.7.2: 50 %".
    func words(_ uses: [Port]) -> String {
        var place = address.description
        if let node { place += " on \(node)" }
        if reachedAt != address { place += ", reached at \(reachedAt)" }
        var verdicts: [(text: String, ports: [String])] = []
        for use in uses {
            let text = use.reason ?? use.sharePercent.map { "\($0) % of connections" } ?? "named"
            let port = use.name ?? "\(use.port)"
            if let index = verdicts.firstIndex(where: { $0.text == text }) {
                verdicts[index].ports.append(port)
            } else {
                verdicts.append((text, [port]))
            }
        }
        guard verdicts.count > 1 else { return "\(place): \(verdicts.first?.text ?? "used")" }
        return "\(place): "
            + verdicts.map { "\($0.text) (\($0.ports.joined(separator: ", ")))" }.joined(separator: "; ")
    }
}
