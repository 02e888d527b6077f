import ControlAPI

/// What `meshctl relay` prints.
struct RelayText {
    let style: Style

    func lines(_ status: RelayStatus) -> [String] {
        var lines = [headline(status)]
        lines.append(
            "  \(status.circuits) of \(status.circuitLimit) circuits, \(Units.bytes(status.bytes)) forwarded, "
                + "\(Units.grouped(status.droppedPackets)) packets dropped")
        for refusal in status.refusals where refusal.count > 0 {
            lines.append("  refused: \(Units.grouped(refusal.count)) \(style(.plain, refusal.name))")
        }
        guard !status.members.isEmpty else { return lines }
        var table = Table(columns: [
            .init("MEMBER"), .init("CIRCUITS", isNumeric: true), .init("FORWARDED", isNumeric: true),
            .init("DROPPED", isNumeric: true),
        ])
        for member in status.members {
            table.rows.append([
                .init(member.name), .init("\(member.circuits)"), .init(Units.bytes(member.bytes)),
                .init(Units.grouped(member.droppedPackets)),
            ])
        }
        return lines + [""] + table.lines(style)
    }

    private func headline(_ status: RelayStatus) -> String {
        let state =
            switch status.state {
            case .on: style(.good, "This node relays for others")
            case .draining: style(.doubtful, "This node takes no new circuits and moves those it has elsewhere")
            case .off: style(.dim, "This node does not relay")
            case .unable: style(.doubtful, "This node would relay, but cannot")
            }
        return state + (status.reason.map { ": \(style(.plain, $0))" } ?? "") + "."
    }
}
