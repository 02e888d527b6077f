import ControlAPI
import Wire

/// What `meshctl services`, `endpoints` and `service` print.
struct ServicesText {
    let style: Style

    // MARK: lists

    func lines(_ list: ServiceList, areOfThisHost: Bool = false) -> [String] {
        guard !list.services.isEmpty else {
            return [
                areOfThisHost
                    ? "No services have been added on this host. 'meshctl service add' adds one."
                    : "No services are known. 'meshctl service add' adds one; so do manifests and containers' labels."
            ]
        }
        var table = Table(columns: [
            .init("NAME"), .init("NAMESPACE"), .init("KIND"), .init("ADDRESS"), .init("PORTS"),
            .init("READY", isNumeric: true), .init("DEFINED BY"),
        ])
        for service in list.services {
            table.rows.append([
                .init(service.name, service.problems.isEmpty ? .plain : .doubtful), .init(service.namespace),
                .init(kind(service.kind)), .init(address(service)),
                .init(service.ports.isEmpty ? "-" : service.ports.map(port).joined(separator: ", ")), ready(service),
                .init(service.sources.map(\.words).joined(separator: ", ")),
            ])
        }
        let problems = list.services.flatMap { service in
            service.problems.map { Notice("\(name(service)): \($0.text)", nextStep: $0.nextStep) }
        }
        return table.lines(style) + notices(problems, after: true) + rest(list.services.count, of: list.total)
    }

    func lines(_ list: EndpointList) -> [String] {
        guard !list.endpoints.isEmpty else { return ["No endpoints are known."] }
        var table = Table(columns: [.init("SERVICE")] + Self.endpointColumns)
        for endpoint in list.endpoints {
            table.rows.append([.init("\(endpoint.service).\(endpoint.namespace)")] + cells(endpoint))
        }
        return table.lines(style) + rest(list.endpoints.count, of: list.total)
    }

    // MARK: one service

    func lines(_ detail: ServiceDetail) -> [String] {
        let service = detail.service
        var lines = ["\(style(.bold, name(service))) is \(description(service.kind))"]
        lines += notices(service.problems)
        lines.append("")
        let facts = facts(service)
        let width = facts.map(\.0.count).max() ?? 0
        for (title, values) in facts {
            for (index, value) in values.enumerated() {
                let label = index == 0 ? title : ""
                let space = String(repeating: " ", count: width - label.count + 2)
                lines.append("  \(style(.dim, label))\(space)\(style(.plain, value))")
            }
        }
        guard !detail.endpoints.endpoints.isEmpty else { return lines }
        var table = Table(columns: Self.endpointColumns)
        table.rows = detail.endpoints.endpoints.map(cells)
        return lines + [""] + table.lines(style) + rest(detail.endpoints.endpoints.count, of: detail.endpoints.total)
    }

    private func facts(_ service: ServiceInfo) -> [(String, [String])] {
        var facts: [(String, [String])] = []
        func add(_ title: String, _ values: [String]) {
            if !values.isEmpty { facts.append((title, values)) }
        }
        add("stands for", service.externalName.map { [$0] } ?? [])
        add("address", service.clusterIPs.map(\.description))
        add("outside", service.loadBalancerAddresses.map(\.description))
        add("ports", service.ports.map(port))
        add(
            "endpoints",
            service.kind == .externalName ? [] : ["\(service.readyCount) of \(service.endpointCount) ready"])
        add("balancing", service.balancing == "random" ? [] : [service.balancing])
        add("preferred", service.preference.map { [$0] } ?? [])
        add("affinity", service.affinitySeconds.map { [Units.age(.seconds($0))] } ?? [])
        add("policy", service.isNodeLocal ? ["only endpoints on the client's own node"] : [])
        add("defined by", service.sources.map(\.words))
        return facts
    }

    // MARK: changes

    func lines(_ addition: ServiceAddition) -> [String] {
        let service = addition.service
        var line = "\(style(.bold, name(service))) is \(style(.good, addition.isReplaced ? "replaced" : "added"))"
        if let target = service.externalName {
            line += ": another name for \(style(.plain, target))"
        } else {
            let ports = service.ports.map { "\($0.port)" }.joined(separator: ", ")
            let place = service.clusterIPs.map(\.description).joined(separator: ", ")
            if !place.isEmpty { line += ": \(place) port \(ports)" }
            line += ", \(service.readyCount) of \(service.endpointCount) endpoints ready"
        }
        let told = Set(addition.notices.map(\.text))
        // That it has no endpoints has been said already, and with the step that a command can take.
        let problems = service.problems.filter { !told.contains($0.text) && service.endpointCount > 0 }
        return [line + "."] + notices(addition.notices + problems)
    }

