import Arguments
import ControlAPI
import JSON
import Linux
import SansIO
import Wire

extension Meshctl {
    private static let pollInterval: Duration = .milliseconds(100)
    /// A node that is up with faults for this long is not about to mend by itself.
    private static let degradedPatience: Duration = .seconds(2)

    /// Brings the mesh up and waits until it is ready.
    func up() throws(Failure) -> Int32 {
        let request = Request.up(
            Request.Up(
                token: invocation.argument("TOKEN"), name: try nodeName(), advertise: try prefixes("advertise")))
        let timeout = Duration.seconds(invocation.seconds("timeout") ?? 15)
        let deadline = SystemClock.now + timeout
        var result = try askStarting(request, until: deadline)
        result.status = try waitUntilReady(result.status, until: deadline)
        show(result)
        if case .ready = result.status.state { return 0 }
        if case .degraded = result.status.state { return 0 }
        if case .refused = result.status.state {
            throw Failure(
                .failed, "the mesh does not admit this host",
                nextStep: "run 'meshctl up' again with another token or --name, as the reason says")
        }
        throw Failure(
            .failed, "the mesh is not ready after \(Units.age(timeout))",
            nextStep: "meshd goes on trying: watch 'meshctl status'")
    }

    /// Asks the agent, and starts it first where none listens.
    ///
    /// One that was just killed may still accept a connection and end without an answer: then it is started anew, once.
    private func askStarting(_ request: Request, until deadline: Instant) throws(Failure) -> UpResult {
        let wasListening = try isAgentListening()
        if !wasListening { try startAgent(atBoot: true, until: deadline) }
        do throws(Failure) {
            return try askUp(request)
        } catch {
            guard wasListening, error.code == .unreachable else { throw error }
            let isAlive = try isAgentListening()
            guard !isAlive else { throw error }
            try startAgent(atBoot: true, until: deadline)
            return try askUp(request)
        }
    }

    private func askUp(_ request: Request) throws(Failure) -> UpResult {
        try ask(request) { if case .up(let result) = $0 { result } else { nil } }
    }

    private func nodeName() throws(Failure) -> String? {
        guard let text = invocation.text("name") else { return nil }
        guard NodeName(text) != nil else {
            let suggestion = NodeName(hostName: text).map { "write --name \($0)" }
            throw Failure(
                .usage, "--name must be a DNS name of small letters, digits and hyphens, not '\(text)'",
                nextStep: suggestion)
        }
        return text
    }

    private func waitUntilReady(_ first: Status, until deadline: Instant) throws(Failure) -> Status {
        var status = first
        var degradedSince: Instant?
        while SystemClock.now < deadline {
            switch status.state {
            case .ready, .refused: return status
            case .degraded:
                let since = degradedSince ?? SystemClock.now
                degradedSince = since
                if SystemClock.now - since >= Self.degradedPatience { return status }
            case .starting, .down: degradedSince = nil
            }
            AgentProcess.sleep(Self.pollInterval)
            status = try ask(.status) { if case .status(let status) = $0 { status } else { nil } }
        }
        return status
    }

    private func show(_ result: UpResult) {
        let text = StatusText(style: output.style, now: now)
        let status = result.status
        var lines: [String]
        switch status.state {
        case .ready, .degraded:
            let verb =
                switch result.action {
                case .created: "The mesh is created"
                case .joined: "This host has joined the mesh"
                case .resumed: "The mesh is up again"
                case .unchanged: "The mesh is up already"
                }
            let addresses = status.addresses.map(\.description).joined(separator: ", ")
            lines = [
                "\(output.style(.good, verb)): this node is \(output.style(.bold, status.nodeName)), \(addresses)."
            ]
        case .refused: lines = ["The mesh does not admit this host:"]
        case .starting, .down: lines = ["The mesh is not ready yet:"]
        }
        lines += text.notices(status.state.reasons, mark: "!") + text.notices(status.warnings, mark: "warning:")
        if let token = result.token {
            lines += [""] + InvitationText(style: output.style, now: now).lines(token)
        }
        output.show(result.json, lines)
    }
}
