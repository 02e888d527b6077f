import Identity
import SansIO
import Simulator
import Testing
import Wire

@testable import Mesh

/// Networks without a relay, or without an uplink.
@Suite struct LivenessIslandTests {
    @Test func `on a network that nothing leads out of, neighbours watch each other`() throws {
        let simulation = Simulation(seed: 5)
        let network = simulation.fabric.addNetwork()
        var configuration = NodeConfiguration()
        configuration.localPrefixes = [IPPrefix("192.168.7.0/24")!]
        func place(_ number: Int) -> [Place] { [Place(network, IPAddress("192.168.7.\(number)")!)] }
        var hosts = [simulation.createMesh("host1", in: place(1), configuration: configuration)]
        let token = try #require(simulation.token(from: hosts[0]))
        for number in 2...5 {
            hosts.append(
                simulation.join("host\(number)", with: token, in: place(number), configuration: configuration))
            simulation.run(for: .seconds(2))
        }
        simulation.run(for: .seconds(20))
        for host in hosts { simulation.with(host) { $0.setServices(areOffered: true, areUsed: true, at: $1) } }
        simulation.run(for: .seconds(30))
        let victim = hosts[2]
        simulation.kill(victim)
        simulation.run(for: .seconds(2))
        for host in hosts where host !== victim {
            #expect(host.node.deadNodes == [victim.identity.nodeID], "\(host.name)")
        }
        simulation.restart(victim)
        simulation.with(victim) { $0.setServices(areOffered: true, areUsed: true, at: $1) }
        simulation.run(for: .seconds(1))
        for host in hosts { #expect(host.node.deadNodes.isEmpty, "\(host.name)") }
    }

    /// Two hosts on one network that talk to each other, two relays and a node elsewhere.
    private func site() -> LivelyMesh {
        let mesh = LivelyMesh(relays: 2, nodes: 1)
        let token = mesh.mesh.invite(from: "relay0", uses: 10)
        for (name, address) in [("lan0", "192.168.9.2:20007"), ("lan1", "192.168.9.3:20007")] {
            mesh.mesh.join(name, at: address, behind: "198.18.90.2", with: token)
            mesh.offer(name)
        }
        mesh.mesh.run(for: .seconds(5))
        for _ in 0..<30 {
            mesh.mesh.sendPacket(from: "lan0", to: "lan1", marker: 1)
            mesh.mesh.sendPacket(from: "lan1", to: "lan0", marker: 1)
            mesh.mesh.run(for: .seconds(1))
        }
        return mesh
    }

    private static let outside = ["node0", "relay0", "relay1"]

    private func setUplink(_ mesh: LivelyMesh, _ isUp: Bool) {
        for name in Self.outside {
            if isUp { mesh.mesh.unblock("lan0", name) } else { mesh.mesh.block("lan0", name) }
        }
    }

    @Test func `a site that loses its uplink keeps its own, and is dead for the others`() throws {
        let mesh = site()
        setUplink(mesh, false)
        try mesh.expect(Self.outside, call: ["lan0", "lan1"], within: .seconds(2), "site gone")
        try mesh.expect(["lan0", "lan1"], call: Self.outside, within: .seconds(4), "seen from the site")
        for _ in 0..<100 {
            mesh.mesh.run(for: .milliseconds(200))
            for name in ["lan0", "lan1"] { #expect(try mesh.dead(at: name) == Self.outside) }
        }
        setUplink(mesh, true)
        try mesh.expect(Self.outside + ["lan0", "lan1"], call: [], within: .seconds(2), "uplink back")
    }

    @Test func `who boots while cut off counts on nobody that it has not met, and on all once it has`() throws {
        let mesh = site()
        setUplink(mesh, false)
        for name in ["lan0", "lan1"] { try mesh.kill(name) }
        mesh.mesh.run(for: .seconds(30))
        for name in ["lan0", "lan1"] { try mesh.restart(name) }
        try mesh.expect(["lan0", "lan1"], call: Self.outside, within: .seconds(8), "boot while cut off")
        for name in ["lan0", "lan1"] {
            let other = name == "lan0" ? "lan1" : "lan0"
            #expect(
                !mesh.events(at: name).suffix(20).contains { event in
                    if case .livenessChanged(let dead, _) = event { dead.contains(other) } else { false }
                })
        }
        setUplink(mesh, true)
        try mesh.expect(Self.outside + ["lan0", "lan1"], call: [], within: .seconds(8), "uplink back after boot")
    }

    @Test func `a watcher that restarts says nobody alive whom it has not heard`() throws {
        let mesh = LivelyMesh(relays: 2, nodes: 2)
        try mesh.kill("node0")
        try mesh.expect(["relay0", "relay1", "node1"], call: ["node0"], within: .seconds(2), "before the restart")
        for isDiskKept in [true, false] {
            for name in ["relay0", "relay1"] {
                let host = try #require(mesh.mesh.hosts[name]).simulated
                mesh.mesh.simulation.kill(host)
                mesh.mesh.run(for: .milliseconds(300))
                mesh.mesh.simulation.restart(host, withDisk: isDiskKept || name == "relay0")
                mesh.offer(name)
                for _ in 0..<1000 {
                    mesh.mesh.run(for: .milliseconds(10))
                    #expect(try mesh.dead(at: "node1").contains("node0"))
                }
            }
        }
        try mesh.restart("node0")
        try mesh.expect(["relay0", "relay1", "node1"], call: [], within: .seconds(1), "back after all")
    }
}
