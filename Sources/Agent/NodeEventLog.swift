import Mesh
import Traversal
import Wire

extension NodeEvent {
    /// One line an event, with its fields; what an operator must act on is a warning.
    func write(to log: Log) {
        switch self {
        case .connected(let peer, let path): log.info("peer connected", ["peer": peer, "path": Self.text(path, nil)])
        case .disconnected(let peer): log.info("peer disconnected", ["peer": peer])
        case .pathChanged(let peer, let path, let relay, let reason):
            log.info("path changed", ["peer": peer, "path": Self.text(path, relay), "reason": reason.rawValue])
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
        case .pong, .explained: break
        }
    }

    private static func text(_ path: Path?, _ relay: String?) -> String {
        switch path {
        case .direct(let endpoint)?: "\(endpoint)"
        case .relayed?: "relay \(relay ?? "unknown")"
        case nil: "none"
        }
    }
}
