import Crypto
import Datapath
import Identity
import Mesh
import SansIO
import Testing
import Traversal
import Wire

/// Three hosts: one public, two behind port-restricted NATs.
///
///     hub 198.18.1.2      one 192.168.1.2 ── NAT 198.18.2.2      two 192.168.1.2 ── NAT 198.18.3.2
private func threeHosts(seed: UInt8 = 1) -> VirtualMesh {
    let mesh = VirtualMesh(seed: seed)
    let token = mesh.create("hub", at: "198.18.1.2:20007")
    mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
    mesh.run(for: .seconds(2))
    mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", with: token)
    mesh.run(for: .seconds(2))
    return mesh
}

private func markers(_ mesh: VirtualMesh, _ name: String) -> [UInt8] {
    mesh.hosts[name]?.delivered.compactMap { $0.last } ?? []
}

@Suite struct NodeTests {
    @Test func `a host that joins with a token is ready at once and known by all`() throws {
        let mesh = threeHosts()
        for name in ["hub", "one", "two"] {
            let node = try #require(mesh.hosts[name]?.node)
            #expect(node.isReady)
            #expect(Set(node.peerStatuses.map(\.name)) == Set(["hub", "one", "two"]).subtracting([name]))
        }
        #expect(mesh.hosts["hub"]?.node.isReachable == true)
        #expect(mesh.hosts["one"]?.node.isReachable == false)
    }

    @Test func `packets pass between every pair, the first one included`() throws {
        let mesh = threeHosts()
        var marker: UInt8 = 1
        for sender in ["hub", "one", "two"] {
            for receiver in ["hub", "one", "two"] where receiver != sender {
                mesh.sendPacket(from: sender, to: receiver, marker: marker)
                mesh.run(for: .milliseconds(300))
                #expect(markers(mesh, receiver).last == marker, "\(sender) to \(receiver)")
                marker += 1
            }
        }
    }

    @Test func `two hosts behind NATs begin on the relay and move to the direct path that opens`() throws {
        let mesh = threeHosts()
        mesh.sendPacket(from: "one", to: "two", marker: 7)
        mesh.run(for: .milliseconds(100))
        #expect(markers(mesh, "two") == [7])
        #expect(mesh.sentBeforePublishing == 0, "an answer could have been quicker than the tables")
        let first = mesh.hosts["one"]?.events.compactMap { event -> Path? in
            if case .pathChanged(peer: "two", let path, relay: _, reason: .firstHeard) = event { path } else { nil }
        }
        #expect(first?.first?.isDirect == false)
        mesh.run(for: .seconds(10))
        let status = try #require(mesh.hosts["one"]?.node.peerStatuses.first { $0.name == "two" })
        #expect(status.path?.isDirect == true)
        mesh.sendPacket(from: "two", to: "one", marker: 8)
        mesh.run(for: .milliseconds(100))
        #expect(markers(mesh, "one") == [8])
    }

