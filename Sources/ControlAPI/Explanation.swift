package import JSON

/// Why packets from one node to another go the way they go, or do not get there: each step with what is known of it.
package struct Explanation: JSONRepresentable {
    package enum Outcome: String, CaseIterable, Sendable {
        /// This step works.
        case good
        /// This step is what fails.
        case failed
        /// It works, and could be better; or nothing is known of it.
        case doubtful
    }

    package struct Step: JSONRepresentable {
        package var name: String
        package var outcome: Outcome
        /// The evidence, a sentence each.
        package var findings: [String]

        package init(_ name: String, _ outcome: Outcome, _ findings: [String]) {
            self.name = name
            self.outcome = outcome
            self.findings = findings
        }
    }

    /// The node whose view this is, and the one that it is about.
    package var from: String
    package var to: String
    /// All of it in one sentence.
    package var verdict: String
    package var steps: [Step]
    package var nextStep: String?

    package init(from: String, to: String, verdict: String, steps: [Step], nextStep: String? = nil) {
        self.from = from
        self.to = to
        self.verdict = verdict
        self.steps = steps
        self.nextStep = nextStep
    }
}

extension Explanation {
    package init(json: JSONCursor) throws(JSONError) {
        self.init(
            from: try json.member("from").string(), to: try json.member("to").string(),
            verdict: try json.member("verdict").string(), steps: try json.list("steps"),
            nextStep: try json.optionalString("nextStep"))
    }

    package var json: JSONValue {
        [
            "from": .string(from), "to": .string(to), "verdict": .string(verdict), "steps": JSONValue(list: steps),
            "nextStep": nextStep.json,
        ]
    }
}

extension Explanation.Step {
    package init(json: JSONCursor) throws(JSONError) {
        let outcome = try json.member("outcome")
        guard let known = Explanation.Outcome(rawValue: try outcome.string()) else {
            throw outcome.invalid("good, failed or doubtful", found: try outcome.string())
        }
        self.init(try json.member("name").string(), known, try json.texts("findings"))
    }

    package var json: JSONValue {
        ["name": .string(name), "outcome": .string(outcome.rawValue), "findings": JSONValue(texts: findings)]
    }
}
