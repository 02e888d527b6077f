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
        perform("matrix") { pool in
            try MatrixReport(pool: pool, runs: options.runs, only: options.only).text()
        }
    }

    func failover() -> Int32 {
        perform("failover") { pool in
            try FailoverReport(pool: pool, runs: options.runs, only: options.only).text()
        }
    }

    /// Prints a table and puts it into the page; returns the exit code.
    private func perform(_ section: String, _ table: (TrialPool) throws -> String) -> Int32 {
        Interruption.listen()
        do {
            let text = try table(
                TrialPool(files: options.files, logs: options.logs, concurrency: options.concurrency))
            Screen.write(text)
            if let page = options.page { try Self.write(text, into: page, section: section) }
            return 0
        } catch LabError.interrupted {
            Screen.write("\nInterrupted: everything has been taken down again.")
            return 130
        } catch {
            Screen.write("meshlab: \(error)")
            return 1
        }
    }

    /// Replaces what stands between two comments of the page: `<!-- NAME -->` and `<!-- end of NAME -->`.
    private static func write(_ text: String, into page: String, section: String) throws {
        let (begin, end) = ("<!-- \(section) -->", "<!-- end of \(section) -->")
        guard let old = Files.text(of: page), let first = old.firstRange(of: begin), let last = old.firstRange(of: end)
        else { throw LabError.unexpected("\(page) has no lines '\(begin)' and '\(end)' to write between") }
        let new = old[..<first.upperBound] + "\n\n\(text)\n\n" + old[last.lowerBound...]
        try Files.write(String(new), to: page)
    }
}
