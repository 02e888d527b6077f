import Crypto
import Datapath
import Identity
import Relay
import SansIO
import Testing
import Traversal
import Wire

@testable import Mesh

/// What a member may try that has a valid certificate, its invite's key and the mesh secret.
@Suite struct HostileMemberTests {
    private let mesh = VirtualMesh()
    private let token: JoinToken?
    private static let address = Endpoint(.v4(IPv4Address(198, 18, 3, 2)), port: 20007)

    init() {
        // Whoever made the mesh is away, so nobody vouches for the certificates that members wrote themselves.
        mesh.join("hub", at: "198.18.1.2:20007", with: mesh.create("root", at: "198.18.9.2:20007"))
        mesh.run(for: .seconds(2))
        token = mesh.invite(from: "root", uses: 100)
        mesh.remove("root")
        mesh.join("victim", at: "198.18.2.2:20007", with: token)
        mesh.run(for: .seconds(2))
        mesh.join("mallory", at: "\(Self.address)", with: token)
        mesh.run(for: .seconds(2))
    }

    // MARK: other people's addresses

    @Test func `a certificate that a later one replaced gives no prefix, whatever its record's number`() throws {
        var mallory = try #require(mesh.hosts["mallory"]?.node.identity)
        let own = mallory.certificate.subnet
        let theirs = try #require(mesh.hosts["victim"]?.node.identity.certificate.subnet)
        try take(theirs, &mallory)
        let hijack = record(of: mallory, number: 1000)
        try take(own, &mallory)
        tellHub([record(of: mallory, number: 500)])
        #expect(subnetsAtHub("mallory") == [own])
        tellHub([hijack])
        #expect(subnetsAtHub("mallory") == [own])
        #expect(subnetsAtHub("victim") == [theirs])
    }

    @Test func `a new certificate takes away the prefix of the old one, whatever its record's number`() throws {
        var mallory = try #require(mesh.hosts["mallory"]?.node.identity)
        try take(700, &mallory)
        tellHub([record(of: mallory, number: 1000)])
        #expect(subnetsAtHub("mallory") == [700])
        try take(800, &mallory)
        tellHub([record(of: mallory, number: 500)])
        #expect(subnetsAtHub("mallory") == [800])
    }

    @Test func `who asks for another's prefix loses its own place, and gets it back with an honest certificate`() throws
    {
        var mallory = try #require(mesh.hosts["mallory"]?.node.identity)
        let own = mallory.certificate.subnet
        let theirs = try #require(mesh.hosts["victim"]?.node.identity.certificate.subnet)
        try take(theirs, &mallory)
        tellHub([record(of: mallory, number: 1000)])
        #expect(subnetsAtHub("mallory") == [])
        #expect(subnetsAtHub("victim") == [theirs])
        try take(own, &mallory)
        tellHub([record(of: mallory, number: 1001)], from: "victim")
        #expect(subnetsAtHub("mallory") == [own])
    }

    // MARK: floods

