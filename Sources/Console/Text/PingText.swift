import ControlAPI
import Wire

/// What `meshctl ping` prints.
struct PingText {
    let style: Style

    func line(_ pong: Pong) -> String {
        let address = pong.address.map { " (\($0))" } ?? ""
        let name = style(.plain, pong.node) + address
        guard let time = pong.roundTripTime else {
            return "\(pong.sequence): \(name) \(style(.bad, "no answer")), \(path(pong))"
        }
        return "\(pong.sequence): \(name) \(Units.milliseconds(time)), \(path(pong))"
    }

    func line(_ summary: PingSummary) -> String {
        let lost = summary.sent == 0 ? 0 : (summary.sent - summary.received) * 100 / summary.sent
        var line = "\(summary.sent) sent, \(summary.received) answered, \(lost) % lost"
        if let minimum = summary.minimum, let mean = summary.mean, let maximum = summary.maximum {
            let times = [minimum, mean, maximum].map(Units.milliseconds).joined(separator: " / ")
            line += "; least, mean, most: \(times)"
        }
        return line
    }

    private func path(_ pong: Pong) -> String {
        let endpoint = pong.endpoint.map { " \($0)" } ?? ""
        return switch pong.path {
        case .direct: style(.good, "direct") + endpoint
        case .stream: style(.doubtful, "tls") + endpoint
        case .relay(let name): style(.doubtful, "via \(name)") + endpoint
        case .none: style(.bad, "no path")
        }
    }
}
