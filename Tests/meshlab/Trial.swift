import ControlAPI
import Lab

/// One measurement in a lab of its own. It runs in a process of its own, several at a time: see `TrialPool`.
struct Trial: Sendable {
    /// What a trial found: figures by name, in milliseconds or as counts, and words by name.
    struct Findings: Equatable {
        var figures: [String: Double] = [:]
        var words: [String: String] = [:]

        mutating func note(_ name: String, _ time: Duration?) {
            if let time { figures[name] = time / .milliseconds(1) }
        }

        /// Lines that the parent process reads back.
        var text: String {
            let lines = figures.map { "= \($0.key) \($0.value)" } + words.map { "~ \($0.key) \($0.value)" }
            return lines.sorted().joined(separator: "\n")
        }

        init() {}

        /// Reads what a trial printed, of which other lines are for the reader of the log.
        init(parsing text: String) {
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 2)
                guard words.count == 3 else { continue }
                if words[0] == "=", let figure = Double(words[2]) { figures[String(words[1])] = figure }
                if words[0] == "~" { self.words[String(words[1])] = String(words[2]) }
            }
        }
    }

    /// Why a trial cannot be performed here; the report says it.
    struct Skip: Error {
        let reason: String
    }

    let name: String
    let measure: @Sendable (Lab, String, inout Findings) throws -> Void

    /// Every trial there is, by name.
    static let all: [String: Trial] = Dictionary(
        uniqueKeysWithValues: [
            Matrix.trials, Failover.trials, Failover.searches, RelayChoice.trials, Crowd.trials, Nebula.trials,
        ].joined().map { ($0.name, $0) })

    /// Runs the trial and prints what it found, and on an error why, with what the agents logged.
    func perform(files: String) -> Int32 {
        do {
            return try Lab.with("trial") { lab in
                var findings = Findings()
                do {
                    try measure(lab, files, &findings)
                } catch let skip as Skip {
                    findings.words["skipped"] = skip.reason
                } catch {
                    writeLogs(of: lab)
                    throw error
                }
                writeLogs(of: lab)
                Screen.write(findings.text)
                return 0
            }
        } catch {
            Screen.write("! \(error)")
            return 1
        }
    }

    /// For the reader of the log: what every agent said, and how the two that were measured see the others in the end.
    private func writeLogs(of lab: Lab) {
        for host in lab.hosts {
            if ["left", "right"].contains(host.label), let peers = try? host.result(of: "meshctl", "peers") {
                Screen.write("meshctl peers on \(host.label):\n\(peers.output)\(peers.errors)")
            }
            for line in MeshNode.log(on: host).split(separator: "\n") { Screen.write("\(host.label): \(line)") }
        }
    }
}

extension Duo {
    /// Waits until the left side's path is as wanted; whether it came to that in time.
    func waitForPath(within limit: Duration, _ isWanted: (Path) -> Bool) throws(LabError) -> Bool {
        let deadline = Meter.now + limit
        while try !isWanted(path()) {
            guard Meter.now < deadline else { return false }
            try Meter.pause(.milliseconds(200))
        }
        return true
    }
}
