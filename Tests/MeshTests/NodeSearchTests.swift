import Identity
import SansIO
import Simulator
import Testing
import Traversal
import Wire

@testable import Mesh

/// Port searches between whole nodes.
@Suite struct NodeSearchTests {
    /// A public host, one behind a NAT of the given behaviour, two behind a port-restricted cone.
    private func threeHosts(_ behavior: NATBehavior = .symmetric, seed: UInt8 = 1) -> VirtualMesh {
        let mesh = VirtualMesh(seed: seed)
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", behavior, with: token)
        mesh.run(for: .seconds(2))
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", .portRestricted, with: token)
        mesh.run(for: .seconds(2))
        return mesh
    }

    private func path(_ mesh: VirtualMesh, from name: String, to other: String) -> Path? {
        mesh.hosts[name]?.node.peerStatuses.first { $0.name == other }?.path
    }

    /// How long it takes until both send directly; `nil`: 20 s are not enough.
    private func timeToDirect(_ mesh: VirtualMesh) -> Duration? {
        let start = mesh.now
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        while mesh.now - start < .seconds(20) {
            mesh.run(for: .milliseconds(100))
            if path(mesh, from: "one", to: "two")?.isDirect == true,
                path(mesh, from: "two", to: "one")?.isDirect == true
            {
                return mesh.now - start
            }
        }
        return nil
    }

