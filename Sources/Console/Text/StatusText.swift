import ControlAPI
import Wire

/// What `meshctl status` prints.
struct StatusText {
    let style: Style
    let now: Timestamp

    func lines(_ status: Status, withCounters: Bool = false) -> [String] {
        var lines = [headline(status)]
        lines += notices(status.state.reasons, mark: "!")
        lines += notices(status.warnings, mark: "warning:")
        if let services = status.services {
            lines += notices(ServiceStatusText().notices(services), mark: "warning:")
        }
        let facts = facts(status)
        let width = facts.map(\.0.count).max() ?? 0
        if !facts.isEmpty { lines.append("") }
        for (name, values) in facts {
            for (index, value) in values.enumerated() {
                let label = index == 0 ? name : ""
                let space = String(repeating: " ", count: width - label.count + 2)
                lines.append("  \(style(.dim, label))\(space)\(style(.plain, value))")
            }
        }
        if withCounters { lines += counters("Counted", status.counters) }
        if withCounters || !status.drops.isEmpty { lines += counters("Dropped packets", status.drops) }
        return lines
    }

    /// Lines such as `! no relay is reachable` with the next step below.
    func notices(_ notices: [Notice], mark: String) -> [String] {
        notices.flatMap { notice in
            let first = "  \(style(.doubtful, mark)) \(style(.plain, notice.text))"
            return [first] + (notice.nextStep.map { ["    next: \(style(.plain, $0))"] } ?? [])
        }
    }

    private func headline(_ status: Status) -> String {
        let name = style(.bold, status.nodeName)
        switch status.state {
        case .down: return "\(name) is \(style(.dim, "down"))"
        case .starting: return "\(name) is \(style(.doubtful, "starting"))"
        case .refused: return "\(name) is \(style(.doubtful, "not admitted to the mesh"))"
        case .ready: return "\(name) is \(style(.good, "ready"))"
        case .degraded: return "\(name) is \(style(.doubtful, "up, with faults"))"
        }
    }

    private func facts(_ status: Status) -> [(String, [String])] {
        var facts: [(String, [String])] = []
        func add(_ name: String, _ values: [String]) {
            if !values.isEmpty { facts.append((name, values)) }
        }
        add("mesh", status.meshID.map { [$0] } ?? [])
        add("node", status.nodeID.map { [$0] } ?? [])
        add("peers", status.meshID == nil ? [] : ["\(status.connectedPeerCount) of \(status.peerCount) connected"])
        add("addresses", status.addresses.map(\.description))
        add("prefixes", status.prefixes.map(\.description))
        add("containers", status.mappings.map(mapping))
        add("interface", status.interface.map { [$0 + (status.mtuBytes.map { ", MTU \($0)" } ?? "")] } ?? [])
        add("listening", status.listening.map { "UDP \($0)" })
        add("port mapping", status.portMappings.map(portMapping))
        if let services = status.services { facts += ServiceStatusText().facts(services) }
        add("certificate", status.certificateExpiry.map { ["until " + Units.moment($0, now: now)] } ?? [])
        add("running for", status.state == .down ? [] : [Units.age(status.uptime)])
        return facts
    }

    private func mapping(_ mapping: Status.ContainerMapping) -> String {
        mapping.local == mapping.mesh
            ? "\(mapping.local) on \(mapping.network)"
            : "\(mapping.local) on \(mapping.network), seen by others as \(mapping.mesh)"
    }

    private func portMapping(_ mapping: Status.PortMapping) -> String {
        guard let external = mapping.external, let method = mapping.method else {
            return "\(mapping.local) not mapped: \(mapping.problem ?? "asking \(mapping.gateway)")"
        }
        let doubt = mapping.isBehindAnotherNAT ? ", which is behind another NAT" : ""
        let end = mapping.remaining.map { ", for \(Units.age($0))" } ?? ""
        return "\(external) by \(method) from \(mapping.gateway)\(doubt)\(end)"
    }

    private func counters(_ title: String, _ counters: [Status.Counter]) -> [String] {
        guard !counters.isEmpty else { return ["", "\(title): none"] }
        let name = counters.map(\.name.count).max() ?? 0
        let width = counters.map { Units.grouped($0.count).count }.max() ?? 0
        return ["", "\(title):"]
            + counters.map { counter in
                let count = Units.grouped(counter.count)
                let space = String(repeating: " ", count: name - counter.name.count + 2 + width - count.count)
                return "  \(style(.plain, counter.name))\(space)\(count)"
            }
    }
}
