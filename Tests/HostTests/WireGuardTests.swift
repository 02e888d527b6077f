import Lab
import Testing
import Wire

/// A foreign implementation of the protocol judges ours: Debian's wireguard-go as the other end.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct WireGuardTests {
    @Test func `a stock client behind a NAT reaches containers behind every node, and they reach it`() throws {
        try Lab.withMesh { lab, trio in
            let phone = try lab.host("phone", on: trio.home.lan)
            let client = try StockClient("phone", on: phone, admittedAt: trio.alpha.node)
            for site in trio.sites {
                #expect(try phone.canPing(try site.address(), within: 5), "\(site.name)")
                #expect(try phone.canPing(try site.address6(), within: 5), "\(site.name)")
            }
            let address = try client.address()
            for site in trio.sites { #expect(try site.containers[0].canPing(address), "\(site.name)") }
        }
    }

    @Test func `a stock client is served over IPv6 too`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let outer = Endpoint(try #require(trio.alpha.host.uplink.address6), port: 20007)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node, dialling: outer)
            #expect(try laptop.canPing(try trio.gamma.address(), within: 5))
            #expect(try laptop.run("wg", "show", "wg0", "endpoints").contains("[\(outer.address)]:20007"))
            #expect(try client.latestHandshake() > 0)
        }
    }

    @Test func `a client that moves to another port is followed`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node)
            #expect(try laptop.canPing(try trio.alpha.address(), within: 5))
            let began = try client.latestHandshake()
            try laptop.run("wg", "set", "wg0", "listen-port", "40001")
            #expect(try laptop.timeToFirstAnswer(from: try trio.alpha.address()) > 0)
            #expect(try trio.beta.containers[0].canPing(try client.address()), "packets go to the new port")
            #expect(try client.latestHandshake() == began, "in the session of before")
        }
    }

    @Test func `the agent opens a session to a client that has forgotten its own`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node)
            let address = try client.address()
            #expect(try laptop.canPing(try trio.alpha.address(), within: 5))
            // Without keepalives and without an endpoint the client cannot begin a handshake itself.
            let key = try laptop.run("wg", "show", "wg0", "peers").filter { $0 != "\n" }
            let secret = try laptop.shell("wg showconf wg0 | sed -n 's/^PresharedKey = //p'").filter { $0 != "\n" }
            let allowed = try laptop.run("wg", "show", "wg0", "allowed-ips").split { $0 == "\t" || $0 == "\n" }
            let prefixes = allowed.dropFirst().joined(separator: ",").replacing(" ", with: ",")
            try laptop.shell(
                """
                echo '\(secret)' >/run/secret
                wg set wg0 peer '\(key)' remove
                wg set wg0 peer '\(key)' preshared-key /run/secret allowed-ips '\(prefixes)'
                """)
            #expect(try client.latestHandshake() == 0)
            #expect(try trio.beta.containers[0].timeToFirstAnswer(from: address, within: 40) > 0)
            #expect(try client.latestHandshake() > 0)
        }
    }

    @Test func `a session is renewed at its real age of two minutes without a loss`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node)
            let address = try trio.alpha.address()
            #expect(try laptop.canPing(address, within: 5))
            let began = try client.latestHandshake()
            // Between nodes of ours at the same time, relayed, where both ends of the session are ours.
            let relayed = try trio.gamma.address()
            let inner = try trio.beta.containers[0].start(
                "ping", "-n", "-q", "-i", "0.5", "-c", "260", "\(relayed)", log: "rekey-ping")
            let report = try laptop.run(
                "ping", "-n", "-q", "-i", "0.5", "-c", "260", "\(address)", within: .seconds(200))
            try wait(for: "the end of the pings", within: .seconds(60)) { !inner.isRunning }
            #expect(try client.latestHandshake() - began >= 115)
            #expect(report.contains(" 0% packet loss"), "\(report)")
            #expect(inner.log.contains(" 0% packet loss"), "\(inner.log)")
        }
    }
}
