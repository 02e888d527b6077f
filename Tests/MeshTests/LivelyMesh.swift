import Identity
import SansIO
import Simulator
import Testing
import Wire

@testable import Mesh

/// Relays on the internet and nodes behind NATs of their own, all of which offer services, when things have settled.
struct LivelyMesh {
    let mesh: VirtualMesh

    init(relays: Int, nodes: Int, seed: UInt8 = 1, offersServices: Bool = true) {
        mesh = VirtualMesh(seed: seed)
        let token = mesh.create("relay0", at: "198.18.1.2:20007")
        for index in 1..<max(relays, 1) {
            mesh.join("relay\(index)", at: "198.18.\(index + 1).2:20007", with: token)
            mesh.run(for: .seconds(2))
        }
        mesh.run(for: .seconds(5))
        for index in 0..<nodes {
            mesh.join("node\(index)", at: "192.168.1.2:20007", behind: "198.18.\(100 + index).2", with: token)
        }
        mesh.run(for: .seconds(5))
        if offersServices { for name in mesh.hosts.keys.sorted() { offer(name) } }
        mesh.run(for: .seconds(40))
    }

    func offer(_ name: String) { mesh.with(name) { $0.setServices(areOffered: true, areUsed: true, at: $1) } }

    func identifier(_ name: String) throws -> NodeID { try #require(mesh.hosts[name]).node.identity.nodeID }

    func names(_ nodes: some Sequence<NodeID>) -> [String] {
        let nodes = Set(nodes)
        return mesh.hosts.filter { nodes.contains($0.value.node.identity.nodeID) }.map(\.key).sorted()
    }

    func dead(at name: String) throws -> [String] { names(try #require(mesh.hosts[name]).node.deadNodes) }
    func events(at name: String) -> [NodeEvent] { mesh.hosts[name]?.events ?? [] }
    var allEvents: [NodeEvent] { mesh.hosts.keys.sorted().flatMap(events) }

    func kill(_ name: String) throws { mesh.simulation.kill(try #require(mesh.hosts[name]).simulated) }

    func restart(_ name: String) throws {
        mesh.simulation.restart(try #require(mesh.hosts[name]).simulated)
        offer(name)
    }

    /// All of `names` call just `expected` dead, before `limit` has passed.
    func expect(_ names: [String], call expected: [String], within limit: Duration, _ comment: String) throws {
        try expect(names, within: limit, comment) { try dead(at: $0) == expected }
    }

    /// As above, whomever else they call dead.
    func expect(_ names: [String], know expected: [String], within limit: Duration, _ comment: String) throws {
        try expect(names, within: limit, comment) { Set(try dead(at: $0)).isSuperset(of: expected) }
    }

    private func expect(
        _ names: [String], within limit: Duration, _ comment: String, _ isMet: (String) throws -> Bool
    ) throws {
        let start = mesh.now
        while mesh.now - start < limit + .seconds(5), try !names.allSatisfy(isMet) { mesh.run(for: .milliseconds(10)) }
        let time = mesh.now - start
        #expect(time <= limit, "\(comment): \(time)")
        for name in names {
            let dead = try dead(at: name)
            #expect(try isMet(name), "\(comment): \(name) calls \(dead) dead")
        }
    }
}
