import Glibc
import Lab

/// Runs trials as processes of their own, a few at a time, and gathers what they found.
struct TrialPool {
    /// What came of one trial's runs.
    struct Outcome {
        var findings: [Trial.Findings] = []
        /// Why a run found nothing; its log has more.
        var failures: [String] = []

        func figures(_ name: String) -> [Double] { findings.compactMap { $0.figures[name] }.sorted() }
        func words(_ name: String) -> [String] { findings.compactMap { $0.words[name] } }

        static func + (one: Outcome, other: Outcome) -> Outcome {
            Outcome(findings: one.findings + other.findings, failures: one.failures + other.failures)
        }
    }

    let files: String
    /// Where each run's log is left.
    let logs: String
    let concurrency: Int

    /// Performs each of the named trials `runs` times, all of the first round before the second.
    func perform(_ names: [String], runs: Int) throws -> [String: Outcome] {
        var waiting = (1...runs).flatMap { round in names.map { (name: $0, log: "\(logs)/\($0)-\(round).log") } }[...]
        var active: [(name: String, log: String, program: Program)] = []
        var outcomes: [String: Outcome] = [:]
        let count = waiting.count
        try Files.makeFolder(logs)
        defer { for trial in active { trial.program.stop(with: SIGINT, patience: .seconds(30)) } }
        while !waiting.isEmpty || !active.isEmpty {
            try Interruption.check()
            while active.count < concurrency, let next = waiting.popFirst() {
                try Files.write("", to: next.log)
                let program = try Program(
                    [try Program.built("meshlab"), "trial", next.name, "--files", files], logPath: next.log)
                active.append((next.name, next.log, program))
            }
            usleep(20_000)
            // Asked once: one that ends a moment later is for the next round.
            let ended = active.filter { !$0.program.isRunning }
            active.removeAll { trial in ended.contains { $0.log == trial.log } }
            for (index, trial) in ended.enumerated() {
                let outcome = Self.outcome(of: trial.program)
                outcomes[trial.name] = outcomes[trial.name, default: Outcome()] + outcome
                let left = waiting.count + active.count + ended.count - index - 1
                let said = outcome.failures.first ?? outcome.findings.first?.summary ?? ""
                Screen.write("lab: \(count - left)/\(count) \(trial.name): \(said)", to: STDERR_FILENO)
            }
        }
        return outcomes
    }

    private static func outcome(of program: Program) -> Outcome {
        let log = program.log
        guard program.exitStatus == 0 else {
            let reason = log.split(separator: "\n").last { $0.hasPrefix("! ") }.map { String($0.dropFirst(2)) }
            return Outcome(failures: [reason ?? "ended with status \(program.exitStatus ?? -1)"])
        }
        return Outcome(findings: [Trial.Findings(parsing: log)])
    }
}

extension Trial.Findings {
    /// For the line that tells of progress.
    var summary: String {
        let figures = figures.sorted { $0.key < $1.key }.map { "\($0.key) \(Screen.figure($0.value))" }
        return (figures + words.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }).joined(separator: ", ")
    }
}
