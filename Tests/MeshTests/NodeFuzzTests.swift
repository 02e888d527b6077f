import Crypto
import Datapath
import Identity
import Relay
import SansIO
import Testing
import Traversal
import Wire

@testable import Mesh

/// Upcalls at random for nodes with live peers: frames that are whole, mutated or made up, datagrams replayed from the wire or
/// mutated, from anywhere and along any path, in any order.
@Suite struct NodeFuzzTests {
    private static let names = ["hub", "one", "two", "three"]

    @Test(arguments: [1, 2] as [UInt64])
    func `no input from the network stops a node, makes it grow, or keeps it from its work afterwards`(_ seed: UInt64) {
        let mesh = VirtualMesh(seed: UInt8(seed))
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.run(for: .seconds(2))
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", with: token)
        mesh.join("three", at: "198.18.4.2:20007", with: token)
        mesh.run(for: .seconds(2))
        mesh.block("one", "two")
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(2))

        var source = HostileInput(seed: seed, recording: mesh.captured)
        for step in 0..<4000 {
            for name in Self.names where Int.random(in: 0..<2, using: &source.random) == 0 {
                mesh.with(name) { node, now in
                    let count = Int.random(in: 1...4, using: &source.random)
                    let upcalls = (0..<count).map { _ in source.upcall(for: node) }
                    node.receive(upcalls, at: now)
                }
            }
            if step % 8 == 0 { mesh.run(for: .milliseconds(Int.random(in: 1...400, using: &source.random))) }
            if step % 200 == 0 { for name in Self.names { expectBounded(mesh, name, seed, step) } }
        }

        // Strangers time out, circuits close, and the mesh is what it was.
        mesh.run(for: .seconds(300))
        for name in Self.names {
            expectBounded(mesh, name, seed, -1)
            #expect(mesh.hosts[name]?.node.peers.all.contains(where: \.isUnverified) == false, "seed \(seed)")
        }
        for receiver in Self.names.dropFirst() {
            mesh.sendPacket(from: "hub", to: receiver, marker: 77)
            mesh.run(for: .seconds(10))
            mesh.sendPacket(from: "hub", to: receiver, marker: 78)
            mesh.run(for: .seconds(1))
            #expect(mesh.hosts[receiver]?.delivered.last?.last == 78, "seed \(seed), \(receiver)")
        }
    }

    private func expectBounded(_ mesh: VirtualMesh, _ name: String, _ seed: UInt64, _ step: Int) {
        guard let node = mesh.hosts[name]?.node else { return }
        let place: Comment = "seed \(seed), step \(step), \(name)"
        let limit = Self.names.count + node.configuration.tentativeLimit
        #expect(node.peers.count <= limit, place)
        #expect(node.sessions.count <= 4 * node.peers.count, place)
        #expect(
            node.circuits.count <= Node.circuitsPerPeer * node.peers.count + 2
                * node.configuration.relayLimits.circuits,
            place)
        #expect(node.circuits.entries.count { $0.value == .forwarded } == 2 * node.relay.circuitCount, place)
        #expect(node.errands.count <= Node.errandLimit, place)
        #expect(node.observations.count <= OwnCandidates.observationLimit, place)
        #expect(node.contacts.count <= Contacts.limit, place)
        for peer in node.peers.all {
            #expect(peer.paths.knownPathCount <= PeerPaths.pathLimit, place)
            #expect(peer.circuits.count <= Node.circuitsPerPeer && peer.relaysAsked.count <= Self.names.count, place)
            #expect(peer.carriedCircuitCount >= 0, place)
        }
    }
}

/// Makes hostile upcalls from what was recorded on the wire and what the node itself knows.
private struct HostileInput {
    var random: SeededRandom
    private let recording: [[UInt8]]

    init(seed: UInt64, recording: [[UInt8]]) {
        random = SeededRandom(seed: seed)
        self.recording = recording
    }

    mutating func upcall(for node: Node) -> Upcall {
        let peer = Int.random(in: 0..<8, using: &random)
        switch Int.random(in: 0..<16, using: &random) {
        case 0: return .active(peer: peer)
        case 1: return .rekeyWanted(peer: peer)
        case 2: return .confirmed(peer: peer, receiver: UInt32(truncatingIfNeeded: session(of: node)))
        case 3: return .moved(peer: peer, to: origin(node))
        case 4: return .unsealed(packet: bytes(64), peer: peer)
        case 5...8: return .datagram(mangled(recording.randomElement(using: &random) ?? []), origin: origin(node))
        default: return .control(frame: mangled(frame(node).encoded), peer: peer, origin: origin(node))
        }
    }

