import ControlAPI
import Mesh
import SansIO
import Traversal
import Wire

// What `meshctl netcheck` shows.
extension MeshService {
    func netcheck(after duration: Duration) -> Netcheck {
        let report = node.natReport
        var check = Netcheck(
            families: [report?.ipv4, report?.ipv6].compactMap { $0 }.map(Netcheck.Family.init),
            candidates: node.candidates.map { candidate in
                Netcheck.Candidate(
                    endpoint: candidate.endpoint, kind: candidate.kind.name,
                    standing: node.standing(of: candidate.endpoint).name)
            },
            relays: node.relayDistances.map {
                Netcheck.Relay(name: $0.name, roundTripTime: $0.roundTripTime, isConnected: $0.isConnected)
            },
            isReachable: node.isReachable, isReachableLocally: node.isReachableLocally, duration: duration)
        if node.isCheckingNetwork {
            check.warnings.append(Notice("not everything was found out in time", nextStep: "ask again in a minute"))
        }
        return check
    }
}

extension Netcheck.Family {
    init(_ report: NATFamilyReport) {
        let udp =
            switch report.connectivity {
            case .works: "works"
            case .blocked: "blocked"
            case .untested: "untested"
            }
        self.init(version: report.isIPv4 ? 4 : 6, udp: udp, kind: report.kind)
        outside = report.outsideAddresses
        mapping = take(report.mapping, "mapping")?.rawValue
        filtering = take(report.filtering, "filtering")?.rawValue
        hairpin = take(report.hairpin, "hairpin")
        ports = take(report.ports, "ports").map(Netcheck.Ports.init)
        switch take(report.lifetime, "lifetime") {
        case .atLeast(let time)?: lifetimeAtLeast = time
        case .between(let low, let high)?: (lifetimeAtLeast, lifetimeBelow) = (low, high)
        case .lessThan(let time)?: lifetimeBelow = time
        case nil: break
        }
        meaning = report.meaning
    }

    private mutating func take<Value>(_ finding: Finding<Value>, _ name: String) -> Value? {
        if case .unknown(let obstacle) = finding {
            unknown.append(Netcheck.Unknown(finding: name, reason: obstacle.rawValue))
        }
        return finding.value
    }
}

extension Netcheck.Ports {
    init(_ ports: NATPorts) {
        self.init(
            pattern: "random", lowest: Int(ports.lowest), highest: Int(ports.highest), samples: ports.sampleCount)
        switch ports.pattern {
        case .preserved: pattern = "preserved"
        case .sequential(let step): (pattern, stride) = ("sequential", step)
        case .block(let size): (pattern, blockSize) = ("block", size)
        case .random: break
        }
    }
}

extension OwnCandidate.Kind {
    fileprivate var name: String {
        switch self {
        case .advertised: "advertised"
        case .mapped: "mapped"
        case .interface: "interface"
        case .reflexive: "reflexive"
        case .privateInterface: "private"
        }
    }
}

extension Reachability.Standing {
    fileprivate var name: String {
        switch self {
        case .untested: "untested"
        case .confirmed: "confirmed"
        case .failing: "failing"
        case .refuted: "refuted"
        }
    }
}
