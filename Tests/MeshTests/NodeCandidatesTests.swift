import SansIO
import Testing
import Wire

@testable import Mesh

/// Which endpoints of a peer a node tries, and which of its own it tells.
@Suite struct NodeCandidatesTests {
    private let inside = Endpoint("192.168.1.2:20007")!

    private func mesh(twoBehind outside: String) -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.join("two", at: "192.168.1.3:20008", behind: outside, with: token)
        mesh.run(for: .seconds(20))
        return mesh
    }

    private func tried(_ mesh: VirtualMesh) -> [Endpoint] {
        mesh.hosts["two"]?.node.peers.all.first { $0.name == "one" }?.candidates ?? []
    }

    private func place(_ mesh: VirtualMesh, on prefixes: [String], containers: [String] = []) {
        mesh.with("two") { node, now in
            var configuration = node.configuration
            configuration.localPrefixes = prefixes.compactMap { IPPrefix($0) }
            configuration.containerPrefixes = containers.compactMap { IPPrefix($0) }
            node.configure(configuration, at: now)
            for peer in node.peers.all { node.setCandidates(of: peer.number, at: now) }
        }
    }

    @Test func `private addresses are tried by those behind the same NAT, not by those behind another`() {
        #expect(tried(mesh(twoBehind: "198.18.2.2")).contains(inside))
        let apart = tried(mesh(twoBehind: "198.18.3.2"))
        #expect(!apart.contains(inside))
        #expect(apart.contains(Endpoint("198.18.2.2:20007")!))
    }

    @Test func `an address on a network of our own is tried first, whatever the NATs say`() {
        let mesh = mesh(twoBehind: "198.18.3.2")
        place(mesh, on: ["192.168.0.0/16"])
        #expect(tried(mesh).first == inside)
    }

    @Test func `where the operator says that a relay is, it is tried first, as soon as that is said`() {
        let mesh = mesh(twoBehind: "198.18.3.2")
        let stated = ["198.18.7.7:20007", "224.0.0.1:20007"].compactMap { Endpoint($0) }
        mesh.with("two") { node, now in
            var configuration = node.configuration
            configuration.relayAddresses = ["one": stated, "nobody": stated]
            node.configure(configuration, at: now)
        }
        #expect(tried(mesh).first == stated[0])
        #expect(!tried(mesh).contains(stated[1]))
        #expect(tried(mesh).contains(Endpoint("198.18.2.2:20007")!))
        mesh.with("two") { node, now in
            var configuration = node.configuration
            configuration.relayAddresses = [:]
            node.configure(configuration, at: now)
        }
        #expect(!tried(mesh).contains(stated[0]))
    }

    @Test func `an address that is a container's here is never tried`() {
        let mesh = mesh(twoBehind: "198.18.2.2")
        place(mesh, on: ["192.168.0.0/16"], containers: ["192.168.1.0/25"])
        #expect(!tried(mesh).isEmpty)
        #expect(!tried(mesh).contains(inside))
    }

    @Test func `what a host that has just joined is seen as is known to the others at once`() {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.run(for: .seconds(20))
        mesh.join("two", at: "192.168.1.3:20008", behind: "198.18.3.2", with: token)
        mesh.run(for: .milliseconds(500))
        let told = mesh.hosts["one"]?.node.peers.all.first { $0.name == "two" }?.candidates ?? []
        #expect(told.contains(Endpoint("198.18.3.2:20008")!), "\(told)")
    }

    @Test func `a port that a gateway forwards is told to the others, and taken back`() throws {
        let mesh = mesh(twoBehind: "198.18.3.2")
        let mapped = Endpoint("198.18.3.2:40000")!
        func told() -> [Endpoint] { mesh.hosts["one"]?.node.peers.all.first { $0.name == "two" }?.candidates ?? [] }
        mesh.with("two") { node, now in
            node.setMapped([MappedEndpoint(mapped, by: .natPMP, expiresAt: now + .seconds(3600))], at: now)
        }
        mesh.run(for: .seconds(1))
        #expect(told().first == mapped)
        mesh.with("two") { node, now in node.setMapped([], at: now) }
        mesh.run(for: .seconds(1))
        #expect(!told().contains(mapped))
    }
}
