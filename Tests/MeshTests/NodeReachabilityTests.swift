import Datapath
import Identity
import SansIO
import Simulator
import Testing
import Traversal
import Wire

@testable import Mesh

/// Nodes that try for each other whether strangers reach them.
@Suite struct NodeReachabilityTests {
    /// Two public hosts and one behind a NAT.
    private func mesh() -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("far", at: "198.18.4.2:20007", with: token)
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.run(for: .seconds(10))
        return mesh
    }

    private func node(_ mesh: VirtualMesh, _ name: String) throws -> Node { try #require(mesh.hosts[name]).node }

    private func isConfirmed(_ mesh: VirtualMesh, _ name: String) throws -> Bool {
        try node(mesh, name).reachability.isConfirmed
    }

    @Test func `public hosts are confirmed by others, the host behind a NAT is not`() throws {
        let mesh = mesh()
        #expect(try isConfirmed(mesh, "hub") && node(mesh, "hub").isReachable)
        #expect(try isConfirmed(mesh, "far") && node(mesh, "far").isReachable)
        #expect(try !node(mesh, "one").isReachable)
        let record = try #require(node(mesh, "one").directory.record(of: node(mesh, "far").identity.nodeID))
        #expect(record.abilities.contains([.reachable, .relay]))
    }

    @Test func `a host that can no longer be reached takes it back, and says so once`() throws {
        let mesh = mesh()
        let interface = try #require(mesh.hosts["hub"]).simulated.interfaces[0]
        let address = try #require(IPAddress("198.18.1.2"))
        let shielded = mesh.simulation.fabric.addGateway(
            nil, at: try #require(IPAddress("198.18.99.1")), routing: [IPPrefix(address)])
        mesh.simulation.fabric.move(interface, to: shielded.inside, addresses: [address])
        mesh.run(for: .seconds(300))
        let hub = try #require(mesh.hosts["hub"])
        #expect(!hub.node.isReachable)
        #expect(hub.events.count { if case .unreachable = $0 { true } else { false } } == 1)
        #expect(hub.saved.contains(.reachable(false)))
        let record = try #require(node(mesh, "far").directory.record(of: hub.node.identity.nodeID))
        #expect(record.abilities.isDisjoint(with: [.reachable, .relay]))
        mesh.simulation.fabric.move(interface, to: Fabric.internet, addresses: [address])
        mesh.run(for: .seconds(300))
        #expect(try node(mesh, "hub").isReachable)
    }

    @Test func `who was sent to before its nonce arrived proves nothing through a NAT`() throws {
        let mesh = mesh()
        let target = Endpoint("198.18.2.2:20007")!
        let far = Endpoint("198.18.4.2:5555")!
        for hasBeenContacted in [true, false] {
            mesh.with("one") { node, now in
                guard let hub = node.peers.all.first(where: { $0.name == "hub" }) else { return }
                node.reachability = Reachability()
                node.reachability.setTargets([target], at: now)
                let helper = DialBackClient.Helper(peer: hub.number, dialler: nil, isStranger: true)
                for question in node.reachability.begin([(target, [helper])], at: now) {
                    for case .ask(let nonce, _) in node.dialBacks.ask(question, at: now, using: &node.random) {
                        node.contacts = Contacts()
                        if hasBeenContacted { node.noteSent(to: far, at: now) }
                        node.receiveIndication(nonce.datagram, from: far, on: 0, at: now)
                    }
                }
            }
            #expect(try isConfirmed(mesh, "one") == !hasBeenContacted)
        }
    }

    @Test func `through a NAT that filters, a member that comes unasked is no sign of being reachable`() throws {
        for (behavior, isReachable) in [(NATBehavior.restricted, false), (.fullCone, true)] {
            let mesh = VirtualMesh()
            let token = mesh.create("hub", at: "198.18.1.2:20007")
            mesh.join("far", at: "198.18.4.2:20007", with: token)
            mesh.run(for: .seconds(3))
            mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", behavior, with: token)
            mesh.run(for: .seconds(10))
            mesh.with("one") { node, now in
                // As after a restart: the NAT remembers whom we called, and we do not.
                node.contacts = Contacts()
                node.noteUnsolicited(from: Endpoint("198.18.4.2:20007")!, at: now)
            }
            #expect(try node(mesh, "one").isReachable == isReachable)
        }
    }

    @Test func `an advertised address counts until others have tried it in vain`() throws {
        let mesh = mesh()
        let advertised = Endpoint("198.18.66.6:20007")!
        mesh.with("one") { node, now in
            var configuration = node.configuration
            configuration.advertised = [advertised]
            node.configure(configuration, at: now)
        }
        #expect(try node(mesh, "one").isReachable)
        mesh.run(for: .seconds(60))
        #expect(try !node(mesh, "one").isReachable)
        #expect(try node(mesh, "one").refutedAdvertised == [advertised])
    }

    @Test func `with nobody to try it, what the operator states stands`() throws {
        let mesh = VirtualMesh()
        _ = mesh.create("hub", at: "192.168.1.2:20007")
        mesh.with("hub") { node, now in
            var configuration = node.configuration
            configuration.advertised = [Endpoint("198.18.66.6:20007")!]
            node.configure(configuration, at: now)
        }
        mesh.run(for: .seconds(600))
        #expect(try node(mesh, "hub").isReachable)
    }

    /// What `helper` does when `asker`, a member, asks it to dial `target`.
    private func dialled(_ mesh: VirtualMesh, _ helper: String, for asker: String, at target: Endpoint) -> Int {
        let asker = mesh.hosts[asker]?.node.identity.nodeID
        var count = 0
        mesh.with(helper) { node, now in
            guard let number = asker.flatMap(node.peerNumber) else { return }
            let request = ReachabilityMessage.request(
                nonce: DialBackNonce(high: 1, low: 2), target: target, origin: .fresh, dialler: nil)
            _ = node.takeActions()
            let frame = ControlFrame.extended(.reachability, request.encoded)
            let path = node.peers[number]?.paths.current ?? .direct(target)
            node.receive([.control(frame: frame.encoded, peer: number, origin: Origin(path))], at: now)
            for case .dialBack(let bytes, target) in node.takeActions() {
                count += 1
                #expect(bytes.count <= frame.encoded.count + 32)
            }
        }
        return count
    }

    @Test func `nobody is dialled but the asker, and nobody in private networks, in the mesh or on this host`() throws {
        let mesh = mesh()
        #expect(dialled(mesh, "hub", for: "one", at: Endpoint("198.18.2.2:5555")!) == 1)
        for refused in [
            "198.18.4.2:20007", "203.0.113.9:80", "192.168.1.2:20007", "10.130.1.1:20007", "127.0.0.1:53",
            "169.254.1.1:9", "100.64.0.1:9", "224.0.0.1:9", "255.255.255.255:9", "198.18.1.2:20007", "198.18.2.2:0",
            "[::1]:9", "[fe80::1]:9", "[ff02::1]:9", "[fd00::1]:9", "[100::1]:9",
        ] {
            #expect(dialled(mesh, "hub", for: "one", at: try #require(Endpoint(refused))) == 0, "\(refused)")
        }
    }

    @Test func `a member that asks without end is not served without end`() {
        let mesh = mesh()
        let count = (0..<500).reduce(0) { sum, _ in
            sum + dialled(mesh, "hub", for: "one", at: Endpoint("198.18.2.2:5555")!)
        }
        #expect(count > 0 && count <= 60)
    }

    @Test func `a relay passes a request on to the member that the asker has never sent to`() throws {
        let mesh = mesh()
        let far = try node(mesh, "far").identity.nodeID
        mesh.with("one") { node, now in
            guard let hub = node.peers.all.first(where: { $0.name == "hub" }) else { return }
            let helper = DialBackClient.Helper(peer: hub.number, dialler: far, isStranger: true)
            let question = DialBackClient.Question(helper: helper, target: Endpoint("198.18.2.2:20007")!)
            node.carryOut(node.dialBacks.ask(question, at: now, using: &node.random), at: now)
        }
        let before = try node(mesh, "far").counters.dialBacks
        mesh.run(for: .milliseconds(100))
        #expect(try node(mesh, "far").counters.dialBacks == before + 1)
        #expect(try node(mesh, "hub").errands.count == 1)
    }

    @Test func `nodes on one network without uplink relay for each other there`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("left", at: "192.168.1.2:20007")
        mesh.with("left") { node, now in
            var configuration = node.configuration
            configuration.localPrefixes = [IPPrefix("192.168.1.0/24")!]
            node.configure(configuration, at: now)
        }
        mesh.join("right", at: "192.168.1.3:20007", with: token)
        mesh.with("right") { node, now in
            var configuration = node.configuration
            configuration.localPrefixes = [IPPrefix("192.168.1.0/24")!]
            node.configure(configuration, at: now)
        }
        mesh.run(for: .seconds(10))
        let left = try node(mesh, "left")
        #expect(!left.isReachable && left.isReachableLocally)
        let right = try node(mesh, "right")
        let number = try #require(right.peerNumber(of: left.identity.nodeID))
        #expect(right.canRelay(number))
    }
}
