import ControlAPI
import Testing
import Wire

@Suite struct WireGuardTests {
    let workspace: Workspace
    let client: WireGuardClient

    init() throws {
        workspace = try Workspace()
        client = WireGuardClient(
            name: "phone", addresses: [try #require(IPPrefix("10.130.7.200/32"))], privateKey: "cHJpdg==",
            publicKey: "cHVi", presharedKey: "cHNr", nodePublicKey: "bm9kZQ==", endpoint: "198.51.100.7:20007",
            allowedIPs: [try #require(IPPrefix("10.128.0.0/9"))], mtuBytes: 1408)
    }

    @Test func `the configuration is printed, with a code only where one is wanted`() throws {
        let agent = try FakeAgent(at: workspace.socket, replying: .wireguardClient(client))
        #expect(try workspace.meshctl("wireguard add phone").output == client.configuration + "\n")
        let withCode = try workspace.meshctl("wireguard add phone --qr=always --endpoint vpn.example.org:443").output
        #expect(withCode.hasPrefix(client.configuration))
        #expect(withCode.contains("████"))
        #expect(agent.requests.last == .wireguardAdd(name: "phone", endpoint: "vpn.example.org:443"))
        let structured = try workspace.meshctl("wireguard add phone --json --qr always").output
        #expect(try WireGuardClient(parsing: Array(structured.utf8)) == client)
    }

    @Test func `a file of the configuration is only its owner's`() throws {
        let agent = try FakeAgent(at: workspace.socket, replying: .wireguardClient(client))
        let outcome = try workspace.meshctl("wireguard add phone --output phone.conf", prefix: "umask 0;")
        #expect(outcome.exitCode == 0)
        #expect(!outcome.output.contains("cHJpdg=="))
        #expect(workspace.read("phone.conf") == client.configuration)
        #expect(workspace.mode(of: "phone.conf") == 0o600)
        let again = try workspace.meshctl("wireguard add phone --output phone.conf")
        #expect(again.exitCode == 1)
        #expect(again.errors.contains("next: name a file that does not exist yet"))
        #expect(agent.requests.count == 1)
    }

    @Test func `no file stays behind when the client is refused`() throws {
        let refusal = Failure(.usage, "a client is called phone already")
        let agent = try FakeAgent(at: workspace.socket, replying: .failure(refusal))
        #expect(try workspace.meshctl("wireguard add phone --output phone.conf").exitCode == 64)
        #expect(!workspace.exists("phone.conf"))
        #expect(agent.requests.count == 1)
    }
}
