import Lab

/// The measurements of paths: `meshlab matrix` and `meshlab failover`.
struct Measurements {
    struct Options {
        var files = ""
        var logs = ""
        var runs = 10
        var concurrency = 3
        var only: [String] = []
        /// The page to write the table into; printed alone, if `nil`.
        var page: String?
    }

    let options: Options

    func matrix() -> Int32 {
        perform("matrix", keyCells: 2) { pool in
            try MatrixReport(pool: pool, runs: options.runs, only: options.only).text()
        }
    }

    func failover() -> Int32 {
        perform("failover", keyCells: 1) { pool in
            try FailoverReport(pool: pool, runs: options.runs, only: options.only).text()
        }
    }

    /// Prints a table and puts it into the page; returns the exit code.
    private func perform(_ section: String, keyCells: Int, _ table: (TrialPool) throws -> String) -> Int32 {
        Interruption.listen()
        do {
            let text = try table(
                TrialPool(files: options.files, logs: options.logs, concurrency: options.concurrency))
            Screen.write(text)
            if let page = options.page { try write(text, into: page, section: section, keyCells: keyCells) }
            return 0
        } catch LabError.interrupted {
            Screen.write("\nInterrupted: everything has been taken down again.")
            return 130
        } catch {
            Screen.write("meshlab: \(error)")
            return 1
        }
    }

    /// Replaces what stands between two comments of the page, `<!-- NAME -->` and `<!-- end of NAME -->`; where not everything was
    /// measured only the lines that begin with the same `keyCells` cells.
    private func write(_ text: String, into page: String, section: String, keyCells: Int) throws {
        let (begin, end) = ("<!-- \(section) -->", "<!-- end of \(section) -->")
        guard let old = Files.text(of: page), let first = old.firstRange(of: begin), let last = old.firstRange(of: end)
        else { throw LabError.unexpected("\(page) has no lines '\(begin)' and '\(end)' to write between") }
        let kept = old[first.upperBound..<last.lowerBound]
        let table = options.only.isEmpty ? text : Self.table(kept, with: text, keyCells: keyCells)
        try Files.write("\(old[..<first.upperBound])\n\n\(table)\n\n\(old[last.lowerBound...])", to: page)
    }

    /// A table with the lines of another in the place of its own, and those that it has not at its end.
    private static func table(_ old: Substring, with new: String, keyCells: Int) -> String {
        func key(_ line: Substring) -> [Substring] { Array(line.split(separator: " | ").prefix(keyCells)) }
        var lines = old.split(separator: "\n", omittingEmptySubsequences: false)
        while lines.first?.isEmpty == true { lines.removeFirst() }
        while lines.last?.isEmpty == true { lines.removeLast() }
        for line in new.split(separator: "\n").drop(while: { !$0.hasPrefix("|---") }).dropFirst() {
            if let index = lines.firstIndex(where: { $0.hasPrefix("| ") && key($0) == key(line) }) {
                lines[index] = line
            } else {
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n")
    }
}
