import Datapath
import Identity
import Relay
import SansIO
import Simulator
import Testing
import Traversal

@testable import Mesh

@Suite struct RelayingTests {
    @Test(arguments: [1, 2, 3] as [UInt8]) func `a relay that drains is left without a packet lost`(_ seed: UInt8)
        throws
    {
        let pair = RelayedPair(seed: seed, delays: [.milliseconds(10), .milliseconds(30)])
        let flow = pair.startFlow(.oneWay)
        let answers = pair.startFlow()
        pair.mesh.run(for: .seconds(10))
        let used = try #require(pair.relay)
        let begin = pair.mesh.simulation.now
        pair.mesh.with(used) { $0.setRelaying(.drain(within: .seconds(20)), at: $1) }
        pair.mesh.run(for: .seconds(5))
        #expect(pair.relay != used && pair.relay != nil)
        #expect(pair.changes().last == .relayLeaving)
        let status = try #require(pair.mesh.hosts[used]?.node.relayStatus)
        #expect(status.state == .off && status.circuits == 0, "\(status)")
        pair.mesh.run(for: .seconds(5))
        for flow in [flow, answers] {
            #expect(flow.lost(in: begin - .seconds(1)...pair.mesh.simulation.now - .seconds(1)) == 0, "seed \(seed)")
            #expect(flow.overtaken == 0 && flow.duplicates == 0, "seed \(seed)")
        }
    }

