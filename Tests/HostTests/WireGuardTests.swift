import ControlAPI
import Lab
import Testing
import Wire

/// A foreign implementation of the protocol judges ours: Debian's wireguard-go as the other end.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct WireGuardTests {
    @Test func `a stock client behind a NAT reaches every node and container, and they reach it`() throws {
        try Lab.withMesh { lab, trio in
            // Packets from the client for another node come and go by one interface, which Docker's policy would not let.
            try trio.alpha.host.dropForwardedAsDockerDoes()
            let phone = try lab.host("phone", on: trio.home.lan)
            let client = try StockClient("phone", on: phone, admittedAt: trio.alpha.node)
            try client.bringUp()
            try expectTraffic(of: client, in: trio)
        }
    }

    @Test func `a stock client is served over IPv6 too`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let outer = Endpoint(try #require(trio.alpha.host.uplink.address6), port: 20007)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node, dialling: outer)
            try client.bringUp()
            try expectTraffic(of: client, in: trio)
            #expect(try laptop.run("wg", "show", "wg0", "endpoints").contains("[\(outer.address)]:20007"))
        }
    }

    @Test func `a client that moves to another port, address or family is followed in the same session`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node)
            try client.bringUp()
            let counts = try MessageCounts(on: laptop)
            let node = try #require(try trio.alpha.node.status().addresses.first)
            let address = try client.address()
            #expect(try laptop.canPing(node, within: 10))

            func expectSameSession(_ move: Comment) throws {
                // What is answered before the node has taken note goes to where the client was.
                #expect(try laptop.timeToFirstAnswer(from: node) > 0, move)
                #expect(try trio.beta.containers[0].canPing(address, within: 5), move)
            }
            let initiations = try counts.sent(.initiation)
            try laptop.run("wg", "set", "wg0", "listen-port", "40001")
            try expectSameSession("another port")

            let link = laptop.uplink
            let new = try #require(link.prefix.address(at: 77))
            try laptop.shell(
                """
                ip address add \(new)/\(link.prefix.length) dev \(link.interface)
                ip address del \(link.address)/\(link.prefix.length) dev \(link.interface)
                ip address replace \(new)/\(link.prefix.length) dev \(link.interface)
                ip route replace default via \(try #require(link.gateway)) dev \(link.interface)
                # Or wireguard-go goes on to send from the address that is gone.
                wg set wg0 listen-port 40002
                """)
            try expectSameSession("another address")
            #expect(try trio.alpha.node.meshctl("wireguard", "list").contains("\(new):40002"))

            try client.setNode("endpoint '[\(try #require(trio.alpha.host.uplink.address6))]:20007'")
            try expectSameSession("another family")
            #expect(try counts.sent(.initiation) == initiations)
        }
    }

    @Test func `the node opens a session to a client that has lost its own`() throws {
        try Lab.withMesh { lab, trio in
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: trio.alpha.node)
            try client.bringUp()
            try client.waitForSession()
            let counts = try MessageCounts(on: laptop)
            try client.forgetNode()
            let address = try client.address()
            let ping = try trio.beta.containers[0].start("ping", "-n", "-i", "0.2", "\(address)", log: "ping")
            try client.waitForSession()
            try ping.waitForLog("time=")
            #expect(try counts.received(.initiation) > 0)
            #expect(try counts.sent(.initiation) == 0)
        }
    }

    @Test func `a client without its preshared key, or with another, gets no session`() throws {
        try Lab.withLoneHost { lab, site in
            try site.node.up()
            let node = try #require(try site.node.status().addresses.first)
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: site.node)
            let right = client.configuration
            let line = "PresharedKey = \(client.values(of: "PresharedKey").joined())\n"
            let counts = try MessageCounts(on: laptop)
            for wrong in ["", "PresharedKey = \([UInt8](repeating: 7, count: 32).base64)\n"] {
                client.configuration = right.replacing(line, with: wrong)
                let before = try counts.received(.response)
                try client.bringUp()
                // The key enters the handshake in the response only: the client is answered and cannot read it.
                try wait(for: "a response", within: .seconds(20)) { () throws(LabError) in
                    try counts.received(.response) > before
                }
                #expect(try !laptop.canPing(node, within: 1))
                #expect(try client.latestHandshake() == 0)
                try client.takeDown()
            }
            #expect(try counts.sent(.transport) == 0)
            client.configuration = right
            try client.bringUp()
            #expect(try laptop.canPing(node, within: 10))
        }
    }

    @Test func `a removed client is cut off, and another is not`() throws {
        try Lab.withMesh { lab, trio in
            let clients = try ["phone", "laptop"].map { name in
                let host = try lab.host(name, on: lab.core)
                return try StockClient(name, on: host, admittedAt: trio.alpha.node)
            }
            let (phone, laptop) = (clients[0], clients[1])
            let target = try trio.gamma.address()
            for client in clients {
                try client.bringUp()
                #expect(try client.host.canPing(target, within: 10))
            }
            try trio.alpha.node.meshctl("wireguard", "remove", "phone")
            #expect(try trio.alpha.node.meshctl("wireguard", "list").contains("phone") == false)
            #expect(try !phone.host.canPing(target, within: 1))
            #expect(try !trio.gamma.containers[0].canPing(try phone.address(), within: 1))
            #expect(try laptop.host.canPing(target))
            // Nor does it get a new session.
            let counts = try MessageCounts(on: phone.host)
            for client in clients {
                try client.takeDown()
                try client.bringUp()
            }
            try laptop.waitForSession()
            try wait(for: "a second initiation", within: .seconds(20)) { () throws(LabError) in
                try counts.sent(.initiation) > 1
            }
            #expect(try phone.latestHandshake() == 0)
            #expect(try laptop.host.canPing(target))
        }
    }

    @Test func `the code that is printed for an app holds the configuration, byte for byte`() throws {
        try Lab.withLoneHost { _, site in
            try site.node.up()
            let printed = try site.node.meshctl("wireguard", "add", "phone", "--qr=always")
            let lines = printed.split(separator: "\n", omittingEmptySubsequences: false)
            let text = lines.prefix { !$0.contains("█") }.joined(separator: "\n")
            let picture = "\(site.host.run.folder)/qr.pbm"
            try Files.write(bitmap(ofHalfBlocks: lines.filter { $0.contains("█") }, scale: 4), to: picture)
            let decoded = try Command(["zbarimg", "--nodbus", "--quiet", "--raw", "-Sbinary=0", picture]).run()
            // zbarimg ends each code with a line end of its own.
            #expect(decoded == text + "\n")
            #expect(decoded.hasPrefix("[Interface]\nPrivateKey = "))
        }
    }

    /// Pings and TCP over both families between a client of alpha and alpha, its containers and those of the others.
    private func expectTraffic(of client: StockClient, in trio: Trio) throws {
        for address in try trio.alpha.node.status().addresses {
            #expect(try client.host.canPing(address, within: 10), "alpha at \(address)")
            #expect(try client.host.throughput(to: address, of: trio.alpha.host, seconds: 1) > 0)
        }
        let own = try client.address()
        for site in trio.sites {
            for address in [try site.address(), try site.address6()] {
                let pings = try client.host.result(of: "ping", "-n", "-c", "3", "-i", "0.2", "\(address)")
                #expect(pings.succeeded, "\(site.name) at \(address): \(pings.output)")
                #expect(!pings.output.contains("Redirect"))
                #expect(try client.host.throughput(to: address, of: site.containers[0], seconds: 1) > 0)
            }
            #expect(try site.containers[0].canPing(own), "\(site.name)")
            #expect(try site.containers[0].throughput(to: own, of: client.host, seconds: 1) > 0)
        }
    }

    /// What a terminal shows, two rows of light blocks a line, as a picture in PBM's text form: 1 is black.
    private func bitmap(ofHalfBlocks lines: [Substring], scale: Int) -> String {
        func row(_ line: Substring, light: Set<Character>) -> String {
            let pixels = line.map { String(repeating: light.contains($0) ? "0" : "1", count: scale) }.joined() + "\n"
            return String(repeating: pixels, count: scale)
        }
        let rows = lines.map { row($0, light: ["█", "▀"]) + row($0, light: ["█", "▄"]) }
        return "P1\n\((lines.first?.count ?? 0) * scale) \(2 * lines.count * scale)\n" + rows.joined()
    }
}
