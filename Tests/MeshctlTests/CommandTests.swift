import Arguments
import ControlAPI
import Glibc
import JSON
import Testing
import Wire

/// The built program against an agent that answers as it is told.
@Suite struct CommandTests {
    let workspace: Workspace
    let ready = Status(state: .ready, nodeName: "edge-1", uptime: .seconds(5))

    init() throws { workspace = try Workspace() }

    private func json(_ text: String) throws -> JSONCursor { JSONCursor(try JSONValue(parsing: text)) }

    @Test func `status prints text, or JSON that parses, without colour in a file`() throws {
        let agent = try FakeAgent(at: workspace.socket, replying: .status(ready))
        let text = try workspace.meshctl("status")
        #expect(text.exitCode == 0 && text.errors.isEmpty)
        #expect(text.output == "edge-1 is ready\n\n  running for  5 s\n")
        let structured = try workspace.meshctl("--json status")
        #expect(try Status(json: json(structured.output)) == ready)
        #expect(agent.requests == [.status, .status])
    }

    @Test func `colour appears on a terminal and NO_COLOR takes it away`() throws {
        let agent = try FakeAgent(at: workspace.socket, replying: .status(ready))
        // script(1) gives the program a terminal.
        func onTerminal(_ variables: String) throws -> String {
            let line = "\(variables) ./meshctl --socket \(workspace.socket) status"
            _ = try workspace.meshctl("version; script --quiet --command '\(line)' typescript > /dev/null; true")
            return workspace.read("typescript")
        }
        #expect(try onTerminal("TERM=xterm").contains("\u{1b}[32mready\u{1b}[0m"))
        #expect(try !onTerminal("TERM=xterm NO_COLOR=1").contains("\u{1b}["))
        #expect(agent.requests.filter { $0 == .status }.count == 2)
    }

