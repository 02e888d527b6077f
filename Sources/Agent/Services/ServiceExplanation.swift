package import ControlAPI
package import Services
import Wire

/// What becomes of a client on this node that wants a service, or an address: every step with its evidence.
///
/// Reads what the agent holds; what others know of it (the kernel's rules, the name server, the paths to nodes) is given in
/// `Surroundings`.
package struct ServiceExplanation {
    /// How packets get to a node.
    package struct NodePath: Equatable, Sendable {
        package var outcome: Explanation.Outcome
        package var verdict: String

        package init(_ outcome: Explanation.Outcome, _ verdict: String) {
            self.outcome = outcome
            self.verdict = verdict
        }

        /// Of an explanation of the way to the node: its last step is the path itself.
        package init(_ explanation: Explanation) {
            self.init(explanation.steps.last?.outcome ?? .doubtful, explanation.verdict)
        }
    }

    /// Whether the kernel does what the plan says.
    package enum Rules: Equatable, Sendable {
        case inForce
        case failed(String)
        case unknown
    }

    /// The node's name server.
    package enum Names: Equatable, Sendable {
        /// It listens, and answers by the catalog.
        case served
        /// It listens; this is what it answered when it was asked for the service's own name.
        case answered(NameAnswer)
        case failed(String)
        /// None is to run here.
        case absent
    }

    package struct Surroundings {
        package var clusterDomain = "cluster.local"
        /// Nodes of the mesh, for the nearest spelling.
        package var nodeNames: [String] = []
        package var names = Names.served
        package var rules = Rules.unknown
        /// How packets get to another node, asked only for nodes that matter; `nil` for one that the mesh does not know.
        package var path: (String) -> NodePath? = { _ in nil }

        package init() {}
    }

    let catalog: Catalog
    let planner: ServicePlanner
    let surroundings: Surroundings
    var view: LocalView { planner.view }
    var plan: ServicePlan { planner.plan }

    package init(catalog: Catalog, planner: ServicePlanner, _ surroundings: Surroundings) {
        self.catalog = catalog
        self.planner = planner
        self.surroundings = surroundings
    }

    /// - Returns: `nil` for an address that has nothing to do with services or containers: a node's own, or none of the mesh.
    package func explanation(of text: String) -> Result<Explanation, Failure>? {
        guard let target = ServiceTarget(text, clusterDomain: surroundings.clusterDomain) else {
            return .failure(
                Failure(
                    .usage, "\"\(text)\" is neither a name nor an address",
                    nextStep: "write it as edge-2, web.shop, web.shop:80, 10.96.0.10:53/udp or [fd96::10]:53"))
        }
        switch target.subject {
        case .service(let namespace, let name):
            let found = catalog.service(named: name, in: namespace, otherNames: surroundings.nodeNames)
            return found.map { explain($0, target, text, isNamed: true) }
        case .address(let address):
            return explain(address, target, text).map { .success($0) }
        }
    }

    /// The name under which clients ask for a service.
    package static func dnsName(of service: ServiceName, clusterDomain: String) -> String {
        "\(service.name).\(service.namespace).svc.\(clusterDomain)"
    }

    // MARK: a service

    /// All about one service, from its name or from what brought us to it.
    func explain(
        _ name: ServiceName, _ target: ServiceTarget, _ text: String, isNamed: Bool, leading: [Explanation.Step] = []
    ) -> Explanation {
        guard let service = catalog.service(name) else {
            return conclude(text, leading + [.init("service", .failed, ["nobody defines \(name.dotted)"])], "", nil)
        }
        let endpoints = EndpointListing(catalog: catalog, planner: planner).list(of: name).endpoints
        var steps = leading
        if isNamed { steps.append(nameStep(service, endpoints)) }
        steps.append(sourceStep(service))
        if case .externalName(let other) = service.kind {
            return conclude(text, steps, "another name for \(other)", nil)
        }
        if service.kind.hasClusterIP { steps.append(addressStep(service)) }
        let ports = servicePorts(target, of: service)
        if let step = portStep(target, service, ports) { steps.append(step) }
        if service.kind.hasClusterIP { steps.append(proxyStep(service)) }
        let chosen = ports.isEmpty ? service.ports : ports
        steps.append(endpointStep(service, endpoints, chosen))
        if service.kind.hasClusterIP, view.objection(to: service) == nil { steps.append(rulesStep) }
        let used = endpoints.filter { endpoint in chosen.contains { endpoint.use(of: $0)?.reason == nil } }
        steps += pathSteps(used)
        return conclude(text, steps, verdict(service, used, endpoints.count), nextStep(service, steps, ports))
    }

    func conclude(
        _ text: String, _ steps: [Explanation.Step], _ verdict: String, _ nextStep: String?
    ) -> Explanation {
        let failed = steps.first { $0.outcome == .failed }
        return Explanation(
            from: view.node, to: text, verdict: failed?.findings.first ?? verdict, steps: steps, nextStep: nextStep)
    }

    // MARK: steps

    private func nameStep(_ service: Service, _ endpoints: [EndpointInfo]) -> Explanation.Step {
        let name = Self.dnsName(of: service.name, clusterDomain: surroundings.clusterDomain)
        switch surroundings.names {
        case .absent:
            return .init(
                "name", .doubtful, ["no name server runs on this node: clients that ask elsewhere may not find it"])
        case .failed(let reason):
            return .init("name", .failed, ["names are not answered on this node: \(reason)"])
        case .answered(let answer) where answer.code != "NOERROR":
            return .init("name", .failed, ["\(name) is answered with \(answer.code)"])
        case .answered(let answer):
            let data = answer.answers.filter { $0.type != "CNAME" }.map(\.data)
            return data.isEmpty
                ? .init("name", .failed, ["\(name) has no \(answer.question.type) record"])
                : .init("name", .good, ["\(name) is \(Self.list(data))"])
        case .served:
            let data: [String]
            switch service.kind {
            case .externalName(let other): data = [other]
            case .headless: data = endpoints.filter(\.isUsed).map(\.reachedAt.description)
            case .clusterIP, .nodePort, .loadBalancer: data = service.clusterIPs.map(\.description)
            }
            return data.isEmpty
                ? .init("name", .failed, ["\(name) has no address to be answered with"])
                : .init("name", .good, ["\(name) is \(Self.list(data))"])
        }
    }

    private func sourceStep(_ service: Service) -> Explanation.Step {
        let sources = catalog.sources(of: service.name).map { ServiceInfo.Source($0).words }
        var findings = ["\(service.name.dotted) is defined by \(sources.first ?? "nobody")"]
        if sources.count > 1 { findings.append("also by \(Self.list(Array(sources.dropFirst()))), which counts less") }
        return .init("service", .good, findings)
    }

    private func addressStep(_ service: Service) -> Explanation.Step {
        let held = Self.list(service.clusterIPs.map(\.description))
        if let lost = catalog.lostAddress(of: service.name) {
            let instead = held.isEmpty ? "it has none" : "it has \(held) instead"
            return .init(
                "address", held.isEmpty ? .failed : .doubtful,
                ["\(lost.address), which it is defined with, is \(lost.holder.dotted)'s: \(instead)"])
        }
        return held.isEmpty
            ? .init(
                "address", .failed, ["it has no address, for there is no range of addresses for services of its family"]
            )
            : .init("address", .good, [held])
    }

    private func portStep(
        _ target: ServiceTarget, _ service: Service, _ ports: [Service.Port]
    ) -> Explanation.Step? {
        let all = service.ports.map(\.words)
        guard let wanted = target.port else {
            return all.isEmpty ? nil : .init("port", .good, [Self.list(all)])
        }
        guard ports.isEmpty else { return .init("port", .good, [Self.list(ports.map(\.words))]) }
        if service.ports.isEmpty, case .headless = service.kind { return nil }
        var findings = ["\(wanted.words(target.transport)) is not a port of \(service.name.dotted)"]
        findings.append(all.isEmpty ? "it has none" : "it has \(Self.list(all))")
        if case .number(let number) = wanted,
            let port = service.ports.first(where: { port in
                catalog.endpoints(of: service.name).contains { $0.targets(of: port).contains(number) }
            })
        {
            findings.append("\(number) is where its endpoints listen: clients connect to \(port.port)")
        }
        return .init("port", .failed, findings)
    }

    /// Those of a service's ports that were asked about; all where none was named, none where it has no such port.
    private func servicePorts(_ target: ServiceTarget, of service: Service) -> [Service.Port] {
        service.ports.filter { port in
            guard target.transport == nil || target.transport == port.transport else { return false }
            return switch target.port {
            case .number(let number)?: port.port == number
            case .name(let name)?: port.name == name
            case nil: true
            }
        }
    }

    private func proxyStep(_ service: Service) -> Explanation.Step {
        if let objection = view.objection(to: service) { return .init("proxy", .failed, [objection]) }
        return .init("proxy", .good, ["this node's rules serve it"] + service.spreading)
    }

    private func endpointStep(
        _ service: Service, _ endpoints: [EndpointInfo], _ ports: [Service.Port]
    ) -> Explanation.Step {
        guard !endpoints.isEmpty else {
            return .init("endpoints", .failed, ["it has no endpoints: connections are refused"])
        }
        var findings: [String] = []
        var usedCount = 0
        for endpoint in endpoints.sorted(by: { ($0.isUsed ? 0 : 1) < ($1.isUsed ? 0 : 1) }) {
            let uses = ports.isEmpty ? endpoint.ports : ports.compactMap { endpoint.use(of: $0) }
            if uses.contains(where: { $0.reason == nil }) { usedCount += 1 }
            if findings.count < 20 { findings.append(endpoint.words(uses)) }
        }
        if endpoints.count > findings.count { findings.append("and \(endpoints.count - findings.count) more") }
        guard usedCount > 0 else {
            let isDropped = ports.contains { port in
                service.clusterIPs.contains {
                    plan.frontends[.init($0, port.transport, port.port)]?.refusal == .drop
                }
            }
            let fate = isDropped ? "dropped" : "refused"
            return .init(
                "endpoints", .failed,
                ["none of \(endpoints.count) can be used: connections are \(fate)"] + findings)
        }
        return .init("endpoints", .good, ["\(usedCount) of \(endpoints.count) used"] + findings)
    }

    private var rulesStep: Explanation.Step {
        switch surroundings.rules {
        case .inForce: .init("rules", .good, ["the kernel has them as planned"])
        case .failed(let reason): .init("rules", .failed, ["the kernel does not follow the plan: \(reason)"])
        case .unknown: .init("rules", .doubtful, ["not compared with the kernel's"])
        }
    }

    /// The way to each node that a client may be sent to.
    func pathSteps(_ endpoints: [EndpointInfo]) -> [Explanation.Step] {
        let nodes = Set(endpoints.compactMap(\.node)).sorted()
        var steps: [Explanation.Step] = []
        for node in nodes where node != view.node && steps.count < 8 {
            if let path = surroundings.path(node) {
                steps.append(.init("path to \(node)", path.outcome, [path.verdict]))
            } else {
                steps.append(
                    .init("path to \(node)", .doubtful, ["no node of the mesh is called so: packets go as routes say"]))
            }
        }
        return steps
    }

    // MARK: all of it in one sentence

    private func verdict(_ service: Service, _ used: [EndpointInfo], _ total: Int) -> String {
        let nodes = Set(used.compactMap(\.node)).sorted().map { $0 == view.node ? "this node" : $0 }
        let place = nodes.isEmpty ? "" : ", on \(Self.list(nodes))"
        let verb = service.kind.hasClusterIP ? "connections go to" : "its name leads to"
        return "\(verb) \(used.count) of \(total) \(total == 1 ? "endpoint" : "endpoints")\(place)"
    }

    private func nextStep(_ service: Service, _ steps: [Explanation.Step], _ ports: [Service.Port]) -> String? {
        guard let failed = steps.first(where: { $0.outcome == .failed }) else { return nil }
        return switch failed.name {
        case "name", "rules": "see meshctl status"
        case "address": "give it a free address, or set a range of addresses for services"
        case "port": service.ports.first.map { "connect to port \($0.port)" }
        case "proxy": "ask the program that serves it, or take the label away"
        case "endpoints": "see meshctl endpoints \(service.name.dotted)"
        default: failed.name.hasPrefix("path to ") ? "see meshctl why \(failed.name.dropFirst(8))" : nil
        }
    }

    static func list(_ words: [String]) -> String {
        let shown = words.prefix(6).joined(separator: ", ")
        return words.count > 6 ? "\(shown) and \(words.count - 6) more" : shown
    }
}
