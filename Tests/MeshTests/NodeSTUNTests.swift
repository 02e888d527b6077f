import Datapath
import STUN
import SansIO
import Testing
import Traversal
import Wire

@testable import Mesh

/// Nodes as STUN servers and as clients of stock ones.
@Suite struct NodeSTUNTests {
    private let hub = Endpoint("198.18.1.2:20007")!
    private let stranger = Endpoint("198.18.9.9:4242")!

    private func mesh(audience: STUNAudience = .all) -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: hub.description)
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.run(for: .seconds(2))
        mesh.with("hub") { node, now in
            var configuration = node.configuration
            configuration.stunAudience = audience
            node.configure(configuration, at: now)
        }
        return mesh
    }

    private func request(_ seed: UInt64 = 1) -> STUNMessage {
        var random = SeededRandom(seed: seed)
        return STUNMessage(.request, STUNTransaction(using: &random), [.software("a client of some other make")])
    }

    /// What the hub answers to a datagram of this source.
    private func answers(_ mesh: VirtualMesh, to bytes: [UInt8], from source: Endpoint) -> [[UInt8]] {
        var sent: [[UInt8]] = []
        mesh.with("hub") { node, now in
            _ = node.takeActions()
            node.receive([.datagram(bytes, origin: Origin(.direct(source), localAddress: hub.address))], at: now)
            for case .send(let message, let destination) in node.takeActions() where destination.endpoint == source {
                #expect(destination.localAddress == hub.address)
                sent.append(message)
            }
        }
        return sent
    }

    @Test func `a node tells anybody the address it asks from`() throws {
        let mesh = mesh()
        let before = try #require(mesh.hosts["hub"]).node.counters.stunAnswered
        let answer = try #require(answers(mesh, to: request().encoded, from: stranger).first)
        let message = try STUNMessage(parsing: answer)
        #expect(message.mappedEndpoint == stranger)
        #expect(message.attributes.contains(.responseOrigin(hub)))
        #expect(mesh.hosts["hub"]?.node.counters.stunAnswered == before + 1)
    }

    @Test func `a node that serves members alone answers no stranger`() {
        let mesh = mesh(audience: .members)
        #expect(answers(mesh, to: request().encoded, from: stranger).isEmpty)
        let member = Endpoint("198.18.2.2:5555")!
        #expect(answers(mesh, to: request().encoded, from: member).count == 1)
        let silent = self.mesh(audience: .nobody)
        #expect(answers(silent, to: request().encoded, from: member).isEmpty)
    }

    @Test func `a node learns its outside address from a stock server`() {
        let mesh = mesh()
        mesh.with("one") { node, now in
            var configuration = node.configuration
            configuration.stunServers = [Endpoint("198.18.7.7:3478")!, hub]
            node.configure(configuration, at: now)
        }
        mesh.run(for: .seconds(1))
        let seen = mesh.hosts["one"]?.node.observations.first { $0.observer == .server(hub) }
        #expect(seen?.endpoint == Endpoint("198.18.2.2:20007"))
    }

    @Test func `when servers are silent the next of the list are asked`() {
        let mesh = mesh()
        mesh.with("one") { node, now in
            var configuration = node.configuration
            configuration.stunServers = (1...4).map { Endpoint("198.18.7.\($0):3478")! } + [hub]
            node.configure(configuration, at: now)
        }
        mesh.run(for: .seconds(4))
        #expect(mesh.hosts["one"]?.node.observations.contains { $0.observer == .server(hub) } == true)
    }

    @Test func `a silent server that is listed twice is asked once in a round`() {
        let mesh = mesh()
        mesh.run(for: .seconds(10))
        func asked() -> Int { mesh.captured.count { $0.count == 152 && STUNMessage.isPlausible($0) } }
        let before = asked()
        let silent = Endpoint("198.18.7.1:3478")!
        mesh.with("one") { node, now in
            var configuration = node.configuration
            configuration.stunServers = [silent] + (2...3).map { Endpoint("198.18.7.\($0):3478")! } + [silent, silent]
            node.configure(configuration, at: now)
        }
        mesh.run(for: .seconds(60))
        // Beside them, a few of other questions that were under way.
        #expect(asked() - before < 4 * STUNClient.Patience.full.attempts)
    }

    @Test func `answers that nobody asked for change nothing`() {
        let mesh = mesh()
        let before = mesh.hosts["hub"]?.node.ownCandidates
        for seed in 0..<50 as Range<UInt64> {
            let forged = STUNMessage(.success, request(seed).transaction, [.xorMappedAddress(stranger)])
            #expect(answers(mesh, to: forged.encoded, from: stranger).isEmpty)
        }
        #expect(mesh.hosts["hub"]?.node.ownCandidates == before)
        #expect(mesh.hosts["hub"]?.node.counters.stunUnexpected == 50)
    }

    @Test func `no mutation of a request draws an answer of more than three times its length`() throws {
        let mesh = mesh()
        var random = SeededRandom(seed: 5)
        for step in 0..<3000 {
            var bytes = request(UInt64(step)).encoded
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if step % 3 == 0 { bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))) }
            let source = Endpoint(.v4(IPv4Address(198, 19, UInt8(step >> 8), UInt8(step & 255))), port: 9)
            for answer in answers(mesh, to: bytes, from: source) { #expect(answer.count <= 3 * bytes.count) }
        }
    }
}
