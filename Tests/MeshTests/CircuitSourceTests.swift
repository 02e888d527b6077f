import Datapath
import SansIO
import Testing
import Traversal
import Wire

@testable import Mesh

/// Which endpoints frames on a circuit are taken from.
@Suite struct CircuitSourceTests {
    /// What the host's packet threads are told of circuits, after it heard `peer` at `endpoint` too.
    private func circuits(of name: String, hearing peer: String, at endpoint: Endpoint) -> [CircuitEntry] {
        let pair = RelayedPair(seed: 4, delays: [.milliseconds(10)])
        _ = pair.startFlow()
        pair.mesh.run(for: .seconds(3))
        var circuits: [CircuitEntry] = []
        pair.mesh.with(name) { node, now in
            guard let number = node.peers.all.first(where: { $0.name == peer })?.number else { return }
            node.publishIfStale()
            node.heard(from: number, along: .direct(endpoint), at: now)
            node.publishIfStale()
            circuits = node.publishedCircuits.all
        }
        return circuits
    }

    @Test func `a relay takes frames from every address that a member has shown itself at`() {
        let second = Endpoint("[2001:db8::7]:20007")!
        let circuits = circuits(of: "relay0", hearing: "one", at: second)
        #expect(circuits.count(where: { $0.accepts(from: second) }) == 1, "of the legs only the member's")
        #expect(!circuits.contains { $0.accepts(from: Endpoint("[2001:db8::8]:20007")!) })
    }

    @Test func `the ends take frames from every address that the relay has shown itself at`() {
        let second = Endpoint("[2001:db8::7]:20007")!
        let circuits = circuits(of: "two", hearing: "relay0", at: second)
        #expect(!circuits.isEmpty && circuits.allSatisfy { $0.accepts(from: second) })
    }
}
