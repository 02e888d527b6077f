import Identity
import SansIO
import Simulator
import Testing
import Traversal
import Wire

@testable import Mesh

/// Nodes that find out what stands between them and others, with the help of members.
@Suite struct NodeDiscoveryTests {
    /// Two public members, and one behind a NAT of this kind.
    private func mesh(_ behavior: NATBehavior, members: Int = 2) -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        if members > 1 { mesh.join("far", at: "198.18.4.2:20007", with: token) }
        mesh.run(for: .seconds(3))
        let outside = IPAddress("198.18.2.2")!
        mesh.join("one", at: "192.168.1.2:20007", behind: outside.description, behavior, with: token)
        mesh.run(for: .seconds(10))
        return mesh
    }

    private func report(_ mesh: VirtualMesh, of name: String) throws -> NATReport {
        try #require(mesh.hosts[name]?.node.natReport)
    }

    @Test(arguments: [
        (NATBehavior.fullCone, MappingBehavior.endpointIndependent, FilteringBehavior.endpointIndependent),
        (.restricted, .endpointIndependent, .addressDependent),
        (.home, .endpointIndependent, .addressAndPortDependent),
        (.symmetric, .endpointDependent, .addressAndPortDependent),
    ])
    func `a node knows the NAT before it seconds after it joined`(
        _ behavior: NATBehavior, _ mapping: MappingBehavior, _ filtering: FilteringBehavior
    ) throws {
        let report = try report(mesh(behavior), of: "one")
        #expect(report.ipv4.connectivity == .works)
        #expect(report.ipv4.mapping == .known(mapping) && report.ipv4.filtering == .known(filtering))
        #expect(report.ipv4.ports.value?.sampleCount == 5)
        #expect(report.ipv6.connectivity == .untested(.noAddress))
        #expect(report.duration < .seconds(4))
    }

    @Test func `a public node learns that nothing is in the way`() throws {
        let mesh = mesh(.home)
        mesh.with("far") { $0.discover(at: $1) }
        mesh.run(for: .seconds(5))
        let report = try report(mesh, of: "far")
        #expect(report.ipv4.mapping == .known(.none))
        #expect(report.ipv4.filtering.value == .endpointIndependent || report.ipv4.filtering.value == .notPortDependent)
    }

    @Test func `an address that a NAT lets everybody in through is confirmed even by those that we know`() throws {
        #expect(mesh(.fullCone).hosts["one"]?.node.isReachable == true)
        #expect(mesh(.restricted).hosts["one"]?.node.isReachable == false)
    }

    @Test func `what one observer cannot tell is asked again when a second came`() throws {
        let mesh = mesh(.home, members: 1)
        #expect(try report(mesh, of: "one").ipv4.mapping == .unknown(.oneObserver))
        let token = mesh.invite(from: "hub", uses: 1)
        mesh.join("far", at: "198.18.4.2:20007", with: token)
        mesh.run(for: .seconds(5))
        mesh.sendPacket(from: "one", to: "far", marker: 1)
        mesh.run(for: .seconds(90))
        #expect(try report(mesh, of: "one").ipv4.mapping == .known(.endpointIndependent))
    }

    @Test func `with nobody to ask it says so, and all sockets are closed afterwards`() throws {
        let mesh = VirtualMesh()
        _ = mesh.create("hub", at: "192.168.1.2:20007")
        mesh.with("hub") { $0.discover(at: $1) }
        mesh.run(for: .seconds(5))
        #expect(try report(mesh, of: "hub").ipv4.connectivity == .untested(.noObserver))
        let host = try #require(mesh.hosts["hub"]?.simulated)
        #expect(host.openProbeCount == 0 && !host.node.isDiscovering)
    }

    @Test func `a network that changes during a discovery is discovered after it`() {
        let mesh = mesh(.restricted)
        func found() -> Int {
            mesh.hosts["one"]?.events.count { if case .natDiscovered = $0 { true } else { false } } ?? 0
        }
        let before = found()
        mesh.with("one") { node, now in
            node.discover(at: now)
            node.networkChanged(at: now)
        }
        mesh.run(for: .seconds(10))
        #expect(found() - before == 2)
    }

    @Test func `asking twice runs it once, and noise on its sockets changes nothing`() throws {
        let mesh = mesh(.restricted)
        var random = SeededRandom(seed: 3)
        mesh.with("one") { node, now in
            node.discover(at: now)
            node.discover(at: now)
        }
        for _ in 0..<200 {
            mesh.with("one") { node, now in
                let bytes = (0..<Int.random(in: 0...100, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                let socket = Int.random(in: 0...9, using: &random)
                node.receiveProbe(bytes, from: Endpoint("198.18.1.2:20007")!, on: socket, at: now)
            }
        }
        mesh.run(for: .seconds(5))
        #expect(try report(mesh, of: "one").ipv4.filtering == .known(.addressDependent))
        let found = mesh.hosts["one"]?.events.count { if case .natDiscovered = $0 { true } else { false } }
        #expect(found == 2, "one at the start and one now")
    }
}