    @Test func `two hosts that cannot reach each other talk through the member they have in common`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        // Addresses that nothing routes to: only the hub can answer them.
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", with: token)
        mesh.run(for: .seconds(2))
        mesh.block("one", "two")
        for marker in 1...20 as ClosedRange<UInt8> {
            mesh.sendPacket(from: "one", to: "two", marker: marker)
            mesh.run(for: .milliseconds(500))
            mesh.sendPacket(from: "two", to: "one", marker: marker)
            mesh.run(for: .milliseconds(500))
        }
        #expect(markers(mesh, "two") == Array(1...20))
        #expect(markers(mesh, "one") == Array(1...20))
        let status = try #require(mesh.hosts["one"]?.node.peerStatuses.first { $0.name == "two" })
        #expect(status.relay == "hub")
        // The relay saw only sealed messages.
        let clear = mesh.captured.contains { datagram in
            datagram.indices.dropLast(20).contains { start in datagram[start..<(start + 20)].allSatisfy { $0 == 9 } }
        }
        #expect(!clear)
    }

    @Test func `a packet whose source is not the sender's never reaches the interface`() throws {
        let mesh = threeHosts()
        mesh.sendPacket(from: "one", to: "hub", marker: 1)
        mesh.run(for: .milliseconds(300))
        let foreign = try #require(mesh.hosts["two"]?.node.identity.addresses[0])
        mesh.sendPacket(from: "one", to: "hub", marker: 2, source: foreign)
        mesh.run(for: .milliseconds(300))
        #expect(markers(mesh, "hub") == [1])
        #expect(mesh.hosts["hub"]?.path.drops[.sourceNotAllowed] == 1)
    }

    @Test func `a host that lost its memory but for the disk's is back after one handshake`() throws {
        let mesh = threeHosts()
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(10))
        let before = try #require(mesh.hosts["two"])
        let restored = VirtualMesh.restored(from: before.saved)
        mesh.remove("two")
        mesh.run(for: .milliseconds(200))
        mesh.add("two", before.node.identity, before.address, outside: before.outside, restored)
        mesh.run(for: .milliseconds(300))
        mesh.sendPacket(from: "one", to: "two", marker: 2)
        mesh.run(for: .milliseconds(300))
        #expect(markers(mesh, "two") == [2])
        mesh.sendPacket(from: "two", to: "one", marker: 3)
        mesh.run(for: .milliseconds(300))
        #expect(markers(mesh, "one").last == 3)
    }

    @Test func `a node that lost all it knew of its peers is told again when they make a new session`() throws {
        let mesh = threeHosts()
        let before = try #require(mesh.hosts["hub"])
        mesh.remove("hub")
        mesh.run(for: .milliseconds(200))
        mesh.add("hub", before.node.identity, before.address, outside: nil)
        mesh.run(for: .seconds(60))
        #expect(mesh.hosts["hub"]?.node.peerStatuses.map(\.name) == ["one", "two"])
        mesh.sendPacket(from: "one", to: "hub", marker: 5)
        mesh.run(for: .seconds(1))
        #expect(markers(mesh, "hub") == [5])
    }

    @Test func `a keepalive interval that changes holds for the tunnels that stand`() throws {
        let mesh = threeHosts()
        /// Transport messages with nothing in them.
        func keepalives(during time: Duration) -> Int {
            let before = mesh.captured.count
            mesh.run(for: time)
            return mesh.captured[before...].count { $0.count == 32 && $0.first == 4 }
        }
        mesh.run(for: .seconds(30))
        let before = keepalives(during: .seconds(100))
        mesh.with("one") { node, now in
            var configuration = node.configuration
            configuration.natKeepalive = .seconds(1)
            node.configure(configuration, at: now)
        }
        let after = keepalives(during: .seconds(100))
        #expect(after >= before + 50, "\(before), then \(after)")
    }

    @Test func `when the relay starts anew, hosts that depend on it find each other again`() throws {
        let mesh = threeHosts()
        mesh.block("one", "two")
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(5))
        let before = try #require(mesh.hosts["hub"])
        mesh.remove("hub")
        mesh.run(for: .milliseconds(200))
        mesh.add("hub", before.node.identity, before.address, outside: nil, VirtualMesh.restored(from: before.saved))
        mesh.run(for: .seconds(2))
        mesh.sendPacket(from: "one", to: "two", marker: 2)
        mesh.run(for: .seconds(1))
        #expect(markers(mesh, "two") == [1, 2])
    }

    @Test func `an outsider gets nowhere without a certificate`() throws {
        let mesh = threeHosts()
        // It knows the mesh secret and a node's key, and makes itself a certificate of another mesh.
        let other = VirtualMesh(seed: 9)
        _ = other.create("evil", at: "198.18.9.2:20007")
        var identity = try #require(other.hosts["evil"]?.node.identity)
        let hub = try #require(mesh.hosts["hub"]?.node.identity)
        identity.secrets = hub.secrets
        var restored = Node.Restored()
        restored.bootstrap = [
            JoinToken.Bootstrap(
                name: hub.name, tunnelKey: hub.tunnelKey.publicKey, endpoints: [Endpoint("198.18.1.2:20007")!])
        ]
        mesh.add("evil", identity, Endpoint("198.18.9.2:20007")!, outside: nil, restored)
        mesh.run(for: .seconds(20))
        #expect(mesh.hosts["hub"]?.node.peerStatuses.contains { $0.name == "evil" } == false)
        #expect(mesh.hosts["evil"]?.node.waitingFor.first?.refusal != nil)
        let refused = mesh.hosts["hub"]?.events.contains { if case .refused = $0 { true } else { false } }
        #expect(refused == true)
    }

    @Test func `a token that is used up admits nobody else, and says so`() throws {
        let mesh = VirtualMesh()
        _ = mesh.create("hub", at: "198.18.1.2:20007")
        let token = mesh.invite(from: "hub", uses: 1)
        mesh.join("one", at: "198.18.2.2:20007", with: token)
        mesh.run(for: .seconds(2))
        mesh.join("two", at: "198.18.3.2:20007", with: token)
        mesh.run(for: .seconds(5))
        #expect(mesh.hosts["one"]?.node.isReady == true)
        #expect(mesh.hosts["two"]?.node.isReady == false)
        let reason = try #require(mesh.hosts["two"]?.node.waitingFor.first?.refusal)
        #expect(reason.contains("token"))
    }

    @Test func `a second host of the same name is refused with the reason`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "198.18.2.2:20007", with: token)
        mesh.run(for: .seconds(2))
        let identity = try NodeIdentity.join(
            try #require(token), name: try #require(NodeName("one")), now: mesh.wallTime, using: &mesh.keys)
        var restored = Node.Restored()
        restored.bootstrap = try #require(token).bootstrap
        mesh.add("impostor", identity, try #require(Endpoint("198.18.3.2:20007")), outside: nil, restored)
        mesh.run(for: .seconds(3))
        #expect(mesh.hosts["impostor"]?.node.waitingFor.first?.refusal?.contains("one") == true)
        #expect(mesh.hosts["hub"]?.node.peerStatuses.map(\.name) == ["one"])
    }

    @Test(arguments: [1, 2, 3] as [UInt8]) func `joining and talking survive a fifth of the packets lost`(_ seed: UInt8)
    {
        let mesh = VirtualMesh(seed: seed)
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.lossPercent = 20
        mesh.duplicatePercent = 20
        mesh.jitter = .milliseconds(30)
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", with: token)
        mesh.run(for: .seconds(60))
        for marker in 1...50 as ClosedRange<UInt8> {
            mesh.sendPacket(from: "one", to: "two", marker: marker)
            mesh.run(for: .seconds(1))
        }
        #expect(markers(mesh, "two").count >= 25, "seed \(seed)")
    }

    @Test func `a session is renewed under traffic without losing a packet`() {
        let mesh = threeHosts()
        for marker in 0..<200 as Range<UInt8> {
            mesh.sendPacket(from: "one", to: "two", marker: marker)
            mesh.run(for: .seconds(2))
        }
        #expect(markers(mesh, "two") == Array(0..<200))
    }

    @Test func `a stock client is admitted with a key of its own and keeps its place over a restart`() throws {
        let mesh = threeHosts()
        let key = try AgreementKey(secret: Secret(Array(repeating: 42, count: 32)))
        var added: Node.Client?
        mesh.with("one") { node, now in
            added = try? node.addClient(publicKey: key.publicKey, name: NodeName("phone")!, at: now)
        }
        let client = try #require(added)
        mesh.run(for: .seconds(1))
        let prefixes = try #require(
            mesh.hosts["one"]?.node.identity.mesh.plan.prefixes(ofClient: client.attached.number))
        let gateway = try #require(mesh.hosts["hub"]?.node.peerStatuses.first { $0.name == "one" })
        #expect(Set(prefixes).isSubset(of: gateway.prefixes), "others route to it through its node")
        #expect(client.presharedKey != mesh.hosts["one"]?.node.identity.secrets.current)
        var twice = false
        mesh.with("one") { node, now in
            twice = (try? node.addClient(publicKey: key.publicKey, name: NodeName("phone")!, at: now)) != nil
        }
        #expect(!twice)
    }

    @Test func `a ping makes the session it needs and reports the path taken`() throws {
        let mesh = threeHosts()
        mesh.with("one") { node, now in
            if let number = node.peer(named: "two") { node.ping(number, token: 5, at: now) }
        }
        mesh.run(for: .seconds(1))
        let pong = mesh.hosts["one"]?.events.compactMap { event -> Duration? in
            if case .pong(token: 5, let roundTripTime, path: _, relay: _) = event { roundTripTime } else { nil }
        }
        #expect(pong?.first.map { $0 >= .milliseconds(20) && $0 <= .milliseconds(60) } == true)
    }

    @Test func `a host joins through any member while the issuer is down`() throws {
        let mesh = VirtualMesh()
        let first = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("middle", at: "198.18.2.2:20007", with: first)
        mesh.run(for: .seconds(2))
        // The middle node learns that strangers reach it when one does.
        mesh.join("other", at: "198.18.3.2:20007", with: first)
        mesh.run(for: .seconds(2))
        mesh.with("other") { node, now in
            if let number = node.peer(named: "middle") { node.ping(number, token: 1, at: now) }
        }
        mesh.run(for: .seconds(5))
        let token = mesh.invite(from: "hub", uses: 5)
        #expect(try #require(token).bootstrap.map(\.name.description).contains("middle"))
        mesh.cut("hub", true)
        mesh.join("late", at: "192.168.1.2:20007", behind: "198.18.4.2", with: token)
        mesh.run(for: .seconds(3))
        #expect(mesh.hosts["late"]?.node.isReady == true)
        mesh.sendPacket(from: "late", to: "other", marker: 9)
        mesh.run(for: .seconds(1))
        #expect(markers(mesh, "other").last == 9)
    }

    @Test func `a certificate is renewed before it ends, by a node that may issue, and traffic goes on`() throws {
        let mesh = threeHosts()
        let before = try #require(mesh.hosts["one"]?.node.identity.certificate)
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(5))
        mesh.skipCalendar(.seconds(300 * 86_400))
        mesh.run(for: .seconds(1300))
        let after = try #require(mesh.hosts["one"]?.node.identity.certificate)
        #expect(after.expiry > before.expiry)
        #expect(after.issuedAt == before.issuedAt, "who came first stays who came first")
        #expect(mesh.hosts["one"]?.saved.contains(.identity) == true)
        mesh.skipCalendar(.seconds(100 * 86_400))
        mesh.run(for: .seconds(60))
        mesh.sendPacket(from: "one", to: "two", marker: 2)
        mesh.run(for: .seconds(1))
        #expect(markers(mesh, "two") == [1, 2], "past the end of the first certificates")
    }

    @Test func `a certificate that ended is not accepted any more`() throws {
        let mesh = threeHosts()
        mesh.cut("two", true)
        mesh.skipCalendar(.seconds(370 * 86_400))
        mesh.run(for: .seconds(30))
        #expect(mesh.hosts["hub"]?.node.peerStatuses.contains { $0.name == "two" } == false)
        #expect(mesh.hosts["hub"]?.saved.contains { if case .forgetRecord = $0 { true } else { false } } == true)
    }

    @Test func `two hosts that draw one subnet settle it by themselves`() throws {
        let mesh = VirtualMesh()
        _ = mesh.create("hub", at: "198.18.1.2:20007")
        var token: JoinToken?
        mesh.with("hub") { node, now in
            var terms = Issuer.InviteTerms()
            terms.uses = 8
            terms.pool = IPPrefix("10.200.0.0/22")
            token = try? node.invite(on: terms, at: now)
        }
        for index in 0..<4 {
            mesh.join("n\(index)", at: "198.18.\(10 + index).2:20007", with: token)
            mesh.run(for: .seconds(5))
        }
        let subnets = (0..<4).compactMap { mesh.hosts["n\($0)"]?.node.identity.certificate.subnet }
        #expect(Set(subnets).count == 4)
        #expect((0..<4).allSatisfy { mesh.hosts["n\($0)"]?.node.isReady == true })
        for index in 1..<4 {
            mesh.sendPacket(from: "n0", to: "n\(index)", marker: UInt8(index))
            mesh.run(for: .seconds(1))
            #expect(markers(mesh, "n\(index)") == [UInt8(index)])
        }
        // A fifth finds no room, and says so.
        mesh.join("n4", at: "198.18.20.2:20007", with: token)
        mesh.run(for: .seconds(5))
        #expect(mesh.hosts["n4"]?.node.isReady == false)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt8])
    func `who joined first keeps its name against one that joins in the same second`(_ seed: UInt8) throws {
        let mesh = VirtualMesh(seed: seed)
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "198.18.2.2:20007", with: token)
        mesh.run(for: .milliseconds(300))
        let second = try NodeIdentity.join(
            try #require(token), name: try #require(NodeName("one")), now: mesh.wallTime, using: &mesh.keys)
        var restored = Node.Restored()
        restored.bootstrap = try #require(token).bootstrap
        mesh.add("impostor", second, try #require(Endpoint("198.18.3.2:20007")), outside: nil, restored)
        mesh.run(for: .seconds(3))
        #expect(mesh.hosts["one"]?.node.isReady == true)
        #expect(mesh.hosts["impostor"]?.node.isReady == false)
        mesh.sendPacket(from: "hub", to: "one", marker: 3)
        mesh.run(for: .milliseconds(300))
        #expect(markers(mesh, "one") == [3])
    }
}
