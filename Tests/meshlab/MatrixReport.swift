import Lab

/// Runs the matrix and prints it as tables of Markdown.
struct MatrixReport {
    let pool: TrialPool
    let runs: Int
    /// Rows to measure; all, if empty.
    let only: [String]

    func text() throws -> String {
        let rows = Matrix.rows.filter { only.isEmpty || only.contains($0.name) }
        let outcomes = try pool.perform(rows.map(\.name), runs: runs)
        let lines = rows.map { row in line(row, outcomes[row.name] ?? TrialPool.Outcome()) }
        return """
            Median and (worst), in milliseconds since the first packet between the two.

            | one end | the other | first answer | first direct packet | path in the end | lost, late, twice | runs |
            |---|---|---|---|---|---|---|
            \(lines.joined(separator: "\n"))
            """
    }

    private func line(_ row: Matrix.Row, _ outcome: TrialPool.Outcome) -> String {
        let paths = outcome.words("path").map { $0.hasPrefix("by ") ? "relay" : $0 }
        let counted = Set(paths).sorted().map { path in
            let count = paths.count { $0 == path }
            return count == runs ? path : "\(path) \(count)/\(runs)"
        }
        let failed = outcome.failures.isEmpty ? [] : ["failed \(outcome.failures.count)/\(runs)"]
        let counts = ["lost", "late", "twice"].map { name in
            Screen.figure(outcome.figures(name).reduce(0, +) / Double(max(1, outcome.findings.count)))
        }
        let cells = [
            row.left, row.right, Statistic.medianAndWorst(outcome.figures("first")),
            Statistic.medianAndWorst(outcome.figures("direct")), (counted + failed).joined(separator: ", "),
            counts.joined(separator: ", "), "\(runs)",
        ]
        return "| \(cells.joined(separator: " | ")) |"
    }
}

/// Figures of several runs in a few words.
enum Statistic {
    /// "12 (34)", or a dash where there is nothing.
    static func medianAndWorst(_ values: [Double]) -> String {
        let sorted = values.sorted()
        guard let worst = sorted.last else { return "-" }
        return "\(Screen.figure(sorted[sorted.count / 2])) (\(Screen.figure(worst)))"
    }
}
