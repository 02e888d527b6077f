import ControlAPI
import Glibc
import Synchronization
import Testing
import Wire

/// `up` and `down`, with an agent that runs already and with one that has to be started.
@Suite struct UpTests {
    let workspace: Workspace
    static let invitation = Invitation(
        token: "km1-abc", uses: 1, expiry: Timestamp(secondsSince1970: 1_900_000_000), mayRelay: true)

    init() throws { workspace = try Workspace() }

    private static func status(_ state: Status.State) -> Status {
        Status(state: state, nodeName: "edge-1", uptime: .seconds(1))
    }

    /// An agent that is ready after so many questions for its status.
    private func agent(readyAfter count: Int, _ action: UpResult.Action = .created) throws -> FakeAgent {
        let asked = Counter()
        return try FakeAgent(at: workspace.socket) { request in
            let starting = Self.status(.starting(missing: [Notice("waiting for a peer", nextStep: "start one")]))
            switch request {
            case .version: return Reply.version(DaemonVersion(version: "1", processID: 1)).line
            case .up:
                let token = action == .created ? Self.invitation : nil
                return Reply.up(UpResult(action: action, token: token, status: starting)).line
            case .status:
                return Reply.status(asked.next() > count ? Self.status(.ready) : starting).line
            default: return []
            }
        }
    }

    private final class Counter: Sendable {
        private let value = Atomic<Int>(0)
        func next() -> Int { value.add(1, ordering: .relaxed).newValue }
    }

    @Test func `up waits until the mesh is ready and prints the token`() throws {
        let agent = try agent(readyAfter: 3)
        let outcome = try workspace.meshctl("up --name edge-1 --advertise 192.168.7.0/24")
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.hasPrefix("The mesh is created: this node is edge-1, "))
        #expect(outcome.output.contains("\n  sudo meshctl up km1-abc\n"))
        #expect(agent.requests.filter { $0 == .status }.count == 4)
        guard case .up(let up)? = agent.requests.dropFirst().first else { return #expect(Bool(false), "no up") }
        #expect(up.name == "edge-1" && up.token == nil && up.advertise.map(\.description) == ["192.168.7.0/24"])
    }

    @Test func `up hands the token over`() throws {
        let agent = try agent(readyAfter: 0, .joined)
        let outcome = try workspace.meshctl("up km1-xyz --json")
        let result = try UpResult(parsing: Array(outcome.output.utf8))
        #expect(result.action == .joined && result.status == Self.status(.ready))
        #expect(agent.requests.contains(.up(Request.Up(token: "km1-xyz"))))
    }

    @Test func `up says what is missing when the mesh does not become ready`() throws {
        let agent = try agent(readyAfter: .max)
        let outcome = try workspace.meshctl("up --timeout 1")
        #expect(outcome.exitCode == 1)
        #expect(outcome.output.contains("  ! waiting for a peer\n    next: start one\n"))
        // The token is shown once: it must not be lost because of that.
        #expect(outcome.output.contains("sudo meshctl up km1-abc"))
        #expect(outcome.errors.hasPrefix("meshctl: the mesh is not ready after 1 s\n"))
        #expect(agent.requests.count > 3)
    }

    @Test func `up ends at once when the mesh does not admit the host, with the reason`() throws {
        let refused = Self.status(.refused(reasons: [Notice("alpha does not admit this host: the name is taken")]))
        let agent = try FakeAgent(at: workspace.socket) { request in
            switch request {
            case .version: Reply.version(DaemonVersion(version: "1", processID: 1)).line
            case .up: Reply.up(UpResult(action: .joined, status: refused)).line
            default: []
            }
        }
        let outcome = try workspace.meshctl("up km1-xyz")
        #expect(outcome.exitCode == 1)
        #expect(outcome.output.contains("  ! alpha does not admit this host: the name is taken\n"))
        #expect(outcome.errors.contains("next: run 'meshctl up' again with another token or --name"))
        #expect(!agent.requests.contains(.status), "nothing to wait for")
    }

    @Test func `a node that stays degraded is up, and says so`() throws {
        let degraded = Self.status(.degraded(reasons: [Notice("IPv6 is off")]))
        let agent = try FakeAgent(at: workspace.socket) { request in
            switch request {
            case .up: Reply.up(UpResult(action: .resumed, status: degraded)).line
            case .status: Reply.status(degraded).line
            default: []
            }
        }
        let outcome = try workspace.meshctl("up")
        #expect(outcome.exitCode == 0)
        #expect(outcome.output.contains("  ! IPv6 is off\n"))
        #expect(!agent.requests.isEmpty)
    }

    @Test func `a token that is refused is the caller's fault`() throws {
        let agent = try FakeAgent(at: workspace.socket) { request in
            request == .version ? Reply.done.line : Reply.failure(Failure(.usage, "the token has expired")).line
        }
        let outcome = try workspace.meshctl("up km1-old")
        #expect(outcome.exitCode == 64)
        #expect(outcome.errors == "meshctl: the token has expired\n")
        #expect(agent.requests.count == 2)
    }
}

