import Identity
import Testing
import Wire

@testable import Mesh

/// Records that wait to be passed on.
@Suite struct SpreadingTests {
    private func node(_ number: UInt8) throws -> NodeID {
        NodeID(try #require(Bytes32([UInt8](repeating: number, count: 32))))
    }

    @Test func `whoever has the record, or passes it on meanwhile, is not told`() throws {
        var spreading = Spreading()
        spreading.add(try node(2), knownTo: [1])
        spreading.add(try node(1), knownTo: [])
        spreading.note(try node(2), isKnownTo: 7)
        spreading.note(try node(3), isKnownTo: 7)
        let news = spreading.takeAll()
        #expect(try news.map(\.node) == [node(1), node(2)])
        #expect(news.map(\.holders) == [[], [1, 7]])
        #expect(spreading.isEmpty && spreading.takeAll().isEmpty)
    }

    @Test func `later news of a node is news to those who had the earlier`() throws {
        var spreading = Spreading()
        spreading.add(try node(1), knownTo: [1, 2, 3])
        spreading.add(try node(1), knownTo: [4])
        #expect(spreading.takeAll().map(\.holders) == [[4]])
    }

    @Test func `a change is known to all within three tenths of a second`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        let names = (0..<9).map { "n\($0)" }
        for (index, name) in names.enumerated() {
            mesh.join(name, at: "198.18.\(index + 2).2:20007", with: token)
            mesh.run(for: .milliseconds(200))
        }
        mesh.run(for: .seconds(60))
        mesh.with("n0") { $0.refreshRecord(at: $1, force: true) }
        let number = try #require(mesh.hosts["n0"]?.node.recordNumber)
        mesh.run(for: .milliseconds(300))
        for name in names.dropFirst() {
            let node = try #require(mesh.hosts[name]?.node)
            let identifier = try #require(mesh.hosts["n0"]?.node.identity.nodeID)
            #expect(node.directory.record(of: identifier)?.number == number, "\(name)")
        }
    }
}