    @Test func `one observer with two ports shows what a NAT does`() {
        let mesh = threeHosts()
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .milliseconds(400))
        #expect(mesh.hosts["one"]?.node.ownNAT == .symmetric)
        #expect(mesh.hosts["two"]?.node.ownNAT == .cone)
        #expect(mesh.hosts["hub"]?.node.ownNAT != .symmetric)
    }

    @Test(arguments: 1...6 as ClosedRange<UInt8>)
    func `a symmetric NAT and a port-restricted one are passed by a search, and packets flow`(seed: UInt8) throws {
        let mesh = threeHosts(seed: seed)
        let time = try #require(timeToDirect(mesh))
        #expect(time < .seconds(15))
        guard case .direct(let endpoint)? = path(mesh, from: "one", to: "two") else { return }
        #expect(endpoint.link?.kind == .socket)
        mesh.sendPacket(from: "one", to: "two", marker: 2)
        mesh.sendPacket(from: "two", to: "one", marker: 3)
        mesh.run(for: .milliseconds(100))
        #expect(mesh.hosts["two"]?.delivered.last?.last == 2)
        #expect(mesh.hosts["one"]?.delivered.last?.last == 3)
        // One socket is left, and stays while the path is in use.
        mesh.run(for: .seconds(30))
        #expect(mesh.hosts["one"]?.node.links.count == 1)
        #expect(mesh.hosts["one"]?.node.counters.searchesWon == 1)
        #expect(mesh.hosts["two"]?.node.counters.searchesWon == 1)
    }

    @Test func `symmetric NATs that let in any port of a known address need no search`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", .symmetric, with: token)
        mesh.run(for: .seconds(2))
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", .restricted, with: token)
        mesh.run(for: .seconds(2))
        let time = try #require(timeToDirect(mesh))
        #expect(time < .seconds(1))
        #expect(mesh.hosts["one"]?.node.counters.searchesBegun == 0)
    }

    @Test func `two symmetric NATs stay on the relay, and nobody searches`() {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", .symmetric, with: token)
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", .symmetric, with: token)
        mesh.run(for: .seconds(2))
        #expect(timeToDirect(mesh) == nil)
        #expect(mesh.hosts["one"]?.node.counters.searchesBegun == 0)
        #expect(mesh.hosts["two"]?.node.counters.searchesBegun == 0)
    }

    @Test func `an operator who wants no searches gets none, on either side`() throws {
        for (off, refusals) in [("one", 0), ("two", 1)] {
            let mesh = threeHosts()
            mesh.with(off) { node, now in
                var configuration = node.configuration
                configuration.isPortSearchAllowed = false
                node.configure(configuration, at: now)
            }
            #expect(timeToDirect(mesh) == nil)
            #expect(mesh.hosts["two"]?.node.counters.searchProbes == 0)
            #expect(mesh.hosts["two"]?.node.counters.searchesRefused == refusals)
            let number = try #require(mesh.hosts["one"]?.node.peer(named: "two"))
            let outcome = mesh.hosts["one"]?.node.searchEvidence(of: number)?.outcome
            #expect(outcome == (off == "two" ? .refused(.off) : nil))
        }
    }

    @Test func `what the host or a router forbids ends the search at once`() throws {
        let mesh = threeHosts()
        mesh.block("one", "two")
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(3))
        #expect(mesh.hosts["two"]?.node.search != nil)
        mesh.with("two") { node, now in node.sendingRefused(to: Endpoint("198.18.2.2:4000")!, at: now) }
        let probes = mesh.hosts["two"]?.node.counters.searchProbes
        mesh.run(for: .seconds(3))
        #expect(mesh.hosts["two"]?.node.counters.searchProbes == probes)
        #expect(mesh.hosts["one"]?.node.search == nil)
        #expect(mesh.hosts["one"]?.node.links.isEmpty == true)
    }

    @Test func `a member that offers searches all the time gets one in ten minutes`() throws {
        let mesh = threeHosts(.home)
        mesh.block("one", "two")
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(2))
        let number = try #require(mesh.hosts["one"]?.node.peer(named: "two"))
        for run in 1...600 as ClosedRange<UInt64> {
            let words: [SearchMessage] = [.offer(run: run, allocation: .any), .go(run: run), .go(run: 1)]
            mesh.with("one") { node, now in
                for word in words { node.send(.extended(.search, word.encoded), to: number, at: now) }
            }
            mesh.run(for: .milliseconds(500))
        }
        let two = try #require(mesh.hosts["two"]?.node.counters)
        #expect(two.searchesBegun == 1)
        #expect(two.searchProbes <= PortSearch.probeLimit)
        #expect(two.searchesRefused > 500)
    }

    @Test func `nobody is probed on the word of the peer, of a stranger to the search, or of a relay alone`() throws {
        let mesh = threeHosts(.home)
        mesh.block("one", "two")
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(2))
        let victim = Endpoint("203.0.113.7:53")!
        let one = try #require(mesh.hosts["one"]?.node)
        let two = try #require(mesh.hosts["two"]?.node)
        let hub = try #require(mesh.hosts["hub"]?.node)
        let identifier = one.identity.nodeID.bytes
        let toTwo = try #require(one.peer(named: "two"))
        let fromHub = try #require(hub.peer(named: "two"))
        mesh.with("one") { node, now in
            let words: [SearchMessage] = [
                .offer(run: 9, allocation: .any), .seen(node: identifier, at: victim), .go(run: 9),
            ]
            for word in words { node.send(.extended(.search, word.encoded), to: toTwo, at: now) }
        }
        // The relay lies, and is quicker with it than with the truth.
        mesh.with("hub") { node, now in
            for _ in 0..<3 {
                let word = SearchMessage.seen(node: identifier, at: victim)
                node.send(.extended(.search, word.encoded), to: fromHub, at: now)
            }
        }
        mesh.run(for: .seconds(5))
        let number = try #require(two.peer(named: "one"))
        let target = mesh.hosts["two"]?.node.searchEvidence(of: number)?.target
        #expect(target?.address != victim.address)
    }

    @Test func `words that are cut or changed stop nobody`() throws {
        let mesh = threeHosts()
        let number = try #require(mesh.hosts["hub"]?.node.peer(named: "two"))
        var random = SeededRandom(seed: 9)
        let words: [SearchMessage] = [
            .offer(run: 1, allocation: .block(1024...2047)), .accept(run: 1), .refuse(run: 1, .busy), .go(run: 1),
            .found(run: 1), .stop(run: 1), .whereabouts(of: .zero), .seen(node: .zero, at: Endpoint("198.18.1.1:5")!),
            .secondPort, .secondPortIs(9, nonce: 3),
        ]
        for round in 0..<3000 {
            var bytes = words[round % words.count].encoded
            if round % 2 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            if !bytes.isEmpty, round % 3 == 0 { bytes[Int.random(in: bytes.indices, using: &random)] ^= 0x55 }
            mesh.with("hub") { node, now in node.send(.extended(.search, bytes), to: number, at: now) }
            mesh.run(for: .milliseconds(1))
        }
        #expect(mesh.hosts["two"]?.node.counters.searchesBegun == 0, "its path to the hub is direct")
        #expect(timeToDirect(mesh) != nil)
    }
}