    func lines(_ removal: ServiceRemoval) -> [String] {
        let name = style(.bold, "\(removal.name).\(removal.namespace)")
        guard !removal.remaining.isEmpty else { return ["\(name) is taken away."] }
        let others = removal.remaining.map(\.words).joined(separator: ", ")
        return ["What was added here of \(name) is taken away; \(style(.plain, others)) goes on defining it."]
    }

    // MARK: parts

    private static let endpointColumns: [Table.Column] = [
        .init("ENDPOINT"), .init("NODE"), .init("REACHED AT"), .init("BEHIND IT"), .init("STATE"), .init("USED"),
    ]

    private func cells(_ endpoint: EndpointInfo) -> [Table.Cell] {
        let state: Table.Cell =
            endpoint.isReady
            ? .init("ready", .good)
            : endpoint.isTerminating
                ? .init(endpoint.isServing ? "draining" : "ending", .doubtful) : .init("not ready", .bad)
        return [
            .init(endpoint.address.description), .init(endpoint.node ?? "-"),
            .init(endpoint.reachedAt == endpoint.address ? "-" : endpoint.reachedAt.description),
            .init(endpoint.target ?? "-"), state, use(endpoint),
        ]
    }

    /// "50 %", "no: it is not ready", or each port's with its name where they differ.
    private func use(_ endpoint: EndpointInfo) -> Table.Cell {
        let uses = endpoint.ports.map { port in
            port.reason.map { "no: \($0)" } ?? port.sharePercent.map { "\($0) %" } ?? "by name"
        }
        guard let first = uses.first else { return .init("-") }
        let look: Style.Look = endpoint.isUsed ? .good : .doubtful
        guard uses.contains(where: { $0 != first }) else { return .init(first, look) }
        let each = zip(endpoint.ports, uses).map { "\($0.name ?? "\($0.port)") \($1)" }
        return .init(each.joined(separator: "; "), look)
    }

    private func name(_ service: ServiceInfo) -> String { "\(service.name).\(service.namespace)" }

    private func kind(_ kind: ServiceInfo.Kind) -> String {
        switch kind {
        case .clusterIP: "ClusterIP"
        case .headless: "headless"
        case .nodePort: "NodePort"
        case .loadBalancer: "LoadBalancer"
        case .externalName: "ExternalName"
        }
    }

    private func description(_ kind: ServiceInfo.Kind) -> String {
        switch kind {
        case .clusterIP: "a service with an address of its own"
        case .headless: "a headless service: its name leads to its endpoints"
        case .nodePort: "a service with an address of its own, and with ports on every node"
        case .loadBalancer: "a service with an address of its own, and behind load balancers"
        case .externalName: "another name"
        }
    }

    private func address(_ service: ServiceInfo) -> String {
        if let target = service.externalName { return target }
        let addresses = service.clusterIPs + service.loadBalancerAddresses
        return addresses.isEmpty ? "-" : addresses.map(\.description).joined(separator: ", ")
    }

    /// As `service add --port` takes it: "80:8080/udp=name"; a port of every node behind it.
    private func port(_ port: ServiceInfo.Port) -> String {
        var text = "\(port.port)"
        if !port.targets.isEmpty, port.targets != [port.port] {
            text += ":" + port.targets.map(String.init).joined(separator: "|")
        }
        if port.transport != "TCP" { text += "/\(port.transport.lowercased())" }
        if let name = port.name { text += "=\(name)" }
        if let nodePort = port.nodePort { text += " (node port \(nodePort))" }
        return text
    }

    private func ready(_ service: ServiceInfo) -> Table.Cell {
        guard service.kind != .externalName else { return .init("-") }
        let look: Style.Look =
            service.readyCount == 0 ? .bad : service.readyCount < service.endpointCount ? .doubtful : .good
        return .init("\(service.readyCount)/\(service.endpointCount)", look)
    }

    private func notices(_ notices: [Notice], after isAfterTable: Bool = false) -> [String] {
        let lines = notices.flatMap { notice in
            ["  \(style(.doubtful, "!")) \(style(.plain, notice.text))"]
                + (notice.nextStep.map { ["    next: \(style(.plain, $0))"] } ?? [])
        }
        return isAfterTable && !lines.isEmpty ? [""] + lines : lines
    }

    private func rest(_ shown: Int, of total: Int) -> [String] {
        shown < total ? ["", "\(Units.grouped(UInt64(shown))) of \(Units.grouped(UInt64(total))) are shown."] : []
    }
}
