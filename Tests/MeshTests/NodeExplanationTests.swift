import SansIO
import Simulator
import Testing
import Wire

@testable import Mesh

/// What a node says of its way to another.
@Suite struct NodeExplanationTests {
    /// A public host, and two behind NATs of their own.
    private func mesh() -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.join("two", at: "192.168.1.2:20007", behind: "198.18.3.2", with: token)
        mesh.run(for: .seconds(10))
        return mesh
    }

    private func explanation(_ mesh: VirtualMesh, of peer: String = "two") throws -> Explanation {
        let node = try #require(mesh.hosts["one"]?.node)
        let number = try #require(node.peer(named: peer))
        return try #require(node.explanation(of: number, at: mesh.now))
    }

    private func outcome(_ explanation: Explanation, _ step: String) -> Explanation.Outcome? {
        explanation.steps.first { $0.name == step }?.outcome
    }

    @Test func `of a node that nothing was sent to it says so, and that nothing failed`() throws {
        let explanation = try explanation(mesh())
        #expect(explanation.verdict == "not connected, for nothing was to be sent")
        #expect(explanation.steps.allSatisfy { $0.outcome != .failed }, "\(explanation)")
        #expect(explanation.nextStep == "run meshctl ping two, then ask again")
    }

    @Test func `of a direct path and of a relayed one it names what they are, with what was tried`() throws {
        let mesh = mesh()
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(5))
        let direct = try explanation(mesh)
        #expect(direct.verdict == "direct" && direct.nextStep == nil)
        #expect(outcome(direct, "direct") == .good && outcome(direct, "path") == .good)
        mesh.block("one", "two")
        for _ in 0..<30 {
            mesh.sendPacket(from: "one", to: "two", marker: 2)
            mesh.run(for: .milliseconds(200))
        }
        let relayed = try explanation(mesh)
        #expect(relayed.verdict == "relayed by hub")
        #expect(outcome(relayed, "direct") == .failed && outcome(relayed, "relay") == .good)
    }

    @Test func `of a node that is gone it says that nobody answers, also after it was given up`() throws {
        let mesh = mesh()
        mesh.simulation.kill(try #require(mesh.hosts["two"]).simulated)
        mesh.sendPacket(from: "one", to: "two", marker: 1)
        mesh.run(for: .seconds(1))
        for wait in [0, 120] {
            mesh.run(for: .seconds(wait))
            let explanation = try explanation(mesh)
            #expect(explanation.verdict.hasPrefix("not reached: no answer to "), "\(explanation)")
            #expect(explanation.nextStep?.hasPrefix("check that two runs") == true, "\(explanation)")
        }
    }

    @Test func `what another node is asked for comes as it was said`() throws {
        let said = try explanation(mesh(), of: "hub")
        #expect(try Explanation(parsing: said.encoded) == said)
    }
}
