import Lab

/// Runs the trials of failover and prints the table of figures beside their goals.
struct FailoverReport {
    /// One line of the table.
    private struct Row {
        let what: String
        let trials: [String]
        let figure: String
        var unit = "ms"
        let goal: String
        /// Whether a TCP connection went along.
        var hasFlow = false
        /// Words to count instead of a figure: how many runs found them.
        var wanted: (word: String, value: String)?
    }

    private static let cones = Matrix.natPairs.filter { !$0.name.contains("nat4") }.map(\.name)

    private static let rows: [Row] = [
        Row(
            what: "relay in use killed silently, second relay up", trials: ["relay-killed"], figure: "gap",
            goal: "300 (worst 500)", hasFlow: true),
        Row(
            what: "two of three relays killed at once, that in use among them", trials: ["relays-killed"],
            figure: "gap",
            goal: "", hasFlow: true),
        Row(
            what: "direct path cut silently, relay up", trials: ["direct-cut"], figure: "gap", goal: "500",
            hasFlow: true),
        Row(
            what: "planned drain of the relay in use: probes lost", trials: ["relay-drained"], figure: "lost", unit: "",
            goal: "0", hasFlow: true),
        Row(
            what: "nebula of Debian: relay in use killed silently, second relay up", trials: ["nebula-relay-killed"],
            figure: "gap", goal: "", hasFlow: true),
        Row(
            what: "nebula of Debian: direct path cut silently, relays up", trials: ["nebula-direct-cut"], figure: "gap",
            goal: "", hasFlow: true),
        Row(
            what: "first packet answered, any of the 16 pairs of NATs", trials: Matrix.natPairs.map(\.name),
            figure: "first", goal: "300"),
        Row(what: "first direct packet, cone and cone", trials: cones, figure: "direct", goal: "260"),
        Row(
            what: "the same, symmetric with random ports and port-restricted: by port search",
            trials: Failover.searches.map(\.name), figure: "direct", goal: "in 99 % of runs 15000"),
        Row(
            what: "NAT forgets its mappings, port-restricted at the other end", trials: ["nat-rebound"], figure: "gap",
            goal: "1000", hasFlow: true),
        Row(
            what: "NAT gets another WAN address, port-restricted at the other end", trials: ["wan-moved"],
            figure: "gap",
            goal: "1000", hasFlow: true),
        Row(
            what: "interface down for 2 s: from up to the first answer", trials: ["interface-down"],
            figure: "unanswered",
            goal: "", hasFlow: true),
        Row(
            what: "suspended for a minute: from its end to the first answer", trials: ["suspended"],
            figure: "unanswered",
            goal: "", hasFlow: true),
        Row(
            what: "dual stack to IPv6 alone", trials: ["to-ipv6-alone"], figure: "gap", goal: "", hasFlow: true),
        Row(
            what: "relays at 10, 50 and 200 ms: until the nearest carries all", trials: ["relay-choice"],
            figure: "choose", goal: "2000"),
        Row(
            what: "the nearest and the farthest swap: until moved", trials: ["relay-choice"], figure: "move",
            goal: "5000"),
        Row(
            what: "moves after such a swap", trials: ["relay-choice"], figure: "moves", unit: "", goal: "1"),
        Row(
            what: "the relay in use begins to lose 5 %, another takes 10 ms more: lossless one chosen",
            trials: ["relay-loss"],
            figure: "last-loss", unit: "", goal: "always", wanted: ("chosen", "lossless")),
        Row(
            what: "\(Crowd.count) nodes behind one NAT through one relay: nodes that talk", trials: ["crowd"],
            figure: "talking", unit: "", goal: "\(Crowd.count)"),
        Row(
            what: "such a crowd starts at once: until the last was answered first", trials: ["crowd"], figure: "first",
            goal: ""),
    ]

    /// A crowd or a minute of sleep takes long, and of 16 pairs each need not be run so often.
    private static func share(of trial: String) -> Int {
        if trial == "crowd" { return 5 }
        return Matrix.rows.contains { $0.name == trial } ? 5 : 1
    }

    let pool: TrialPool
    let runs: Int
    let only: [String]

    func text() throws -> String {
        let rows = Self.rows.filter { row in only.isEmpty || row.trials.contains { only.contains($0) } }
        let names = rows.flatMap(\.trials).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        var outcomes: [String: TrialPool.Outcome] = [:]
        for share in [1, 5] {
            let part = names.filter { Self.share(of: $0) == share }
            guard !part.isEmpty else { continue }
            outcomes.merge(try pool.perform(part, runs: (runs + share - 1) / share)) { $1 }
        }
        let lines = rows.map { row in
            line(row, row.trials.compactMap { outcomes[$0] }.reduce(TrialPool.Outcome(), +))
        }
        return """
            | what happens | goal | median (worst) | runs | TCP connection: kept, longest stall |
            |---|---|---|---|---|
            \(lines.joined(separator: "\n"))
            """
    }

    private func line(_ row: Row, _ outcome: TrialPool.Outcome) -> String {
        let count = outcome.findings.count + outcome.failures.count
        let values = outcome.figures(row.figure)
        let unit = row.unit.isEmpty ? "" : " \(row.unit)"
        var found = values.isEmpty ? "-" : Statistic.medianAndWorst(values) + unit
        if let wanted = row.wanted {
            found = "\(outcome.words(wanted.word).count { $0 == wanted.value }) of \(count)"
        } else if let reason = outcome.words("skipped").first {
            found = reason
        } else if values.count < count {
            found += "; nothing in \(count - values.count)"
        }
        let unrecovered = outcome.words("recovered").count { $0 == "no" }
        if unrecovered > 0 { found += "; not recovered in \(unrecovered)" }
        let flows = outcome.words("flow")
        let flow =
            row.hasFlow && !flows.isEmpty
            ? "\(flows.count { $0 == "kept" }) of \(flows.count), \(Statistic.medianAndWorst(outcome.figures("flow-stall"))) ms"
            : ""
        return
            "| \([row.what, row.goal.isEmpty ? "-" : row.goal + unit, found, "\(count)", flow].joined(separator: " | ")) |"
    }
}
