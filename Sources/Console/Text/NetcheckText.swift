import ControlAPI
import Wire

/// What `meshctl netcheck` prints.
struct NetcheckText {
    let style: Style

    func lines(_ check: Netcheck) -> [String] {
        var lines = check.families.flatMap { family($0) }
        lines += ["", "Reached by others: \(reached(check))"]
        lines += candidates(check.candidates)
        lines += ["", check.relays.isEmpty ? "Relays: none are known." : "Relays:"]
        lines += relays(check.relays)
        for warning in check.warnings { lines.append("\(style(.doubtful, "warning:")) \(style(.plain, warning.text))") }
        lines.append("")
        lines.append(style(.dim, "checked in \(Units.milliseconds(check.duration))"))
        return lines
    }

    private func family(_ family: Netcheck.Family) -> [String] {
        let mood: Style.Look = family.udp == "works" ? .good : family.udp == "blocked" ? .bad : .dim
        let outside =
            family.outside.isEmpty ? "" : ", seen as \(family.outside.map(\.description).joined(separator: ", "))"
        return ["IPv\(family.version): \(style(mood, family.kind))\(outside)"]
            + family.meaning.map { "  \(style(.plain, $0))" }
    }

    private func reached(_ check: Netcheck) -> String {
        if check.isReachable { return style(.good, "yes, by anybody") + "; this node can relay" }
        if check.isReachableLocally {
            return style(.doubtful, "on its own network only") + "; this node can relay there"
        }
        return style(.doubtful, "only after this node has sent something to them")
    }

    private func candidates(_ candidates: [Netcheck.Candidate]) -> [String] {
        guard !candidates.isEmpty else { return ["  no address is known at which it could be reached"] }
        var table = Table(columns: [.init("ADDRESS"), .init("KNOWN BY"), .init("STRANGERS")])
        for candidate in candidates {
            let standing: Table.Cell =
                switch candidate.standing {
                case "confirmed": .init("get in", .good)
                case "refuted": .init("do not get in", .doubtful)
                case "failing": .init("did not get in just now", .doubtful)
                default: .init("not tried", .dim)
                }
            table.rows.append([.init(candidate.endpoint.description), .init(source(candidate.kind)), standing])
        }
        return table.lines(style).map { "  \($0)" }
    }

    private func source(_ kind: String) -> String {
        switch kind {
        case "advertised": "advertise in the configuration"
        case "mapped": "the gateway forwards it"
        case "interface", "private": "an interface"
        case "reflexive": "what others see"
        default: kind
        }
    }

    private func relays(_ relays: [Netcheck.Relay]) -> [String] {
        guard !relays.isEmpty else { return [] }
        var table = Table(columns: [.init("NAME"), .init("RTT", isNumeric: true), .init("STATE")])
        for relay in relays {
            table.rows.append([
                .init(relay.name), .init(relay.roundTripTime.map(Units.milliseconds) ?? "-"),
                relay.isConnected ? .init("connected", .good) : .init("not connected", .doubtful),
            ])
        }
        return table.lines(style).map { "  \($0)" }
    }
}
