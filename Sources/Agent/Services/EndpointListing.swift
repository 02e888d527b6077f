package import ControlAPI
package import Services
import Wire

/// The endpoints of services, with what a client on this node gets of each, and why not.
///
/// Reads the plan that the kernel follows, so that what it says is what happens; reasons come from the catalog.
package struct EndpointListing {
    let catalog: Catalog
    let view: LocalView
    let plan: ServicePlan

    package init(catalog: Catalog, planner: ServicePlanner) {
        self.catalog = catalog
        view = planner.view
        plan = planner.plan
    }

    /// Those of one service, or of all of them as far as one answer holds.
    package func list(of name: ServiceName? = nil) -> EndpointList {
        var list = EndpointList()
        for name in name.map({ [$0] }) ?? catalog.serviceNames {
            let room = EndpointList.limit - list.endpoints.count
            let endpoints = catalog.endpoints(of: name)
            list.total += endpoints.count
            guard room > 0, let service = catalog.service(name) else { continue }
            let setting = Setting(service, endpoints, self)
            list.endpoints += endpoints.prefix(room).map { info($0, setting) }
        }
        return list
    }

    /// What all endpoints of one service have in common.
    struct Setting {
        let service: Service
        /// Why the proxy leaves the service alone.
        let objection: String?
        /// What the plan has for each port of the service, where the service itself has the address.
        var frontends: [ServicePlan.Key: ServicePlan.Frontend] = [:]
        var totals: [ServicePlan.Key: Int] = [:]
        /// Whether all ready endpoints bear hints.
        let isHinted: Bool

        init(_ service: Service, _ endpoints: [ServiceEndpoint], _ listing: EndpointListing) {
            self.service = service
            objection = listing.view.objection(to: service)
            let ready = endpoints.filter { EndpointStanding($0.member, of: service, listing.view) == .ready }
            isHinted =
                !ready.isEmpty && ready.allSatisfy { $0.member.zoneHints != nil || $0.member.nodeHints != nil }
            for address in service.clusterIPs {
                for port in service.ports {
                    let key = ServicePlan.Key(address, port.transport, port.port)
                    guard let frontend = listing.plan.frontends[key], frontend.service == service.name else { continue }
                    frontends[key] = frontend
                    totals[key] = frontend.backends.reduce(0) { $0 + Int($1.weight) }
                }
            }
        }
    }

    func info(_ endpoint: ServiceEndpoint, _ setting: Setting) -> EndpointInfo {
        let member = endpoint.member
        let name = setting.service.name
        var info = EndpointInfo(namespace: name.namespace, service: name.name, address: member.address)
        info.node = member.nodeName
        info.zone = member.zone
        info.target = member.targetName ?? member.hostname
        info.reachedAt = view.reachedAddress(of: member)
        info.isReady = member.conditions.ready
        info.isServing = member.conditions.serving
        info.isTerminating = member.conditions.terminating
        info.weight = Int(member.weight)
        info.ports = setting.service.ports.map { self.port($0, of: endpoint, info.reachedAt, setting) }
        return info
    }

    private func port(
        _ port: Service.Port, of endpoint: ServiceEndpoint, _ address: IPAddress, _ setting: Setting
    ) -> EndpointInfo.Port {
        var use = EndpointInfo.Port(port.name, port.transport.description, port.port)
        let targets = endpoint.targets(of: port)
        use.target = targets.first
        guard let first = targets.first else {
            use.reason =
                port.name.map { "it has no \(port.transport) port called \($0)" }
                ?? "it has no \(port.transport) port without a name"
            return use
        }
        if case .headless = setting.service.kind {
            use.reason = headlessReason(endpoint.member, setting.service)
            return use
        }
        if let objection = setting.objection {
            use.reason = objection
            return use
        }
        guard let key = setting.service.key(of: port, isIPv4: address.isIPv4) else {
            use.reason = "the service has no IPv\(address.isIPv4 ? "4" : "6") address"
            return use
        }
        guard let frontend = setting.frontends[key] else {
            use.reason = "another service has \(key.address) port \(key.port)"
            return use
        }
        if let backend = frontend.backends.first(where: { $0.address == address && targets.contains($0.port) }) {
            use.target = backend.port
            let total = setting.totals[key] ?? 1
            use.sharePercent = (Int(backend.weight) * 100 + total / 2) / max(1, total)
        } else {
            use.target = first
            use.reason = reason(endpoint.member, setting, frontend)
        }
        return use
    }

    /// Names lead to those that are ready, wherever they are.
    private func headlessReason(_ member: EndpointSlice.Member, _ service: Service) -> String? {
        switch EndpointStanding(member, of: service, view) {
        case .ready: nil
        case .draining: "it is being shut down"
        // Names have no weights.
        case .unfit(let reason): member.weight == 0 && member.conditions.ready ? nil : reason
        }
    }

    /// Why an endpoint that has the port is not among the backends.
    private func reason(
        _ member: EndpointSlice.Member, _ setting: Setting, _ frontend: ServicePlan.Frontend
    ) -> String {
        let service = setting.service
        let standing = EndpointStanding(member, of: service, view)
        if case .unfit(let reason) = standing { return reason }
        if view.isDead(member) { return "its node \(member.nodeName ?? "") does not answer" }
        if case .local = service.internalPolicy, !view.isLocal(member) {
            return "only endpoints on this node serve (internalTrafficPolicy: Local)"
        }
        if case .draining = standing { return "it is being shut down, and others are ready" }
        switch service.distribution {
        case .preferNearest: return "nearer endpoints go first"
        case _ where setting.isHinted: return hintReason(member)
        case .preferSameNode where frontend.backends.contains { plan.localEndpoints.contains($0.address) }:
            return "endpoints on this node go first"
        case .preferSameNode, .preferSameZone:
            return "endpoints in \(view.zone.map { "zone \($0)" } ?? "this node's zone") go first"
        case .none: return "another endpoint has the same address and port"
        }
    }

    private func hintReason(_ member: EndpointSlice.Member) -> String {
        let nodes = member.nodeHints?.prefix(4).joined(separator: ", ") ?? ""
        let zones = member.zoneHints?.prefix(4).joined(separator: ", ") ?? ""
        return nodes.isEmpty ? "its hints are for zone \(zones)" : "its hints are for node \(nodes)"
    }
}

extension ServiceEndpoint {
    /// The ports under which it serves one of a service, joined by name as slices are.
    func targets(of port: Service.Port) -> [UInt16] {
        ports.filter { $0.transport == port.transport && ($0.name ?? "") == (port.name ?? "") }.map(\.port)
    }
}

extension Service {
    /// Where clients of one family connect to for a port; `nil` where the service has no address of that family.
    func key(of port: Port, isIPv4: Bool) -> ServicePlan.Key? {
        clusterIPs.first { $0.isIPv4 == isIPv4 }.map { ServicePlan.Key($0, port.transport, port.port) }
    }
}
