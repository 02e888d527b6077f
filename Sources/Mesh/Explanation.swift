package import Wire

/// Why packets to a node go the way they go, step by step, with what is known of each.
///
/// Encoded: version 1 (1), verdict (2 + n), next step (2 + n, empty: none), steps (1 + n × …); a step is its outcome (1),
/// its name (2 + n) and its findings (1 + n × (2 + n)). Texts are UTF-8 of at most `textLimitBytes`.
package struct Explanation: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        case good = 1
        /// What fails.
        case failed = 2
        /// Works, and could be better; or nothing is known.
        case doubtful = 3
    }

    package struct Step: Equatable, Sendable {
        package var name: String
        package var outcome: Outcome
        package var findings: [String]

        package init(_ name: String, _ outcome: Outcome, _ findings: [String]) {
            self.name = name
            self.outcome = outcome
            self.findings = findings
        }
    }

    package static let stepLimit = 16
    package static let findingLimit = 24
    package static let textLimitBytes = 240

    package var verdict: String
    package var nextStep: String?
    package var steps: [Step]

    package init(verdict: String, nextStep: String? = nil, steps: [Step]) {
        self.verdict = verdict
        self.nextStep = nextStep
        self.steps = steps
    }
}

extension Explanation {
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 1024)
        writer.append(1 as UInt8)
        writer.append(text: verdict)
        writer.append(text: nextStep ?? "")
        let steps = steps.prefix(Self.stepLimit)
        writer.append(UInt8(steps.count))
        for step in steps {
            writer.append(step.outcome.rawValue)
            writer.append(text: step.name)
            let findings = step.findings.prefix(Self.findingLimit)
            writer.append(UInt8(findings.count))
            for finding in findings { writer.append(text: finding) }
        }
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        let version = try reader.readUInt8()
        guard version == 1 else { throw .unsupportedVersion(version) }
        verdict = try reader.readText()
        let next = try reader.readText()
        nextStep = next.isEmpty ? nil : next
        let count = Int(try reader.readUInt8())
        guard count <= Self.stepLimit else { throw .invalidField("step count") }
        steps = []
        for _ in 0..<count { steps.append(try Step(from: &reader)) }
        try reader.finish()
    }
}

extension Explanation.Step {
    fileprivate init(from reader: inout ByteReader) throws(WireError) {
        guard let outcome = Explanation.Outcome(rawValue: try reader.readUInt8()) else {
            throw .invalidField("outcome")
        }
        self.outcome = outcome
        name = try reader.readText()
        let count = Int(try reader.readUInt8())
        guard count <= Explanation.findingLimit else { throw .invalidField("finding count") }
        findings = []
        for _ in 0..<count { findings.append(try reader.readText()) }
    }
}

extension ByteWriter {
    fileprivate mutating func append(text: String) {
        var text = text[...]
        while text.utf8.count > Explanation.textLimitBytes { text = text.dropLast() }
        append(lengthPrefixed: Array(text.utf8))
    }
}

extension ByteReader {
    fileprivate mutating func readText() throws(WireError) -> String {
        let bytes = try readLengthPrefixedBytes(limit: Explanation.textLimitBytes)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidField("text") }
        return text
    }
}
