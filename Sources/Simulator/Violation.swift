package import SansIO

/// Something that must never happen, and did.
package struct Violation: Equatable, Sendable, CustomStringConvertible {
    package enum Rule: String, Equatable, Sendable {
        /// A relay sent on what somebody sent who is not of the mesh.
        case forwardedForOutsider = "a relay forwarded for an outsider"
        /// A packet passed to or from a host that was denied.
        case deliveredToDenied = "a packet passed to or from a denied host"
        case unreachable = "two live hosts found no path"
        case oscillation = "a path changed too often"
        case grown = "state grew beyond its bound"
    }

    package var rule: Rule
    package var at: Instant
    package var detail: String

    package var description: String { "\(at.nanoseconds / 1_000_000) ms: \(rule.rawValue): \(detail)" }
}

extension Simulation {
    /// From now on nothing may be delivered to or from a host.
    package func deny(_ host: Host) { denied[host.index] = now }

    func report(_ rule: Violation.Rule, _ detail: String) {
        violations.append(Violation(rule: rule, at: now, detail: detail))
    }

    func checkForwarding(_ arrival: Fabric.Arrival, by host: Host) {
        if let sender = arrival.sender, hosts[sender].isOutsider {
            report(.forwardedForOutsider, "\(host.name) for \(hosts[sender].name)")
        }
    }

    func checkDelivery(of flow: Flow, isAnswer: Bool, at host: Host) {
        let other = isAnswer ? flow.receiver : flow.sender
        for index in [host.index, other] where denied[index] != nil {
            report(.deliveredToDenied, "\(hosts[other].name) to \(host.name), though \(hosts[index].name) was denied")
        }
    }
}
