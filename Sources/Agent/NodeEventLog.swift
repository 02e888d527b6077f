import Mesh
import Traversal
import Wire

extension NodeEvent {
    /// One line an event, with its fields; what an operator must act on is a warning.
    ///
    /// `link` tells what a path goes along when it is no plain UDP path.
    func write(to log: Log, link: (Path) -> Link?) {
        func text(_ path: Path?, _ relay: String?) -> String {
            guard let path else { return "none" }
            switch (path, link(path)) {
            case (_, let link?): return (link.kind == .stream ? "tls " : "") + "\(link.remote)"
            case (.direct(let endpoint), nil): return "\(endpoint)"
            case (.relayed, nil): return relay.map { "relay \($0)" } ?? "a relay"
            }
        }
        switch self {
        case .connected(let peer, let path): log.info("peer connected", ["peer": peer, "path": text(path, nil)])
        case .disconnected(let peer): log.info("peer disconnected", ["peer": peer])
        case .pathChanged(let peer, let path, let relay, let reason):
            log.info("path changed", ["peer": peer, "path": text(path, relay), "reason": reason.rawValue])
        case .learned(let node): log.info("node learned", ["peer": node])
        case .refused(let source, let reason): log.warning("certificate refused", ["peer": source, "reason": reason])
        case .refusedByPeer(let peer, let reason):
            log.warning("this node is not admitted", ["peer": peer, "reason": reason])
        case .ownCertificate(let problem): log.warning("this node's certificate needs attention", ["reason": problem])
        case .renewed(let end): log.info("certificate renewed", ["until": "\(end)"])
        case .clockSkew(let peer, let seconds):
            log.warning(
                "clocks differ", ["peer": peer, "seconds": "\(seconds)", "next": "set the clock of one of them"])
        case .reachable: log.info("others reach this node unasked: it may relay")
        case .unreachable(let tried):
            log.warning(
                "nobody outside reaches this node: it relays for none there",
                [
                    "tried": tried.map(\.description).joined(separator: ","),
                    "next": "forward the UDP port to this host, or allow it in the firewall",
                ])
        case .udpSilent: log.warning("nobody answers over UDP: TLS streams to relays are tried")
        case .udpAnswers: log.info("UDP answers")
        case .circuitRefused(let relay, let target, let reason):
            log.info("relay refused a circuit", ["relay": relay, "peer": target, "reason": "\(reason)"])
        case .unanswered(let peer, let tried):
            log.warning(
                "peer does not answer", ["peer": peer, "tried": tried.map(\.description).joined(separator: ",")])
        case .punchFailed(let peer, let tried, let pair):
            log.info(
                "no direct path",
                [
                    "peer": peer, "tried": tried.map(\.description).joined(separator: ","),
                    "own nat": "\(pair.own)", "peer nat": "\(pair.peer)",
                ])
        case .searchEnded(let peer, let role, let outcome):
            log.info("port search ended", ["peer": peer, "role": role.rawValue, "outcome": "\(outcome)"])
        case .natDiscovered(let report):
            log.info("network checked", ["ipv4": report.ipv4.kind, "ipv6": report.ipv6.kind])
        case .livenessChanged(let dead, let back):
            log.info(
                "nodes died or came back",
                ["dead": dead.joined(separator: ","), "back": back.joined(separator: ",")])
        case .announced, .announcementsEnded, .pong, .explained: break
        }
    }
}
