import ControlAPI
import Lab
import Testing
import Wire

/// What anybody can send who knows a node's key and its address.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct FloodTests {
    private static let floodSize = 100_000

    /// A hundred thousand of them, 20,000 a second, half with a cookie that nobody gave out.
    @Test func `a flood of initiations from made-up sources stops neither flows nor a host that joins`() throws {
        try Lab.withMesh { lab, trio in
            let (alpha, beta) = (trio.alpha, trio.beta)
            let token = try alpha.node.invite()
            // A client's configuration is where the node's key is to be read.
            let witness = try StockClient("witness", on: alpha.host, admittedAt: alpha.node)
            let target = Endpoint(alpha.host.uplink.address, port: 20007)
            let delta = try MeshNode(on: lab.host("delta", on: lab.core), files: MeshNode.builtFiles(for: lab.run))
            let attacker = try lab.host("attacker", on: lab.core)
            let process = try alpha.node.processID()
            let meter = try Meter(
                from: beta.host, at: try #require(beta.node.status().addresses.first), to: alpha.host,
                at: try #require(alpha.node.status().addresses.first), streamBytes: 400)
            try meter.waitForAnswers(100)

            let before = try MeshNode.processorTime(of: process)
            let began = Meter.now
            let flood = try HandshakeFlood(
                spoofedFrom: attacker, to: target, publicKey: try #require(witness.nodeKey))
            try delta.up(token)
            #expect(flood.isRunning)
            let address = try #require(delta.status().addresses.first)
            #expect(try alpha.host.canPing(address, within: 10))
            try wait(for: "\(Self.floodSize) spoofed initiations", within: .seconds(60)) {
                flood.sentCount >= Self.floodSize
            }
            let spent = try MeshNode.processorTime(of: process) - before
            let took = Meter.now - began
            print("\(flood.sentCount) initiations in \(took) took \(spent) of the agent's processor time")
            // One and a half in a build for debugging at most; without budgets the two threads would take two.
            #expect(spent < took * 1.5)

            try meter.waitForStream()
            let recording = try meter.stop()
            flood.stop()
            let window = began..<recording.lastSent - .milliseconds(500)
            for end in 0...1 {
                let sent = recording.ends[end].probes.count { window.contains($0.sent) }
                let lost = recording.count(.lost, from: end, in: window)
                print("end \(end): \(lost) of \(sent) probes lost during the flood")
                #expect(lost * 4 < sent)
                let flow = try #require(recording.ends[end].flow)
                #expect(flow.isOpen && flow.wrongBytes == 0)
            }
            let counters = try alpha.node.status().counters
            #expect(counters.contains { $0.name.contains("with a cookie") && $0.count > 1000 }, "\(counters)")
        }
    }
}
