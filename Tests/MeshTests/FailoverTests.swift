import Identity
import Mesh
import SansIO
import Simulator
import Testing
import Traversal
import Wire

/// Two hosts that cannot reach each other, and relays on the internet, each at a distance of its own.
struct RelayedPair {
    let mesh: VirtualMesh
    let relays: [String]

    /// `delays`: from either host to each relay, one way.
    init(seed: UInt8, delays: [Duration], isSeparated: Bool = true) {
        mesh = VirtualMesh(seed: seed)
        relays = delays.indices.map { "relay\($0)" }
        let token = mesh.create("relay0", at: "198.18.1.2:20007")
        for index in delays.indices.dropFirst() {
            mesh.join("relay\(index)", at: "198.18.\(index + 1).2:20007", with: token)
            mesh.run(for: .seconds(2))
        }
        // Relays learn that strangers reach them when strangers do.
        mesh.run(for: .seconds(5))
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.101.2", with: token)
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.102.2", with: token)
        setDelays(delays)
        mesh.run(for: .seconds(30))
        if isSeparated { mesh.block("one", "two") }
    }

    func setDelays(_ delays: [Duration]) {
        for (relay, delay) in zip(relays, delays) {
            for host in ["one", "two"] { mesh.setDelay(delay, between: host, relay) }
        }
    }

    /// Requests from one to two, every 5 ms.
    func startFlow(_ kind: Flow.Kind = .requests) -> Flow {
        mesh.simulation.startFlow(
            kind, from: mesh.hosts["one"]!.simulated, to: mesh.hosts["two"]!.simulated, every: .milliseconds(5))
    }

    func status(_ host: String = "one", of peer: String = "two") -> Node.PeerStatus? {
        mesh.hosts[host]?.node.peerStatuses.first { $0.name == peer }
    }

    var relay: String? { status()?.relay }

    func changes(_ host: String = "one") -> [PeerPaths.Reason] {
        mesh.hosts[host]?.events.compactMap { event in
            if case .pathChanged(peer: host == "one" ? "two" : "one", _, _, let reason) = event { reason } else { nil }
        } ?? []
    }

    func kill(_ name: String) {
        if let host = mesh.hosts[name] { mesh.simulation.kill(host.simulated) }
    }

    /// The longest time without an answer from `start` on.
    func gap(of flow: Flow, since start: Instant) -> Duration {
        flow.longestGap(in: start...(mesh.simulation.now - .milliseconds(250)))
    }
}