/// `up` and `down` on a host without systemd, where meshctl starts the agent. These take root, as `up` itself does.
@Suite(.enabled(if: geteuid() == 0)) struct AgentStartTests {
    let workspace: Workspace

    init() throws { workspace = try Workspace() }

    private func writeAgent(_ script: String) throws {
        try workspace.write("#!/bin/sh\n\(script)\n", to: "meshd", mode: 0o755)
    }

    @Test func `an agent is started, used, and ended again`() throws {
        let ready = Status(state: .ready, nodeName: "edge-1", uptime: .zero)
        try workspace.write(
            String(decoding: Reply.up(UpResult(action: .resumed, status: ready)).line, as: UTF8.self), to: "up")
        try workspace.write(String(decoding: Reply.done.line, as: UTF8.self), to: "done")
        try workspace.write(
            """
            read -r line
            case $line in
                *'"request":"up"'*) cat \(workspace.path)/up ;;
                *) cat \(workspace.path)/done ;;
            esac
            """, to: "answer")
        try writeAgent(
            """
            echo "$@" > \(workspace.path)/arguments
            pwd > \(workspace.path)/directory
            exec socat UNIX-LISTEN:$2,fork EXEC:"sh \(workspace.path)/answer"
            """)
        let up = try workspace.meshctl("up --state-directory \(workspace.path)/state --config /c.yaml")
        #expect(up.exitCode == 0, "\(up.errors)")
        #expect(up.output.hasPrefix("The mesh is up again: this node is edge-1"))
        #expect(
            workspace.read("arguments")
                == "--socket \(workspace.socket) --config /c.yaml --state-directory \(workspace.path)/state\n")
        #expect(workspace.read("directory") == "/\n")
        #expect(workspace.exists("state/meshd.log"))
        let down = try workspace.meshctl("down")
        #expect(down.exitCode == 0, "\(down.errors)")
        #expect(down.output == "The mesh is off this host. 'meshctl up' brings it back.\n")
        #expect(try workspace.meshctl("status").exitCode == 69)
        #expect(try workspace.meshctl("down").output == "The agent is not running; there is nothing to take away.\n")
    }

    @Test func `down starts an agent once more where one has left its state`() throws {
        try workspace.write(String(decoding: Reply.done.line, as: UTF8.self), to: "done")
        try workspace.write("read -r line; cat \(workspace.path)/done", to: "answer")
        try writeAgent(
            """
            echo start >> \(workspace.path)/starts
            exec socat UNIX-LISTEN:$2,fork EXEC:"sh \(workspace.path)/answer"
            """)
        let line = "down --state-directory \(workspace.path)/state"
        #expect(try workspace.meshctl(line).output.hasPrefix("The agent is not running"))
        #expect(!workspace.exists("starts"))
        _ = unsafe mkdir("\(workspace.path)/state", 0o700)
        #expect(try workspace.meshctl(line).output.hasPrefix("The mesh is off this host."))
        #expect(workspace.read("starts") == "start\n")
        #expect(try workspace.meshctl("status").exitCode == 69)
    }

    @Test func `an agent that ends at once passes on its exit code and its last words`() throws {
        try workspace.write("old words\n", to: "meshd.log")
        try writeAgent("echo 'config.yaml:3:1: unknown key' >&2; exit 78")
        let outcome = try workspace.meshctl("up --state-directory \(workspace.path)")
        #expect(outcome.exitCode == 78)
        #expect(outcome.errors.contains("meshd ended at once (exit code 78):\n  config.yaml:3:1: unknown key\n"))
        #expect(!outcome.errors.contains("old words"))
        #expect(outcome.errors.hasSuffix("next: see \(workspace.path)/meshd.log\n"))
    }

    @Test func `an agent that never listens is waited for only so long`() throws {
        try writeAgent("echo $$ > \(workspace.path)/pid; exec sleep 60")
        let outcome = try workspace.meshctl("up --timeout 1 --state-directory \(workspace.path)/state")
        #expect(outcome.exitCode == 69)
        #expect(outcome.errors.contains("does not listen at \(workspace.socket)"))
        let process = try #require(pid_t(workspace.read("pid").dropLast()))
        kill(process, SIGKILL)
    }

    @Test func `where there is no agent to start, that is said`() throws {
        let outcome = try workspace.meshctl("up --socket \(workspace.path)/x.sock", prefix: "true;")
        // A host with the package installed has one.
        if unsafe access("/usr/sbin/meshd", X_OK) != 0 {
            #expect(outcome.exitCode == 1)
            #expect(outcome.errors.contains("there is no meshd in \(workspace.path)/meshd, /usr/sbin/meshd"))
        }
    }

    @Test func `starting an agent takes root`() throws {
        try writeAgent("exit 0")
        let outcome = try workspace.meshctl("up", prefix: "setpriv --reuid=65534 --regid=65534 --clear-groups")
        #expect(outcome.exitCode == 77, "\(outcome.errors)")
        #expect(outcome.errors.contains("next: run 'sudo meshctl up'"))
    }
}