    @Test func `ping prints answers as they come and fails when none comes`() throws {
        var pong = Pong(sequence: 1, node: "edge-2", path: .direct)
        pong.roundTripTime = .milliseconds(3)
        let lost = Pong(sequence: 2, node: "edge-2", path: .none)
        do {
            let agent = try FakeAgent(
                at: workspace.socket, replying: .pong(pong), .pong(lost),
                .pingSummary(PingSummary(sent: 2, received: 1)))
            let outcome = try workspace.meshctl("ping edge-2 -n 2")
            #expect(outcome.exitCode == 0)
            #expect(
                outcome.output
                    == "1: edge-2 3.00 ms, direct\n2: edge-2 no answer, no path\n2 sent, 1 answered, 50 % lost\n")
            #expect(agent.requests == [.ping(target: "edge-2", count: 2)])
            let structured = try json(workspace.meshctl("--json ping edge-2").output)
            #expect(try structured.member("probes").elements().map { try Pong(json: $0) } == [pong, lost])
            #expect(try PingSummary(json: structured.member("summary")).received == 1)
        }
        let deaf = try FakeAgent(at: workspace.socket, replying: .pingSummary(PingSummary(sent: 2, received: 0)))
        #expect(try workspace.meshctl("ping edge-2").exitCode == 1)
        #expect(deaf.requests.count == 1)
    }

    @Test func `an invitation's limits reach the agent`() throws {
        let invitation = Invitation(
            token: "km1-abc", uses: 3, expiry: Timestamp(secondsSince1970: 1_800_000_000), mayRelay: false)
        let agent = try FakeAgent(at: workspace.socket, replying: .invitation(invitation))
        let outcome = try workspace.meshctl(
            "invite --uses 3 --expiry 2h --name-pattern 'edge-*' --no-relay --prefix-pool 10.130.0.0/16")
        #expect(outcome.output.contains("  sudo meshctl up km1-abc\n"))
        #expect(
            agent.requests == [
                .invite(
                    Request.Invite(
                        uses: 3, lifetimeSeconds: 7200, namePattern: "edge-*", mayRelay: false,
                        prefixPool: IPPrefix("10.130.0.0/16")))
            ])
    }

    @Test func `a prefix with host bits is refused before the agent is asked`() throws {
        let agent = try FakeAgent(at: workspace.socket, replying: .done)
        let outcome = try workspace.meshctl("invite --prefix-pool 10.130.0.1/16")
        #expect(outcome.exitCode == 64)
        #expect(outcome.errors.contains("--prefix-pool must be an address prefix"))
        #expect(try workspace.meshctl("up --name Edge_1").errors.contains("write --name edge-1"))
        #expect(agent.requests.isEmpty)
    }

    @Test func `peers, reload, wireguard list and remove print what they are told`() throws {
        let agent = try FakeAgent(at: workspace.socket) { request in
            let reply: Reply =
                switch request {
                case .peers: .peers([Peer(name: "edge-2", nodeID: "2", kind: .node)])
                case .reload: .reloaded(ReloadResult(applied: ["keepalive"], needRestart: ["interface"]))
                case .wireguardList:
                    .wireguardClients([AdmittedClient(name: "phone", publicKey: "cHVi", addresses: [])])
                case .wireguardRemove: .done
                default: .failure(Failure(.failed, "unexpected"))
                }
            return reply.line
        }
        #expect(try workspace.meshctl("peers").output.contains("\nedge-2  none"))
        #expect(
            try workspace.meshctl("reload").output
                == "In force: keepalive.\nChanged, but in force only after a restart of meshd: interface.\n")
        #expect(try workspace.meshctl("wireguard list").output.contains("\nphone  "))
        #expect(try workspace.meshctl("wireguard remove phone").output == "phone is no longer admitted.\n")
        #expect(agent.requests.last == .wireguardRemove(name: "phone"))
    }

    @Test func `the failure of a request gives its message, its next step and its exit code`() throws {
        for code in Failure.Code.allCases {
            let failure = Failure(code, "no node is called x", nextStep: "see 'meshctl peers'")
            let agent = try FakeAgent(at: workspace.socket, replying: .failure(failure))
            let outcome = try workspace.meshctl("peers")
            #expect(outcome.exitCode == code.exitCode)
            #expect(outcome.errors == "meshctl: no node is called x\nnext: see 'meshctl peers'\n")
            #expect(outcome.output.isEmpty)
            let structured = try workspace.meshctl("peers --json")
            #expect(try Failure(json: json(structured.errors).member("error")) == failure)
            #expect(agent.requests.count == 2)
        }
    }

    @Test func `an agent that closes early or talks nonsense is unreachable`() throws {
        let cases: [([UInt8], String)] = [
            ([], "ended before it answered"), (Array(#"{"reply":"status","#.utf8), "ended before it answered"),
            (Array("garbage\n".utf8), "cannot be read"), ([0xff, 0x00, 0x0a], "cannot be read"),
            (Array("{}\n".utf8), "reply is missing"), (Reply.done.line, "something else than it was asked"),
        ]
        for (bytes, message) in cases {
            let agent = try FakeAgent(at: workspace.socket) { _ in bytes }
            let outcome = try workspace.meshctl("status")
            #expect(outcome.exitCode == 69)
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
            #expect(agent.requests.count == 1)
        }
    }

    @Test func `without an agent the exit code is 69 and the next step is named`() throws {
        let absent = try workspace.meshctl("status")
        #expect(absent.exitCode == 69)
        #expect(absent.errors.hasSuffix("next: start it with 'sudo meshctl up'\n"))
        try workspace.write("", to: "meshd.sock")
        #expect(try workspace.meshctl("peers").exitCode == 69)
        let versions = try workspace.meshctl("version")
        #expect(versions.exitCode == 0)
        #expect(versions.output.hasPrefix("meshctl \(Programs.version)\nmeshd unknown: "))
    }

    @Test(.enabled(if: geteuid() == 0))
    func `a socket of somebody else gives exit code 77`() throws {
        let agent = try FakeAgent(at: workspace.socket, replying: .status(ready))
        let outcome = try workspace.meshctl(
            "status", prefix: "setpriv --reuid=65534 --regid=65534 --clear-groups")
        #expect(outcome.exitCode == 77, "\(outcome.errors)")
        #expect(outcome.errors.contains("next: run it with sudo"))
        #expect(agent.requests.isEmpty)
    }

    @Test func `a command line that is wrong gives exit code 64`() throws {
        let outcome = try workspace.meshctl("stauts")
        #expect(outcome.exitCode == 64)
        #expect(
            outcome.errors
                == "meshctl: there is no command 'stauts'; did you mean 'status'?\nnext: see 'meshctl --help'\n")
        let structured = try workspace.meshctl("--json ping")
        #expect(structured.exitCode == 64)
        #expect(try json(structured.errors).member("error").member("code").string() == "usage")
        #expect(try workspace.meshctl("status --help").output.hasPrefix("meshctl status - "))
    }

    @Test func `config check judges a file`() throws {
        try workspace.write("listen:\n  prot: 20008\n", to: "bad.yaml")
        try workspace.write("listen:\n  port: 20008\n", to: "good.yaml")
        let bad = try workspace.meshctl("config check bad.yaml")
        #expect(bad.exitCode == 78)
        #expect(bad.output.hasPrefix("bad.yaml:2:3: listen.prot: "), "\(bad.output)")
        let structured = try workspace.meshctl("config check bad.yaml --json")
        #expect(structured.exitCode == 78)
        #expect(try json(structured.output).member("problems").elements()[0].member("line").integer() == 2)
        #expect(try workspace.meshctl("config check good.yaml").output == "good.yaml is good.\n")
        #expect(try workspace.meshctl("config check absent.yaml").exitCode == 78)
    }
}
