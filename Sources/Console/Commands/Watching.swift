import Arguments
import ControlAPI
import Glibc
import JSON
import Linux

extension Meshctl {
    func status() throws(Failure) {
        var status = try ask(.status) { if case .status(let status) = $0 { status } else { nil } }
        if let names = status.services?.names { status.services?.names?.problems += holders(of: names.taken) }
        let text = StatusText(style: output.style, now: now)
        output.show(status.json, text.lines(status, withCounters: invocation.has("counters")))
    }

    /// Who has ports that the agent wants for names: root sees it, the agent, which is not, does not.
    private func holders(of taken: [ServiceStatus.Names.TakenPort]) -> [Notice] {
        guard isHostAgent, geteuid() == 0 else { return [] }
        return taken.compactMap { port in
            guard let holder = PortHolder.find(port.endpoint, isStream: port.isStream), let process = holder.process
            else {
                return nil
            }
            let name = holder.name ?? "a program"
            return Notice(
                "\(port.isStream ? "TCP" : "UDP") \(port.endpoint) is held by \(name) (process \(process))",
                nextStep: "stop it there, or set dns.listen in config.yaml to another address")
        }
    }

    func peers() throws(Failure) {
        let peers = try ask(.peers) { if case .peers(let peers) = $0 { peers } else { nil } }
        output.show(.array(peers.map(\.json)), PeersText(style: output.style).lines(peers))
    }

    /// Prints each answer as it comes. Nobody answering counts as a failure.
    func ping() throws(Failure) -> Int32 {
        let request = Request.ping(
            target: invocation.argument("NODE") ?? "", count: invocation.number("count") ?? 5)
        var session = try ControlSession(request, to: socketPath)
        let text = PingText(style: output.style)
        var pongs: [Pong] = []
        while true {
            switch try session.next() {
            case .pong(let pong):
                pongs.append(pong)
                if !output.isJSON { output.print([text.line(pong)]) }
            case .pingSummary(let summary):
                output.show(
                    ["probes": .array(pongs.map(\.json)), "summary": summary.json], [text.line(summary)])
                return summary.received > 0 ? 0 : Failure.Code.failed.exitCode
            default: throw Self.unexpected
            }
        }
    }

    /// UDP that is blocked everywhere counts as a failure.
    func netcheck() throws(Failure) -> Int32 {
        let check = try ask(.netcheck) { if case .netcheck(let check) = $0 { check } else { nil } }
        output.show(check.json, NetcheckText(style: output.style).lines(check))
        let udp = check.families.map(\.udp)
        return udp.contains("blocked") && !udp.contains("works") ? Failure.Code.failed.exitCode : 0
    }

    /// A hop that does not answer makes it a failure.
    func trace() throws(Failure) -> Int32 {
        let request = Request.trace(target: invocation.argument("NODE") ?? "")
        let trace = try ask(request) { if case .trace(let trace) = $0 { trace } else { nil } }
        output.show(trace.json, ExplanationText(style: output.style).lines(trace))
        return trace.hops.last?.roundTripTime == nil ? Failure.Code.failed.exitCode : 0
    }

    /// With one name from this node to that one; with two from the first to the second.
    func why() throws(Failure) {
        let first = invocation.argument("NODE") ?? ""
        let second = invocation.argument("TARGET")
        let request = Request.why(from: second == nil ? nil : first, to: second ?? first)
        let explanation = try ask(request) { if case .explanation(let found) = $0 { found } else { nil } }
        output.show(explanation.json, ExplanationText(style: output.style).lines(explanation))
    }

    func relay(_ action: Request.RelayAction) throws(Failure) {
        let status = try ask(.relay(action)) { if case .relayStatus(let status) = $0 { status } else { nil } }
        output.show(status.json, RelayText(style: output.style).lines(status))
    }

    func reload() throws(Failure) {
        let result = try ask(.reload) { if case .reloaded(let result) = $0 { result } else { nil } }
        var lines: [String] = []
        if !result.applied.isEmpty { lines.append("In force: \(result.applied.joined(separator: ", ")).") }
        if !result.needRestart.isEmpty {
            lines.append(
                "Changed, but in force only after a restart of meshd: \(result.needRestart.joined(separator: ", ")).")
        }
        output.show(result.json, lines.isEmpty ? ["Nothing has changed."] : lines)
    }

    /// The agent need not run for this.
    func showVersions() {
        let own = "meshctl \(Programs.version)"
        do throws(Failure) {
            let agent = try ask(.version) { if case .version(let version) = $0 { version } else { nil } }
            output.show(
                ["meshctl": .string(Programs.version), "meshd": agent.json],
                [own, "meshd \(Style.printable(agent.version)) (process \(agent.processID))"])
        } catch {
            output.show(
                ["meshctl": .string(Programs.version), "meshd": .null], [own, "meshd unknown: \(error.message)"])
        }
    }
}