    @Test func `a drain waits for those who have no other way, and can be taken back`() throws {
        let pair = RelayedPair(seed: 2, delays: [.milliseconds(10)])
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(5))
        let begin = pair.mesh.simulation.now
        pair.mesh.with("relay0") { $0.setRelaying(.drain(within: .seconds(20)), at: $1) }
        pair.mesh.run(for: .seconds(10))
        #expect(pair.mesh.hosts["relay0"]?.node.isDraining == true)
        pair.mesh.with("relay0") { $0.setRelaying(.on, at: $1) }
        pair.mesh.run(for: .seconds(30))
        #expect(pair.relay == "relay0")
        #expect(flow.lost(in: begin...pair.mesh.simulation.now - .seconds(1)) == 0)
        pair.mesh.with("relay0") { $0.setRelaying(.drain(within: .seconds(5)), at: $1) }
        pair.mesh.run(for: .seconds(6))
        #expect(pair.mesh.hosts["relay0"]?.node.relayStatus.circuits == 0)
    }

    @Test func `a relay that has drained is used again when it relays again`() throws {
        let pair = RelayedPair(seed: 5, delays: [.milliseconds(10)])
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(5))
        pair.mesh.with("relay0") { $0.setRelaying(.drain(within: .seconds(2)), at: $1) }
        pair.mesh.run(for: .seconds(20))
        #expect(pair.mesh.hosts["relay0"]?.node.relayStatus.state == .off)
        #expect(pair.relay == nil)
        pair.mesh.with("relay0") { $0.setRelaying(.on, at: $1) }
        pair.mesh.run(for: .seconds(30))
        #expect(pair.relay == "relay0")
        let now = pair.mesh.simulation.now
        #expect(flow.lost(in: now - .seconds(5)...now - .seconds(1)) == 0)
    }

    @Test func `who missed the word of a drain is told again, and leaves in time`() throws {
        let delays: [Duration] = [.milliseconds(10), .milliseconds(30)]
        let pair = RelayedPair(seed: 6, delays: delays)
        let flow = pair.startFlow(.oneWay)
        pair.mesh.run(for: .seconds(10))
        #expect(pair.relay == "relay0")
        let begin = pair.mesh.simulation.now
        pair.mesh.block(from: "relay0", to: "one")
        pair.mesh.with("relay0") { $0.setRelaying(.drain(within: .seconds(2)), at: $1) }
        pair.setDelays(delays)
        pair.mesh.run(for: .seconds(1))
        #expect(pair.relay == "relay1")
        #expect(pair.changes().last == .relayLeaving)
        pair.mesh.run(for: .seconds(5))
        #expect(flow.lost(in: begin...pair.mesh.simulation.now - .seconds(1)) == 0)
    }

    @Test func `a relay that drains need not wait for a word that was lost`() throws {
        let delays: [Duration] = [.milliseconds(10), .milliseconds(30)]
        let pair = RelayedPair(seed: 7, delays: delays)
        _ = pair.startFlow()
        pair.mesh.run(for: .seconds(10))
        #expect(pair.relay == "relay0")
        pair.mesh.with("relay0") { $0.setRelaying(.drain(within: .seconds(20)), at: $1) }
        // Those that use it have left it by then, and are about to say so.
        pair.mesh.run(for: .milliseconds(200))
        for host in ["one", "two"] { pair.mesh.block(from: host, to: "relay0") }
        pair.mesh.run(for: .milliseconds(600))
        pair.setDelays(delays)
        pair.mesh.run(for: .seconds(3))
        #expect(pair.mesh.hosts["relay0"]?.node.relayStatus.state == .off)
    }

    @Test func `a relay that is switched off refuses, and says so in its record and status`() throws {
        let pair = RelayedPair(seed: 3, delays: [.milliseconds(10), .milliseconds(12)])
        pair.mesh.with("relay0") { $0.setRelaying(.off, at: $1) }
        pair.mesh.run(for: .seconds(2))
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(5))
        #expect(pair.relay == "relay1")
        #expect(flow.delivered > 0)
        #expect(pair.mesh.hosts["relay0"]?.node.relayStatus.state == .off)
        #expect(pair.mesh.hosts["relay1"]?.node.relayStatus.members.count == 2)
    }

    @Test func `a node whose certificate does not let it relay takes no circuits, and says why`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("root", at: "198.18.1.2:20007")
        mesh.join("asker", at: "198.18.3.2:20007", with: token)
        var limited: JoinToken?
        mesh.with("root") { node, now in
            var terms = Issuer.InviteTerms()
            terms.rights.remove(.relay)
            limited = try? node.invite(on: terms, at: now)
        }
        mesh.join("plain", at: "198.18.2.2:20007", with: limited)
        mesh.run(for: .seconds(10))
        mesh.sendPacket(from: "asker", to: "plain", marker: 1)
        mesh.run(for: .seconds(2))
        let root = try #require(mesh.hosts["root"]?.node.identity.nodeID)
        mesh.with("plain") { node, now in
            guard let asker = node.peer(named: "asker"), let path = node.peers[asker]?.paths.current else { return }
            let frame = ControlFrame.circuitOpen(replyID: 1, target: root.bytes, route: nil, message: [])
            node.receive([.control(frame: frame.encoded, peer: asker, origin: Origin(path))], at: now)
        }
        let plain = try #require(mesh.hosts["plain"]?.node)
        #expect(plain.isReachable && plain.relayLoad == .max)
        #expect(plain.relayStatus.state == .notPermitted)
        #expect(plain.relayStatus.circuits == 0 && plain.relayStatus.refusals == [.notPermitted: 1])
    }

    @Test func `hosts that see different relays reach each other through both`() throws {
        let pair = RelayedPair(seed: 4, delays: [.milliseconds(10), .milliseconds(10)])
        pair.mesh.block("one", "relay1")
        pair.mesh.block("two", "relay0")
        pair.mesh.run(for: .seconds(60))
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(10))
        let now = pair.mesh.simulation.now
        #expect(flow.lost(in: now - .seconds(5)...now - .seconds(1)) == 0)
        #expect(pair.relay == "relay0")
        #expect(pair.status("two", of: "one")?.relay == "relay1")
        // Each relay forwards, and nothing goes round in circles.
        for relay in ["relay0", "relay1"] {
            #expect(pair.mesh.hosts[relay]?.node.relayStatus.circuits ?? 0 <= 4)
        }
        pair.kill("relay1")
        pair.mesh.run(for: .seconds(3))
        pair.mesh.unblock("two", "relay0")
        pair.mesh.run(for: .seconds(30))
        #expect(flow.lastDelivery.map { pair.mesh.simulation.now - $0 < .seconds(1) } == true)
    }
}