    @Test func `a member that sends one bad record after the other is not listened to for a while`() throws {
        let mallory = try #require(mesh.hosts["mallory"]?.node.identity)
        var forged = record(of: mallory, number: 1000)
        forged[forged.count - 1] ^= 1
        for _ in 0..<20 { tellHub(Array(repeating: forged, count: 50)) }
        let counters = try #require(mesh.hosts["hub"]?.node.counters)
        #expect(counters.recordsRefused <= 210)
        #expect(counters.overBudget >= 700)
        let refusals = mesh.hosts["hub"]?.events.count { if case .refused = $0 { true } else { false } }
        #expect(try #require(refusals) <= 25)
        let honest = record(of: mallory, number: 1001)
        mesh.run(for: .seconds(30))
        tellHub([honest])
        #expect(
            mesh.hosts["hub"]?.saved.contains { $0 == .record(node: mallory.nodeID, number: 1001, encoded: honest) }
                == true)
    }

    @Test func `circuits that a member offers or asks for without end do not fill the table`() throws {
        let target = try #require(mesh.hosts["victim"]?.node.identity.nodeID)
        for step in 0..<2000 as Range<UInt64> {
            mesh.with("hub") { node, now in
                guard let number = node.peer(named: "mallory") else { return }
                let frames: [ControlFrame] = [
                    .circuitOffer(relayID: step, origin: target.bytes, message: []),
                    .circuitOpen(replyID: step, target: target.bytes, route: nil, message: []),
                ]
                node.receive(
                    frames.map { .control(frame: $0.encoded, peer: number, origin: Origin(.direct(Self.address))) },
                    at: now)
            }
        }
        let node = try #require(mesh.hosts["hub"]?.node)
        // Beside mallory's there are those that honest members keep as standbys.
        #expect(node.circuits.count <= 4 * Node.circuitsPerPeer + 2 * node.configuration.relayLimits.circuitsPerPeer)
        mesh.run(for: .seconds(30))
        let left = try #require(mesh.hosts["hub"]?.node.relay.circuitCount)
        #expect(left <= Node.circuitsPerPeer, "the victim keeps no more")
    }

    @Test func `circuits that a relay offers in another's name take no room from those through other relays`() throws {
        mesh.join("other", at: "198.18.4.2:20007", with: token)
        mesh.run(for: .seconds(2))
        let target = try #require(mesh.hosts["victim"]?.node.identity.nodeID)
        func offer(_ count: Int, through relay: String) {
            mesh.with("hub") { node, now in
                guard let number = node.peer(named: relay) else { return }
                for step in 1...UInt64(count) {
                    node.receiveOffer(relayID: step, origin: target.bytes, message: [], from: number, at: now)
                }
            }
        }
        /// How many of the hub's circuits to the victim go through a relay.
        func count(through relay: String) -> Int {
            guard let node = mesh.hosts["hub"]?.node, let victim = node.peer(named: "victim") else { return 0 }
            return node.peers[victim]?.circuits.count { identifier in
                node.relay(of: .relayed(circuit: identifier))?.peer == node.peer(named: relay)
            } ?? 0
        }
        offer(2, through: "other")
        let before = count(through: "other")
        #expect(before >= 2)
        offer(100, through: "mallory")
        #expect(count(through: "other") == before)
        #expect((1...Node.circuitsPerPeerAndRelay).contains(count(through: "mallory")))
    }

    /// Frames from mallory, as many times, and what the hub counted as too much of them.
    private func flood(_ frame: ControlFrame, _ count: Int, mutedFirst isMuted: Bool = false) throws -> Int {
        let before = try #require(mesh.hosts["hub"]).node.counters.overBudget
        mesh.with("hub") { node, now in
            guard let number = node.peer(named: "mallory") else { return }
            // As if it had not introduced itself on this session yet.
            if isMuted { node.peers[number]?.greeting.received = nil }
            let upcall = Upcall.control(
                frame: frame.encoded, peer: number, origin: Origin(.direct(Self.address)))
            node.receive(Array(repeating: upcall, count: count), at: now)
        }
        return try #require(mesh.hosts["hub"]).node.counters.overBudget - before
    }

    @Test func `a flood of pings is answered as far as anybody has reason to ping`() throws {
        let before = mesh.captured.count
        #expect(try flood(.ping(nonce: 1, inDoubt: false), 20_000) >= 18_900)
        #expect(mesh.captured.count - before <= 1100)
        mesh.run(for: .seconds(3))
        #expect(try flood(.ping(nonce: 1, inDoubt: false), 100) == 0, "and again a little later")
    }

    @Test func `who refuses us over and over is heard a few times`() throws {
        mesh.run(for: .seconds(10))
        let own = try #require(mesh.hosts["hub"]?.node.identity.certificate.subnet)
        let others = (1...1000).map { UInt16($0) }
        #expect(try flood(.refusal(reason: "no", takenSubnets: [own] + others), 500, mutedFirst: true) >= 480)
        let told = mesh.hosts["hub"]?.events.count { if case .refusedByPeer = $0 { true } else { false } }
        #expect(try #require(told) <= 20)
    }

    // MARK: steps

    /// Issues `identity` a certificate for a subnet of its choice, as the holder of an invite's key can.
    private func take(_ subnet: UInt16, _ identity: inout NodeIdentity) throws {
        let others = Set(identity.mesh.plan.nodeSubnets).subtracting([subnet])
        let chain = try #require(identity.reissued(at: mesh.wallTime, lifetime: .seconds(86_400), avoiding: others))
        #expect(chain.certificate.subnet == subnet)
        let isAdopted = identity.adopt(chain)
        #expect(isAdopted)
    }

    private func record(of identity: NodeIdentity, number: UInt64) -> [UInt8] {
        identity.record(number: number, wallTime: mesh.wallTime, abilities: [], candidates: [Self.address]).encoded
    }

    private func tellHub(_ records: [[UInt8]], from sender: String = "mallory") {
        mesh.with("hub") { node, now in
            guard let number = node.peer(named: sender) else { return }
            let frames = records.map { ControlFrame.records([$0]).encoded }
            node.receive(
                frames.map { .control(frame: $0, peer: number, origin: Origin(.direct(Self.address))) }, at: now)
        }
    }

    /// The subnets that the hub takes packets of a node from.
    private func subnetsAtHub(_ name: String) -> [UInt16] {
        guard let node = mesh.hosts["hub"]?.node else { return [] }
        let prefixes = node.peerStatuses.first { $0.name == name }?.prefixes ?? []
        return prefixes.filter(\.isIPv4).compactMap { node.identity.mesh.plan.subnet(of: $0.address) }
    }
}
