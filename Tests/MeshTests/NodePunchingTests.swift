import Identity
import SansIO
import Testing
import Traversal
import Wire

@testable import Mesh

/// Hole punching between whole nodes.
@Suite struct NodePunchingTests {
    private static let relayTrip: Duration = .milliseconds(40)

    /// One public host, two behind port-restricted NATs; 10 ms from any to any, so 40 ms there and back over the hub.
    private func threeHosts() -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.run(for: .seconds(2))
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", with: token)
        mesh.run(for: .seconds(2))
        return mesh
    }

    private func isDirect(_ mesh: VirtualMesh, from name: String, to other: String) -> Bool {
        mesh.hosts[name]?.node.peerStatuses.first { $0.name == other }?.path?.isDirect == true
    }

    @Test func `between two cones both sides send directly within two relay round trips and a tenth of a second`() {
        let mesh = threeHosts()
        let start = mesh.now
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        while mesh.now - start < .seconds(5),
            !isDirect(mesh, from: "one", to: "two") || !isDirect(mesh, from: "two", to: "one")
        {
            mesh.run(for: .milliseconds(5))
        }
        #expect(mesh.now - start <= Self.relayTrip * 2 + .milliseconds(100))
        let counts = mesh.hosts["one"]?.node.punchCounts.values.reduce(into: PunchCount()) {
            $0.tried += $1.tried
            $0.won += $1.won
        }
        #expect(counts == PunchCount(tried: 1, won: 1))
    }

    @Test func `what was tried and what came of it is remembered`() throws {
        let mesh = threeHosts()
        mesh.block("one", "two")
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(10))
        let node = try #require(mesh.hosts["one"]?.node)
        let number = try #require(node.peer(named: "two"))
        let attempt = try #require(node.punchEvidence(of: number)?.attempt)
        #expect(attempt.outcome == .lost)
        #expect(attempt.isAnswered)
        #expect(attempt.targets.contains { $0.endpoint == Endpoint("198.18.3.2:20007") && $0.probes > 0 })
        let reports = mesh.hosts["one"]?.events.filter { if case .punchFailed = $0 { true } else { false } }
        #expect(reports?.count == 1)
        mesh.run(for: .seconds(300))
        let later = mesh.hosts["one"]?.events.filter { if case .punchFailed = $0 { true } else { false } }
        #expect(later?.count == 1, "said once")
    }

    @Test func `words of a hostile member neither stop a node nor make it send without end`() throws {
        let mesh = threeHosts()
        let number = try #require(mesh.hosts["hub"]?.node.peer(named: "one"))
        let before = mesh.captured.count
        let until = mesh.now + .seconds(10)
        var generation: UInt32 = 0
        var random = SeededRandom(seed: 3)
        while mesh.now < until {
            generation += 1
            let victims = (0..<16).map { index in
                PunchMessage.Candidate(
                    Endpoint(.v4(IPv4Address(203, 0, UInt8(truncatingIfNeeded: generation), index)), port: 53),
                    kind: .reflexive)
            }
            var payload = PunchMessage(
                generation: generation, answering: 0, wantsAnswer: true, nat: .unknown, allocation: .any,
                candidates: victims, opened: [Endpoint("198.18.2.2:20007")!]
            ).encoded
            if generation % 3 == 0 { payload.removeLast(Int.random(in: 1..<payload.count, using: &random)) }
            if generation % 5 == 0 { payload[Int.random(in: payload.indices, using: &random)] ^= 0xff }
            mesh.with("hub") { node, now in node.send(.extended(.punch, payload), to: number, at: now) }
            mesh.run(for: .milliseconds(2))
        }
        let words = Int(generation)
        let node = try #require(mesh.hosts["one"]?.node)
        #expect(node.counters.malformedFrames > 500)
        #expect(node.counters.overBudget > 2000)
        let sent = mesh.captured.count - before - words
        #expect(sent < 2500, "a train in 3.5 s at most, and answers")
    }

    @Test func `nothing is sent into the mesh or to this host on a peer's word`() throws {
        let mesh = threeHosts()
        let number = try #require(mesh.hosts["hub"]?.node.peer(named: "one"))
        let inner = try #require(mesh.hosts["two"]?.node.identity.addresses.first)
        let own = try #require(mesh.hosts["one"]?.address)
        let foul = [Endpoint(inner, port: 20007), own, Endpoint("127.0.0.1:53")!, Endpoint("224.0.0.1:53")!]
        let message = PunchMessage(
            generation: 1, answering: 0, wantsAnswer: true, nat: .unknown, allocation: .any,
            candidates: foul.map { .init($0, kind: .interface) }, opened: [])
        mesh.with("hub") { node, now in node.send(.extended(.punch, message.encoded), to: number, at: now) }
        mesh.run(for: .seconds(5))
        let node = try #require(mesh.hosts["one"]?.node)
        let hub = try #require(node.peer(named: "hub"))
        let targets = try #require(node.punchEvidence(of: hub)?.attempt?.targets)
        #expect(Set(targets.map(\.endpoint)).isDisjoint(with: foul))
    }
}
