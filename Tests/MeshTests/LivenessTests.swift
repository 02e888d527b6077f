import Identity
import SansIO
import Simulator
import Testing
import Wire

@testable import Mesh

/// Who is dead is known everywhere within two seconds, and that somebody is back within one.
@Suite struct LivenessTests {
    private static let relays = ["relay0", "relay1"]

    /// A node that is killed, or whose cable is pulled; who learns of it.
    @Test(arguments: [1, 2, 3] as [UInt8], [true, false])
    func `a node that dies or is cut off is dead for all in two seconds, and back in one`(
        _ seed: UInt8, _ isKilled: Bool
    ) throws {
        let mesh = LivelyMesh(relays: 2, nodes: 4, seed: seed)
        let others = Self.relays + ["node1", "node2", "node3"]
        mesh.mesh.run(for: .milliseconds(Int64(seed) * 170))
        if isKilled { try mesh.kill("node0") } else { mesh.mesh.cut("node0", true) }
        try mesh.expect(others, call: ["node0"], within: .seconds(2), "dead")
        mesh.mesh.run(for: .seconds(isKilled ? 100 : 20))
        if isKilled { try mesh.restart("node0") } else { mesh.mesh.cut("node0", false) }
        try mesh.expect(others + ["node0"], call: [], within: .milliseconds(isKilled ? 1000 : 1500), "back")
        for name in others {
            #expect(mesh.events(at: name).count { $0 == .livenessChanged(dead: ["node0"], back: []) } == 1, "\(name)")
            #expect(mesh.events(at: name).count { $0 == .livenessChanged(dead: [], back: ["node0"]) } == 1, "\(name)")
        }
    }

    @Test func `a goodbye is known at once`() throws {
        let mesh = LivelyMesh(relays: 2, nodes: 3)
        mesh.mesh.with("node0") { $0.leave(at: $1) }
        try mesh.kill("node0")
        try mesh.expect(Self.relays + ["node1", "node2"], call: ["node0"], within: .milliseconds(500), "goodbye")
    }

