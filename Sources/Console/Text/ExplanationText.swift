import ControlAPI
import Wire

/// What `meshctl why` and `meshctl trace` print.
struct ExplanationText {
    let style: Style

    func lines(_ explanation: Explanation) -> [String] {
        var lines = [
            "\(style(.bold, explanation.from)) to \(style(.bold, explanation.to)): \(explanation.verdict)", "",
        ]
        let width = explanation.steps.map(\.name.count).max() ?? 0
        for step in explanation.steps {
            let name = "  \(mark(step.outcome)) \(style(.plain, step.name))"
            guard let first = step.findings.first else {
                lines.append(name)
                continue
            }
            lines.append(name + String(repeating: " ", count: width - step.name.count + 2) + style(.plain, first))
            let indent = String(repeating: " ", count: width + 6)
            lines += step.findings.dropFirst().map { indent + style(.plain, $0) }
        }
        if let next = explanation.nextStep { lines += ["", "next: \(style(.plain, next))"] }
        return lines
    }

    func lines(_ trace: Trace) -> [String] {
        trace.hops.enumerated().map { index, hop in
            let time = hop.roundTripTime.map(Units.milliseconds) ?? style(.bad, "no answer")
            let endpoint = hop.endpoint.map { " \($0)" } ?? ""
            let name = style(.plain, hop.name)
            return switch hop.role {
            case .origin: "\(index)  \(name) (this host)"
            case .relay: "\(index)  \(name) (\(style(.doubtful, "relay")))\(endpoint)  \(time)"
            case .node: "\(index)  \(name)\(endpoint)  \(time)"
            }
        }
    }

    private func mark(_ outcome: Explanation.Outcome) -> String {
        switch outcome {
        case .good: style(.good, "+")
        case .failed: style(.bad, "x")
        case .doubtful: style(.doubtful, "?")
        }
    }
}
