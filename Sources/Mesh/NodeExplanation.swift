import Identity
import Noise
package import SansIO
import Traversal
import Wire

// Why the way to a peer is as it is, from what this node knows.
extension Node {
    /// Every step of reaching a peer with its evidence; `nil` for a number that is no peer's.
    package func explanation(of number: Int, at now: Instant) -> Explanation? {
        guard let peer = peers[number] else { return nil }
        var steps = [admissionStep(peer, at: now), tunnelStep(peer, at: now)]
        if !peer.isClient {
            steps.append(directStep(peer, at: now))
            steps.append(relayStep(peer, at: now))
        }
        steps.append(pathStep(peer, at: now))
        let failed = steps.first { $0.outcome == .failed }
        return Explanation(
            verdict: verdict(peer, failed: failed, at: now), nextStep: nextStep(peer, failed: failed), steps: steps)
    }

    /// Whether a way to a peer is or was being looked for; else nothing that is missing has failed.
    private func isSought(_ peer: Peer) -> Bool { peer.hasSession || peer.initiation != nil || peer.failedAt != nil }

    private func verdict(_ peer: Peer, failed: Explanation.Step?, at now: Instant) -> String {
        guard peer.hasSession, let path = peer.paths.current else {
            if let failed { return "not reached: \(failed.findings.first ?? "no path is known")" }
            return peer.isClient ? "not connected: it has not called" : "not connected, for nothing was to be sent"
        }
        switch path {
        case .direct(let endpoint) where endpoint.link?.kind == .stream:
            return "inside a TLS stream, for UDP does not get through"
        case .direct: return "direct"
        case .relayed: return "relayed by \(relayName(of: path) ?? "a node that has left")"
        }
    }

    private func nextStep(_ peer: Peer, failed: Explanation.Step?) -> String? {
        switch failed?.name {
        case "admission": "see meshctl status on \(peer.name)"
        case "tunnel": "check that \(peer.name) runs and that UDP or TCP 443 leaves both sites"
        case "relay": "give one node an address that all reach, or set relayNodes in config.yaml"
        default: isSought(peer) || peer.isClient ? nil : "run meshctl ping \(peer.name), then ask again"
        }
    }

    private func admissionStep(_ peer: Peer, at now: Instant) -> Explanation.Step {
        if peer.isClient { return .init("admission", .good, ["a WireGuard client of this node"]) }
        guard let identifier = peer.nodeID, let record = directory.record(of: identifier) else {
            return .init(
                "admission", .doubtful, ["only its address is known, from the join token; no record of it yet"])
        }
        if let refusal = peer.refusal {
            return .init("admission", .failed, ["\(peer.name) does not admit this node: \(refusal)"])
        }
        let age = wallTime(at: now).seconds.subtractingReportingOverflow(record.wallTime.seconds)
        return .init(
            "admission", .good,
            [
                "certificate until \(peer.certificateExpiry)",
                "record \(record.number), signed \(age.overflow ? 0 : age.partialValue) s ago",
            ])
    }

    private func tunnelStep(_ peer: Peer, at now: Instant) -> Explanation.Step {
        if peer.hasSession, let since = peer.sessionSince {
            var findings = ["session since \(Self.seconds(now - since))"]
            if let heard = peer.tunnel.activity.lastReceived {
                findings.append("heard \(Self.seconds(now - heard)) ago")
            }
            return .init("tunnel", .good, findings)
        }
        if peer.initiation != nil {
            let count = max(1, peer.initiationCount)
            return .init(
                "tunnel", .failed, ["no answer to \(Self.count(count, "handshake message")) so far"])
        }
        if let failedAt = peer.failedAt {
            return .init(
                "tunnel", .failed, ["no answer to any handshake message: given up \(Self.seconds(now - failedAt)) ago"])
        }
        return .init("tunnel", .doubtful, ["none, for nothing was to be sent"])
    }

    /// What came of each address that packets could go to directly, and of the holes that were punched.
    private func directStep(_ peer: Peer, at now: Instant) -> Explanation.Step {
        let known = peer.paths.report.filter { $0.path.isDirectDatagram }
        var findings = known.map { report in text(report, at: now) }
        let silent = peer.candidates.filter { endpoint in !known.contains { $0.path == .direct(endpoint) } }
        if !silent.isEmpty {
            let result = isSought(peer) ? "no answer from" : "not tried:"
            findings.append("\(result) \(silent.map(\.description).joined(separator: ", "))")
        }
        if peer.candidates.isEmpty { findings.append("no address of it is known") }
        findings += punchFindings(of: peer, at: now)
        if let search = searchEvidence[peer.number] {
            let end = search.outcome.map { "\($0)" } ?? "under way"
            findings.append(
                "port search \(Self.seconds(now - search.startedAt)) ago (\(search.role.rawValue)): \(Self.count(search.probes, "probe")), \(end)"
            )
        }
        return .init("direct", peer.hasDirectPath ? .good : isSought(peer) ? .failed : .doubtful, findings)
    }

