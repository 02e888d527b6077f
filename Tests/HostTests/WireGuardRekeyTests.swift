import ControlAPI
import Lab
import Testing
import Wire

/// Sessions at their real age of two minutes. Slow: everything that waits for it does so in one test.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct WireGuardRekeyTests {
    @Test func `sessions are renewed by whoever began them, once and without a loss`() throws {
        try Lab.withMesh { lab, trio in
            let node = try #require(try trio.alpha.node.status().addresses.first)
            let clients = try ["laptop", "tablet"].map { name in
                let client = try StockClient(
                    name, on: try lab.host(name, on: lab.core), admittedAt: trio.alpha.node)
                try client.bringUp()
                try client.waitForSession()
                return client
            }
            let (laptop, tablet) = (clients[0], clients[1])
            // From here on the tablet answers only: its session is the node's to begin and to renew.
            try tablet.forgetNode()
            let tabletAddress = try tablet.address()
            let waking = try trio.alpha.host.start("ping", "-n", "-i", "0.2", "\(tabletAddress)", log: "waking-ping")
            try tablet.waitForSession()
            try waking.waitForLog("time=")
            waking.stop()
            let relayed = try trio.gamma.address()
            #expect(try trio.beta.containers[0].canPing(relayed, within: 5))

            let counts = try clients.map { try MessageCounts(on: $0.host) }
            let began = try clients.map { try $0.latestHandshake() }
            let pings = [
                try laptop.host.startPings(to: node),
                try trio.alpha.host.startPings(to: tabletAddress),
                // Both ends of this one are ours.
                try trio.beta.containers[0].startPings(to: relayed),
            ]
            try wait(for: "the end of the pings", within: .seconds(300)) { pings.allSatisfy { !$0.isRunning } }
            for ping in pings { #expect(ping.log.contains(" 0% packet loss"), "\(ping.log)") }
            for (client, began) in zip(clients, began) { #expect(try client.latestHandshake() > began) }
            #expect(try counts[0].sent(.initiation) == 1)
            #expect(try counts[0].received(.initiation) == 0)
            #expect(try counts[1].received(.initiation) == 1)
            #expect(try counts[1].sent(.initiation) == 0)
        }
    }
}

extension Place {
    /// Pings for longer than a session lives.
    fileprivate func startPings(to address: IPAddress) throws(LabError) -> Program {
        try start("ping", "-n", "-q", "-i", "0.5", "-c", "270", "\(address)", log: "rekey-ping")
    }
}
