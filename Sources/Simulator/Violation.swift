import Mesh
package import SansIO
package import Traversal

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

    /// Finds peers whose path changed oftener than `limitPerMinute` in any minute since a moment. The most changes in a minute.
    /// What a denied host tries, and fails at, again and again does not count; several such are one stranger by name.
    package func checkOscillation(since start: Instant, limitPerMinute: Int) -> Int {
        var most = 0
        let members = Set(hosts.filter { denied[$0.index] == nil }.map(\.name))
        for host in hosts where denied[host.index] == nil {
            for (peer, changes) in host.pathChanges(since: start) where members.contains(peer) {
                let busiest = changes.map { first in
                    changes.count { (first...first + .seconds(60)).contains($0) }
                }
                most = max(most, busiest.max() ?? 0)
                if busiest.max() ?? 0 > limitPerMinute {
                    report(.oscillation, "\(host.name) to \(peer): \(busiest.max() ?? 0) times in a minute")
                }
            }
        }
        return most
    }

    /// The path that one host's packets to another take; `nil` while there is none.
    package func path(from host: Host, to other: Host) -> Path? {
        host.node.peerStatuses.first { $0.name == other.name }?.path
    }

    /// The relay that they pass through, if any.
    package func relay(from host: Host, to other: Host) -> String? {
        host.node.peerStatuses.first { $0.name == other.name }?.relay
    }
}

extension Host {
    /// When the path to each peer changed, ordered by name.
    package func pathChanges(since start: Instant) -> [(peer: String, changes: [Instant])] {
        var changes: [String: [Instant]] = [:]
        for happening in happenings where happening.at >= start {
            if case .pathChanged(let peer, _, _, _) = happening.event {
                changes[peer, default: []].append(happening.at)
            }
        }
        return changes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