    private func punchFindings(of peer: Peer, at now: Instant) -> [String] {
        guard let (attempt, pair) = punchEvidence(of: peer.number) else { return [] }
        var findings = ["NAT here: \(Self.text(pair.own)); NAT there: \(Self.text(pair.peer))"]
        guard let attempt else { return findings }
        let probes = attempt.targets.reduce(0) { $0 + $1.probes }
        let end =
            switch attempt.outcome {
            case .won(let endpoint)?: "opened \(endpoint)"
            case nil: "under way"
            default: attempt.isAnswered ? "nothing came through" : "the peer did not take part"
            }
        findings.append(
            "hole punching \(Self.seconds(now - attempt.begunAt)) ago (\(attempt.reason.rawValue)): "
                + "\(Self.count(probes, "probe")) to \(Self.count(attempt.targets.count, "address")), \(end)")
        return findings
    }

    private static func text(_ kind: NATKind) -> String {
        switch kind {
        case .unknown: "not known yet"
        case .none: "none"
        case .cone: "one port for all (cone)"
        case .symmetric: "another port for each destination (symmetric)"
        }
    }

    private func relayStep(_ peer: Peer, at now: Instant) -> Explanation.Step {
        let used = peer.paths.report.filter { !$0.path.isDirectDatagram }
        var findings = used.map { text($0, at: now) }
        let idle = relayCandidates(for: peer.number).filter { relay in !used.contains { $0.relay == relay } }
        findings += idle.map { number in
            let time = peers[number].flatMap { relay in
                relay.paths.current.flatMap { relay.paths.statistics(of: $0)?.roundTripTime }
            }
            let distance = time.map { "round trip to it \(Self.milliseconds($0))" } ?? "not measured yet"
            return "\(name(of: number)): not in use, \(distance)"
        }
        if !findings.isEmpty { return .init("relay", .good, findings) }
        let isNeeded = isSought(peer) && !peer.hasDirectPath
        return .init(
            "relay", isNeeded ? .failed : .doubtful, ["no node that can relay has a tunnel with this one"])
    }

    /// One known path with its measures.
    private func text(_ report: PathReport, at now: Instant) -> String {
        var parts = ["\(place(of: report.path)): \(report.state.rawValue)"]
        if let time = report.roundTripTime { parts.append("round trip \(Self.milliseconds(time))") }
        if report.loss > 0 { parts.append("\(Int((report.loss * 100).rounded())) % lost") }
        if let heard = report.lastHeard { parts.append("heard \(Self.seconds(now - heard)) ago") }
        return parts.joined(separator: ", ")
    }

    private func place(of path: Path) -> String {
        switch path {
        case .direct(let endpoint):
            path.isStream ? "TLS \(reached(endpoint))" : "\(reached(endpoint))"
        case .relayed: "through \(relayName(of: path) ?? "a relay that left")"
        }
    }

    private func pathStep(_ peer: Peer, at now: Instant) -> Explanation.Step {
        guard peer.hasSession, let path = peer.paths.current else {
            return .init("path", isSought(peer) ? .failed : .doubtful, ["none"])
        }
        var findings = [place(of: path)]
        if let since = peer.paths.currentSince {
            let reason = peer.paths.history.changes.last.map { ": \($0.reason.rawValue)" } ?? ""
            findings.append("for \(Self.seconds(now - since))\(reason)")
        }
        findings.append("standby: \(peer.paths.standby.map { place(of: $0) } ?? "none")")
        let counters = peer.paths.history.counters
        if counters.doubts > 0 {
            findings.append(
                "\(Self.count(counters.doubts, "time")) in doubt, \(Self.count(counters.failovers, "failover")), "
                    + "\(Self.seconds(counters.duplicated)) of sending on two paths")
        }
        for change in peer.paths.history.changes.suffix(4).reversed() {
            findings.append(
                "\(Self.seconds(now - change.at)) ago: \(change.from.map { place(of: $0) } ?? "nothing") to "
                    + "\(change.to.map { place(of: $0) } ?? "nothing") (\(change.reason.rawValue))")
        }
        return .init("path", path.isDirectDatagram ? .good : .doubtful, findings)
    }

    /// "1 probe", "2 addresses".
    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : noun.hasSuffix("s") ? "es" : "s")"
    }

    static func seconds(_ duration: Duration) -> String { "\(max(0, duration.components.seconds)) s" }

    static func milliseconds(_ duration: Duration) -> String {
        let tenths = (duration.nanoseconds + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}