    @Test func `a relay that dies is dead for all in two seconds, and those behind it live on`() throws {
        let mesh = LivelyMesh(relays: 3, nodes: 4)
        let others = ["relay1", "relay2", "node0", "node1", "node2", "node3"]
        try mesh.kill("relay0")
        try mesh.expect(others, call: ["relay0"], within: .seconds(2), "relay")
        for _ in 0..<200 {
            mesh.mesh.run(for: .milliseconds(100))
            for name in others { #expect(try mesh.dead(at: name) == ["relay0"], "\(name)") }
        }
        try mesh.restart("relay0")
        try mesh.expect(others, call: [], within: .seconds(1), "relay back")
    }

    @Test func `the only relay dies: every node that uses services knows it in two seconds`() throws {
        let mesh = LivelyMesh(relays: 1, nodes: 5)
        try mesh.kill("relay0")
        let nodes = (0..<5).map { "node\($0)" }
        try mesh.expect(nodes, know: ["relay0"], within: .seconds(2), "only relay")
    }

    @Test func `two hosts alone know of each other`() throws {
        let mesh = LivelyMesh(relays: 1, nodes: 1)
        try mesh.kill("node0")
        try mesh.expect(["relay0"], call: ["node0"], within: .seconds(2), "two hosts")
        try mesh.restart("node0")
        try mesh.expect(["relay0", "node0"], call: [], within: .seconds(1), "two hosts back")
        mesh.mesh.run(for: .seconds(3))
        try mesh.kill("relay0")
        try mesh.expect(["node0"], call: ["relay0"], within: .seconds(2), "two hosts, the other")
    }

    @Test func `watcher and watched that die together are both dead in two seconds`() throws {
        let mesh = LivelyMesh(relays: 3, nodes: 3)
        let watched = try #require(mesh.mesh.hosts["node0"]).node
        let watchers = mesh.names(watched.liveness.contacts)
        let name = try #require(watchers.first { $0.hasPrefix("relay") })
        try mesh.kill("node0")
        try mesh.kill(name)
        let others = ["relay0", "relay1", "relay2", "node1", "node2"].filter { $0 != name }
        try mesh.expect(others, call: ["node0", name].sorted(), within: .seconds(2), "together")
    }

    @Test func `a partition is seen from both sides, and healing from both`() throws {
        let mesh = LivelyMesh(relays: 4, nodes: 4)
        let sides = [["relay0", "relay1", "node0", "node1"], ["relay2", "relay3", "node2", "node3"]]
        for one in sides[0] { for other in sides[1] { mesh.mesh.block(one, other) } }
        for (side, other) in [(sides[0], sides[1]), (sides[1], sides[0])] {
            try mesh.expect(side, call: other.sorted(), within: .seconds(5), "partition")
        }
        mesh.mesh.run(for: .seconds(60))
        for one in sides[0] { for other in sides[1] { mesh.mesh.unblock(one, other) } }
        try mesh.expect(sides[0] + sides[1], call: [], within: .seconds(3), "healed")
    }

    @Test func `a node that was stopped for a while declares nobody dead when it goes on`() throws {
        let mesh = LivelyMesh(relays: 2, nodes: 3)
        let stopped = try #require(mesh.mesh.hosts["relay0"]).simulated
        let others = ["relay1", "node0", "node1", "node2"]
        mesh.mesh.simulation.suspend(stopped)
        try mesh.expect(others, call: ["relay0"], within: .seconds(2), "stopped")
        mesh.mesh.run(for: .seconds(60))
        mesh.mesh.simulation.resume(stopped)
        for _ in 0..<1000 {
            mesh.mesh.run(for: .milliseconds(10))
            #expect(try mesh.dead(at: "relay0").isEmpty)
        }
        for name in others { #expect(try mesh.dead(at: name).isEmpty, "\(name)") }
    }

    @Test func `lost packets are no deaths`() throws {
        let mesh = LivelyMesh(relays: 2, nodes: 2)
        mesh.mesh.lossPercent = 10
        let before = mesh.allEvents.count
        mesh.mesh.run(for: .seconds(3600))
        let changes = mesh.allEvents.dropFirst(before).filter { if case .livenessChanged = $0 { true } else { false } }
        #expect(changes.isEmpty)
        try mesh.kill("node0")
        try mesh.expect(Self.relays + ["node1"], call: ["node0"], within: .seconds(2), "with loss")
    }

    @Test func `a watcher that lies harms nobody, and is left`() throws {
        let mesh = LivelyMesh(relays: 3, nodes: 3)
        let victim = try mesh.identifier("node0")
        let believed = try #require(mesh.mesh.hosts["node0"]).node.liveness.contacts
        let liar = try #require(mesh.names(believed).first { $0.hasPrefix("relay") })
        // A relay that nobody asked says the same.
        let stranger = Self.relays.first { !mesh.names(believed).contains($0) } ?? "relay2"
        mesh.mesh.with(stranger) { node, now in
            node.liveness.inherited = [victim.bytes.leadingUInt64]
            node.state(at: now)
        }
        mesh.mesh.with(liar) { node, now in
            node.liveness.stated = [victim]
            node.state(at: now)
        }
        for _ in 0..<3000 {
            mesh.mesh.run(for: .milliseconds(10))
            for name in mesh.mesh.hosts.keys.sorted() { #expect(try mesh.dead(at: name).isEmpty, "\(name)") }
        }
        let node = try #require(mesh.mesh.hosts["node0"]).node
        #expect(node.counters.liveness.watchersDisputed == 1)
        #expect(!mesh.names(node.liveness.contacts).contains(liar))
    }

    @Test func `a node that flaps is told of three times, then once in ten seconds`() throws {
        let mesh = LivelyMesh(relays: 2, nodes: 2)
        func told() -> Int { mesh.events(at: "node1").count { $0 == .livenessChanged(dead: ["node0"], back: []) } }
        for _ in 0..<25 {
            mesh.mesh.cut("node0", true)
            mesh.mesh.run(for: .milliseconds(1900))
            mesh.mesh.cut("node0", false)
            mesh.mesh.run(for: .milliseconds(2100))
        }
        #expect((3...14).contains(told()), "\(told()) in 100 s")
        #expect(Self.relays.contains { (mesh.mesh.hosts[$0]?.node.counters.liveness.silencesDamped ?? 0) > 0 })
        mesh.mesh.run(for: .seconds(5))
        #expect(try mesh.dead(at: "node1").isEmpty)
    }

    @Test func `a hundred that hang on one relay do not all speak when it dies`() throws {
        let mesh = LivelyMesh(relays: 2, nodes: 20)
        func numbers() -> [UInt64] {
            mesh.mesh.hosts.sorted { $0.key < $1.key }.filter { $0.key != "relay0" }
                .compactMap { $0.value.node.announcements.own[Announcement.livenessPart]?.number }
        }
        let before = numbers()
        try mesh.kill("relay0")
        try mesh.expect(["relay1", "node0", "node19"], call: ["relay0"], within: .seconds(2), "relay of many")
        let after = numbers()
        let count = zip(before, after).count { $0 != $1 }
        #expect(count <= 12, "\(count) of \(before.count)")
    }
}
