import ControlAPI
import Lab
import Testing
import Wire

/// Cookies under load (WireGuard paper §5.4.7), each side in turn.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct WireGuardLoadTests {
    @Test func `flooded, the node asks for a cookie, and wireguard-go connects with it`() throws {
        try Lab.withLoneHost { lab, site in
            try site.node.up()
            let node = try #require(try site.node.status().addresses.first)
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: site.node)
            let counts = try MessageCounts(on: laptop)
            let attacker = try lab.host("attacker", on: lab.core)
            let answers = try MessageCounts(on: attacker)
            let flood = try HandshakeFlood(
                from: attacker, to: Endpoint(site.host.uplink.address, port: 20007),
                publicKey: try #require(client.nodeKey))
            try wait(for: "cookie replies", within: .seconds(20)) { () throws(LabError) in
                try answers.received(.cookieReply) > 100
            }
            try client.bringUp()
            try client.waitForSession()
            #expect(flood.isRunning)
            #expect(try counts.received(.cookieReply) > 0)
            #expect(try counts.sent(.initiationWithCookie) > 0)
            #expect(try laptop.canPing(node, within: 5))
            // Nobody is asked for a cookie once the flood has ended.
            flood.stop()
            try wait(for: "the end of the load", within: .seconds(20)) { () throws(LabError) in
                try client.takeDown()
                let asked = try counts.received(.cookieReply)
                try client.bringUp()
                try client.waitForSession()
                return try counts.received(.cookieReply) == asked
            }
        }
    }

    @Test func `flooded, wireguard-go asks for a cookie, and the node connects with it`() throws {
        try Lab.withLoneHost { lab, site in
            try site.node.up()
            let laptop = try lab.host("laptop", on: lab.core)
            let client = try StockClient("laptop", on: laptop, admittedAt: site.node)
            try client.bringUp()
            try client.waitForSession()
            try laptop.run("wg", "set", "wg0", "listen-port", "20007")
            let node = try #require(try site.node.status().addresses.first)
            #expect(try laptop.timeToFirstAnswer(from: node) > 0)
            try client.forgetNode()
            // Counted at the node, whose port is 20007 too.
            let counts = try MessageCounts(on: site.host)
            let attacker = try lab.host("attacker", on: lab.core)
            let flood = try HandshakeFlood(
                from: attacker, to: Endpoint(laptop.uplink.address, port: 20007),
                publicKey: try #require(client.ownKey), burst: 200, stopping: try client.processID())
            let ping = try site.host.start("ping", "-n", "-i", "0.2", "\(try client.address())", log: "ping")
            try client.waitForSession()
            try ping.waitForLog("time=")
            #expect(flood.isRunning)
            #expect(try counts.received(.cookieReply) > 0)
            #expect(try counts.sent(.initiationWithCookie) > 0)
        }
    }
}