    private mutating func frame(_ node: Node) -> ControlFrame {
        let records = node.directory.all.map(\.encoded) + [node.ownRecord]
        switch Int.random(in: 0..<16, using: &random) {
        case 0:
            return .hello(
                .init(
                    bootID: random.next() % 4, wallSeconds: random.next(), wantsReply: Bool.random(using: &random),
                    record: mangled(records.randomElement(using: &random) ?? [])))
        case 1: return .ping(nonce: random.next(), inDoubt: Bool.random(using: &random))
        case 2:
            return .pong(
                nonce: random.next(), observed: Bool.random(using: &random) ? endpoint() : nil, load: 3, arrived: 9)
        case 3: return .records((0..<3).map { _ in mangled(records.randomElement(using: &random) ?? []) })
        case 4:
            let first = random.next() / 2
            let entries = (0..<3).map { _ in ControlFrame.DigestEntry(node: random.next(), number: random.next()) }
            return .digest(.init(first: first, last: .max, entries: entries))
        case 5: return .recordRequest([node.identity.nodeID.bytes.leadingUInt64, random.next()])
        case 6:
            let route = ControlFrame.Route(origin: target(node), relays: UInt8(1 + random.next() % 4))
            return .circuitOpen(
                replyID: random.next(), target: target(node), route: Bool.random(using: &random) ? route : nil,
                message: handshake())
        case 7: return .circuitOffer(relayID: random.next(), origin: target(node), message: handshake())
        case 8: return .circuitAccept(relayID: circuit(node), replyID: random.next(), message: handshake())
        case 9: return .circuitReady(replyID: circuit(node), relayID: random.next(), message: handshake())
        case 10: return .circuitClosed(identifier: circuit(node), reason: 1)
        case 11: return .refusal(reason: "no", takenSubnets: [node.identity.certificate.subnet])
        case 12: return .goodbye
        case 13: return .fragment(.init(message: 1, index: UInt8(random.next() % 3), count: 3, bytes: bytes(40)))
        case 14: return .extended(.reachability, mangled(reachability(node).encoded))
        default: return .extended(ControlFrame.Topic.allCases.randomElement(using: &random) ?? .renewal, bytes(40))
        }
    }

    private mutating func reachability(_ node: Node) -> ReachabilityMessage {
        let nonce = DialBackNonce(high: UInt32(random.next() % 2), low: random.next() % 4)
        let known = NodeID(target(node))
        return switch Int.random(in: 0..<4, using: &random) {
        case 0: .request(nonce: nonce, target: endpoint(), origin: .fresh, dialler: nil)
        case 1: .request(nonce: nonce, target: endpoint(), origin: .own, dialler: known)
        case 2: .errand(nonce: nonce, target: endpoint(), asker: known)
        default: .answer(nonce: nonce, .sent)
        }
    }

    private mutating func handshake() -> [UInt8] {
        let handshakes = recording.filter { (1...3).contains($0.first ?? 0) }
        return Bool.random(using: &random) ? [] : mangled(handshakes.randomElement(using: &random) ?? [])
    }

    private mutating func target(_ node: Node) -> Bytes32 {
        let known = node.directory.all.map(\.record.nodeID.bytes) + [node.identity.nodeID.bytes]
        return known.randomElement(using: &random) ?? node.identity.nodeID.bytes
    }

    private mutating func circuit(_ node: Node) -> UInt64 {
        node.circuits.entries.randomElement(using: &random)?.identifier ?? random.next()
    }

    private mutating func session(of node: Node) -> UInt64 {
        node.sessions.entries.randomElement(using: &random)?.identifier ?? random.next()
    }

    private mutating func origin(_ node: Node) -> Origin {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: Origin(.relayed(circuit: circuit(node)))
        case 1: Origin(.relayed(circuit: random.next()))
        default: Origin(.direct(endpoint()), localAddress: IPAddress("198.18.1.2"))
        }
    }

    private mutating func endpoint() -> Endpoint {
        let addresses = ["198.18.1.2", "198.18.2.2", "198.18.4.2", "203.0.113.9", "224.0.0.1", "10.130.0.1", "fd00::1"]
        let port = UInt16(truncatingIfNeeded: random.next())
        return Endpoint(IPAddress(addresses.randomElement(using: &random) ?? "") ?? .v4(.any), port: port)
    }

    private mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// As it is, with some bytes changed, cut, or grown; mostly as it is.
    private mutating func mangled(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            for _ in 0..<4 {
                guard let index = bytes.indices.randomElement(using: &random) else { break }
                bytes[index] = UInt8(truncatingIfNeeded: random.next())
            }
        case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        case 2: bytes += self.bytes(Int.random(in: 1...20, using: &random))
        default: break
        }
        return bytes
    }
}
