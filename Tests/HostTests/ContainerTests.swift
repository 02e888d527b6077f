import ControlAPI
import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct ContainerTests {
    @Test func `a forward policy of drop, as Docker sets it before the mesh comes up, does not stop containers`() throws
    {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            for site in trio.sites { try site.host.dropForwardedAsDockerDoes() }
            try trio.join()
            try expectEveryPair(of: trio)
        }
    }

    @Test func `a forward policy of drop, as Docker sets it while the mesh is up, does not stop containers`() throws {
        try Lab.withMesh { _, trio in
            try expectEveryPair(of: trio)
            for site in trio.sites { try site.host.dropForwardedAsDockerDoes() }
            try wait(for: "the accept in Docker's chain on every host", within: .seconds(10)) { () throws(LabError) in
                for site in trio.sites where !(try site.host.run("iptables", "-S", "DOCKER-USER").contains("mesh0")) {
                    return false
                }
                return true
            }
            try expectEveryPair(of: trio)
        }
    }

    @Test func `a container that starts later joins like one that was there before`() throws {
        try Lab.withPublicNodes("alpha", "beta") { _, nodes in
            let bridge = try ContainerBridge(on: nodes[0].host)
            let early = try bridge.container("early")
            try nodes[1].up(try #require(try nodes[0].up().token).token)
            #expect(try nodes[1].host.canPing(try nodes[0].meshAddress(of: early)))
            let late = try bridge.container("late")
            #expect(try nodes[1].host.canPing(try nodes[0].meshAddress(of: late)))
        }
    }

    @Test func `containers of a CNI bridge are reached, also when it appears after the mesh is up`() throws {
        try Lab.withPublicNodes("alpha", "beta") { _, nodes in
            try nodes[1].up(try #require(try nodes[0].up().token).token)
            let containers = try nodes.map {
                try ContainerBridge(on: $0.host, interface: "cni0", prefix: "10.22.0.0/24").container("c1")
            }
            #expect(try containers[0].canPing(try nodes[1].meshAddress(of: containers[1])))
            #expect(try containers[1].canPing(try nodes[0].meshAddress(of: containers[0])))
        }
    }

    @Test(.enabled(if: DockerEngine.obstacle == nil || Requirement.isForced, "Docker is not installed"))
    func `containers of real Docker daemons with one subnet reach each other`() throws {
        try Lab.with("host") { lab in
            let files = try MeshNode.builtFiles(for: lab.run)
            let trio = try Trio(in: lab, files: files) { host throws(LabError) in
                [try lab.docker(on: host).container("c1")]
            }
            try trio.join()
            try expectEveryPair(of: trio)
        }
    }

    private func expectEveryPair(of trio: Trio) throws {
        for (one, other) in trio.pairs {
            let address = try other.address()
            #expect(try one.containers[0].canPing(address), "\(one.name) to \(other.name)")
        }
    }
}