@Suite struct FailoverTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt8]) func `a relay that is killed is missed for a sixth of a second`(
        _ seed: UInt8
    ) throws {
        let pair = RelayedPair(seed: seed, delays: [.milliseconds(10), .milliseconds(15), .milliseconds(20)])
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(10))
        let used = try #require(pair.relay)
        #expect(used == "relay0", "the nearest")
        let death = pair.mesh.simulation.now
        pair.kill(used)
        pair.mesh.run(for: .seconds(5))
        let gap = pair.gap(of: flow, since: death)
        #expect(gap <= .milliseconds(300), "seed \(seed): \(gap)")
        #expect(pair.relay != used)
        #expect(flow.lost(in: death + .milliseconds(300)...death + .seconds(4)) == 0)
    }

    @Test(arguments: [1, 2, 3] as [UInt8]) func `two relays that are killed at once are missed for a second at most`(
        _ seed: UInt8
    ) throws {
        let pair = RelayedPair(
            seed: seed, delays: [.milliseconds(10), .milliseconds(15), .milliseconds(20), .milliseconds(25)])
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(10))
        let death = pair.mesh.simulation.now
        pair.kill("relay0")
        pair.kill("relay1")
        pair.mesh.run(for: .seconds(5))
        let gap = pair.gap(of: flow, since: death)
        #expect(gap <= .seconds(1), "seed \(seed): \(gap)")
    }

    @Test(arguments: [1, 2, 3] as [UInt8]) func `a direct path that is cut is missed for less than half a second`(
        _ seed: UInt8
    ) throws {
        let pair = RelayedPair(seed: seed, delays: [.milliseconds(20), .milliseconds(25)], isSeparated: false)
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(15))
        #expect(pair.status()?.path?.isDirect == true)
        let cut = pair.mesh.simulation.now
        pair.mesh.block("one", "two")
        pair.mesh.run(for: .seconds(5))
        let gap = pair.gap(of: flow, since: cut)
        #expect(gap <= .milliseconds(400), "seed \(seed): \(gap)")
        #expect(pair.status()?.path?.isDirect == false)
    }

    @Test(arguments: ["one", "two"]) func `a path that dies in one direction only is left by both`(_ sender: String)
        throws
    {
        let pair = RelayedPair(seed: 3, delays: [.milliseconds(10), .milliseconds(15)])
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(10))
        let used = try #require(pair.relay)
        let cut = pair.mesh.simulation.now
        pair.mesh.block(from: sender, to: used)
        pair.mesh.run(for: .seconds(5))
        let gap = pair.gap(of: flow, since: cut)
        let history = pair.status()?.history.changes.map { "\($0.reason) \($0.at - cut)" } ?? []
        let theirs = pair.status("two", of: "one")?.history.changes.map { "\($0.reason) \($0.at - cut)" } ?? []
        #expect(gap <= .milliseconds(400), "\(gap) \(history) \(theirs)")
        #expect(pair.relay != used)
        #expect(pair.status("two", of: "one")?.relay != used)
    }

    @Test func `packets in one direction survive a relay's death too`() throws {
        let pair = RelayedPair(seed: 4, delays: [.milliseconds(10), .milliseconds(15)])
        let flow = pair.startFlow(.oneWay)
        pair.mesh.run(for: .seconds(10))
        let death = pair.mesh.simulation.now
        pair.kill(try #require(pair.relay))
        pair.mesh.run(for: .seconds(5))
        let gap = pair.gap(of: flow, since: death)
        #expect(gap <= .milliseconds(300), "\(gap)")
    }

    @Test func `the nearest of three relays is used within two seconds, and a swap moves it once`() throws {
        let pair = RelayedPair(seed: 5, delays: [.milliseconds(50), .milliseconds(2), .milliseconds(12)])
        _ = pair.startFlow()
        pair.mesh.run(for: .seconds(2))
        #expect(pair.relay == "relay1")
        pair.mesh.run(for: .seconds(10))
        let before = pair.changes().count
        pair.setDelays([.milliseconds(2), .milliseconds(50), .milliseconds(12)])
        pair.mesh.run(for: .seconds(5))
        #expect(pair.relay == "relay0")
        pair.mesh.run(for: .seconds(60))
        #expect(pair.changes().count == before + 1)
    }

    @Test func `moving from a relay to the direct path loses, doubles and reorders nothing`() throws {
        let pair = RelayedPair(seed: 6, delays: [.milliseconds(40)], isSeparated: true)
        let flow = pair.startFlow(.oneWay)
        pair.mesh.run(for: .seconds(5))
        #expect(pair.status()?.path?.isDirect == false)
        pair.mesh.unblock("one", "two")
        pair.mesh.run(for: .seconds(60))
        #expect(pair.status()?.path?.isDirect == true)
        #expect(flow.overtaken == 0 && flow.duplicates == 0)
        #expect(flow.lost(in: flow.startedAt + .seconds(1)...pair.mesh.simulation.now - .seconds(1)) == 0)
    }

    @Test func `a NAT that gives other ports is got over within a second`() throws {
        let pair = RelayedPair(seed: 7, delays: [.milliseconds(20), .milliseconds(25)], isSeparated: false)
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(15))
        #expect(pair.status()?.path?.isDirect == true)
        let change = pair.mesh.simulation.now
        pair.mesh.rebind("one")
        pair.mesh.run(for: .seconds(20))
        let gap = pair.gap(of: flow, since: change)
        #expect(gap <= .seconds(1), "\(gap)")
    }

    @Test func `a host that slept for a minute is back within a second`() throws {
        let pair = RelayedPair(seed: 8, delays: [.milliseconds(20), .milliseconds(25)], isSeparated: false)
        let flow = pair.startFlow()
        pair.mesh.run(for: .seconds(15))
        let host = try #require(pair.mesh.hosts["two"]?.simulated)
        pair.mesh.simulation.suspend(host)
        pair.mesh.run(for: .seconds(60))
        pair.mesh.simulation.resume(host)
        let wake = pair.mesh.simulation.now
        pair.mesh.run(for: .seconds(10))
        let gap = pair.gap(of: flow, since: wake)
        #expect(gap <= .seconds(1), "\(gap)")
    }
}
