import Glibc
import Identity
import SansIO
import Simulator
import Testing
import Traversal
import Wire

@testable import Mesh

/// One node that knows a thousand others, each with eight candidates, of which none answers.
@Suite struct ManyPeersTests {
    private static let peerCount = 1000
    private static let publicCount = 2
    private static let privateCount = 6

    @Test func `a thousand peers that do not answer keep what a node remembers within its bounds`() throws {
        let simulation = Simulation(seed: 12)
        let subject = try Self.subject(in: simulation)
        let known = subject.node.peers.count
        // A few drew the same subnet: of these one counts.
        #expect(known > Self.peerCount * 9 / 10 && known <= Self.peerCount)
        let leftOut = Self.privateCount - Node.privateCandidateLimit
        #expect(subject.node.counters.candidatesLeftOut >= leftOut * known)

        // Every fourth is wanted, all at once.
        let wanted = subject.node.peers.all.filter { $0.number.isMultiple(of: 4) }
        for peer in wanted {
            simulation.with(subject) { $0.ping(peer.number, token: UInt64(peer.number), at: $1) }
        }
        Self.expectBounded(subject.node, known)
        simulation.run(for: .seconds(6))
        #expect(subject.node.sessions.count >= wanted.count, "every attempt has a session on its way")
        Self.expectBounded(subject.node, known)
        simulation.run(for: .seconds(100))
        Self.expectBounded(subject.node, known)
        #expect(subject.node.sessions.count <= Node.anchorLimit, "attempts end and leave nothing behind")
        #expect(subject.node.peers.all.allSatisfy { $0.pingsWaiting.isEmpty && $0.initiation == nil })
    }

    /// In a process of its own, whose memory is nobody else's.
    @Test func `a thousand peers with eight candidates each take less than 32 MiB, wanted or not`() async {
        await #expect(processExitsWith: .success) {
            let simulation = Simulation(seed: 12)
            let records = try Self.records(in: simulation)
            let before = Self.residentKilobytes
            let subject = try Self.subject(in: simulation, knowing: records)
            for peer in subject.node.peers.all {
                simulation.with(subject) { $0.ping(peer.number, token: UInt64(peer.number), at: $1) }
            }
            simulation.run(for: .seconds(6))
            let used = Self.residentKilobytes - before
            print("\(subject.node.peers.count) peers: \(used) KiB")
            try #require(used < 32 << 10, "\(used) KiB")
        }
    }

    // MARK: steps

    /// A token, and records of the many; who made the mesh is gone.
    private static func records(in simulation: Simulation) throws -> (token: JoinToken, encoded: [[UInt8]]) {
        let root = simulation.createMesh("root", in: [])
        let token = try #require(simulation.token(from: root))
        simulation.kill(root)
        return (token, try (0..<peerCount).map { try record(of: $0, token, simulation) })
    }

    private static func subject(
        in simulation: Simulation, knowing known: (token: JoinToken, encoded: [[UInt8]])? = nil
    ) throws -> Host {
        let known = try known ?? records(in: simulation)
        var restored = Node.Restored()
        restored.records = known.encoded
        let name = try #require(NodeName("subject"))
        let identity = try NodeIdentity.join(
            known.token, name: name, now: simulation.wallTime(), using: &simulation.keys)
        var settlement = Settlement()
        return simulation.addHost(
            "subject", identity, in: settlement.settle(.portRestricted, in: &simulation.fabric), restored: restored)
    }

    private static func record(of number: Int, _ token: JoinToken, _ simulation: Simulation) throws -> [UInt8] {
        let name = try #require(NodeName("n\(number)"))
        let identity = try NodeIdentity.join(token, name: name, now: simulation.wallTime(), using: &simulation.keys)
        func endpoints(_ block: UInt32, _ count: Int) -> [Endpoint] {
            (0..<count).map { Endpoint(.v4(IPv4Address(rawValue: block + UInt32(number * count + $0))), port: 20_007) }
        }
        return identity.record(
            number: 1, wallTime: simulation.wallTime(), abilities: [.reachable],
            candidates: endpoints(0xcb00_0001, publicCount) + endpoints(0x0a00_0001, privateCount)
        ).encoded
    }

    private static func expectBounded(_ node: Node, _ known: Int) {
        #expect(node.peers.count == known)
        #expect(node.sessions.count <= 2 * known)
        #expect(node.circuits.count <= Node.circuitsPerPeer * known)
        #expect(node.contacts.count <= 4096)
        for peer in node.peers.all {
            #expect(peer.candidates.count <= Self.publicCount + Node.privateCandidateLimit)
            #expect(peer.paths.knownPathCount <= PeerPaths.pathLimit)
            #expect(peer.circuits.count <= Node.circuitsPerPeer && peer.pingsWaiting.count <= 1)
        }
    }

    /// The second number of /proc/self/statm, in pages.
    private static var residentKilobytes: Int {
        guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        let fields = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * pageKilobytes : 0
    }

    private static var pageKilobytes: Int { Int(sysconf(Int32(_SC_PAGESIZE))) >> 10 }
}
