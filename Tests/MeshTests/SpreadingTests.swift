import Identity
import SansIO
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
        spreading.add(try node(2), number: 1, knownTo: [1])
        spreading.add(try node(1), number: 1, knownTo: [])
        spreading.note(try node(2), isKnownTo: 7)
        spreading.note(try node(3), isKnownTo: 7)
        let news = spreading.takeAll()
        #expect(try news.map(\.node) == [node(1), node(2)])
        #expect(news.map(\.holders) == [[], [1, 7]])
        #expect(spreading.isEmpty && spreading.takeAll().isEmpty)
    }

    @Test func `later news of a node is news to those who had the earlier`() throws {
        var spreading = Spreading()
        spreading.add(try node(1), number: 1, knownTo: [1, 2, 3])
        spreading.add(try node(1), number: 2, knownTo: [4])
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

    @Test func `those who do not get a record are told of it, unless they have it or a later one has come`() throws {
        var spreading = Spreading()
        spreading.tellLater(try node(1), knownTo: [1])
        spreading.tellLater(try node(2), knownTo: [1])
        spreading.note(try node(1), isKnownTo: 4)
        spreading.add(try node(2), number: 2, knownTo: [])
        let untold = spreading.takeUntold()
        #expect(try untold.map(\.node) == [node(1)])
        #expect(untold.map(\.holders) == [[1, 4]])
        #expect(spreading.takeUntold().isEmpty)
    }

    // MARK: what others told of

    private static let patience: Duration = .milliseconds(200)

    private func told(_ number: UInt64, of node: UInt64 = 5) -> RecordNews.Entry { .init(node: node, number: number) }

    @Test func `those who told of a record are asked for it one after the other, until it is here`() {
        var spreading = Spreading()
        let start = Instant.zero + .seconds(1)
        for (step, peer) in [3, 1, 2].enumerated() {
            let due = start + .milliseconds(step) + Self.patience
            let isNoted = spreading.noteMissing(told(2), at: peer, askedAt: due)
            #expect(isNoted)
        }
        var asked: [Int] = []
        var now = start
        while let due = spreading.nextDeadline {
            #expect(due == now + Self.patience)
            now = due
            let isHere = asked.count == 2
            let wanted = spreading.takeMissing(at: now, retryAt: now + Self.patience) { _ in isHere }
            asked += wanted.map(\.peer)
            #expect(wanted.allSatisfy { $0.nodes == [5] })
        }
        #expect(asked == [3, 1])
    }

    @Test func `who lies about a record's number does not keep it from being asked for where it is`() {
        var spreading = Spreading()
        let now = Instant.zero + .seconds(1)
        for (peer, number) in [(1, UInt64.max), (2, 7)] {
            let isNoted = spreading.noteMissing(told(number), at: peer, askedAt: now)
            #expect(isNoted)
        }
        let first = spreading.takeMissing(at: now, retryAt: now) { $0.number <= 6 }
        let second = spreading.takeMissing(at: now, retryAt: now) { $0.number <= 6 }
        #expect(first.map(\.peer) == [1] && second.map(\.peer) == [2])
        #expect(spreading.nextDeadline == nil)
    }

    @Test func `who told of a record is not told of it`() throws {
        var spreading = Spreading()
        let node = try node(9)
        for (peer, number) in [(1, UInt64(3)), (2, 4), (3, 5)] {
            _ = spreading.noteMissing(told(number, of: node.bytes.leadingUInt64), at: peer, askedAt: .zero)
        }
        spreading.add(node, number: 4, knownTo: [7])
        #expect(spreading.takeAll().map(\.holders) == [[2, 3, 7]])
    }

    @Test func `what is told of is bounded, and one peer alone cannot keep out the others`() {
        var spreading = Spreading()
        var noted: [Int: Int] = [:]
        for peer in 0..<6 {
            for node in 0..<UInt64(Spreading.missingLimit)
            where spreading.noteMissing(told(1, of: UInt64(peer) << 32 | node), at: peer, askedAt: .zero) {
                noted[peer, default: 0] += 1
            }
        }
        let share = Spreading.missingLimitPerPeer
        #expect(noted == [0: share, 1: share, 2: share, 3: share])
        let wanted = spreading.takeMissing(at: .zero, retryAt: .zero) { _ in false }
        #expect(wanted.map(\.nodes.count) == [share, share, share, share])
        let isNoted = spreading.noteMissing(told(1), at: 0, askedAt: .zero)
        #expect(isNoted, "there is room again")
    }

    /// A record that only one of two who told of it still has: the other is gone.
    @Test func `a record is fetched from another peer when the first that told of it is gone`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        for (index, name) in ["one", "two", "three"].enumerated() {
            mesh.join(name, at: "198.18.\(index + 2).2:20007", with: token)
            mesh.run(for: .seconds(1))
        }
        let stranger = try NodeIdentity.join(
            try #require(token), name: try #require(NodeName("stranger")), now: mesh.wallTime, using: &mesh.keys)
        let record = stranger.record(number: 5, wallTime: mesh.wallTime, abilities: [], candidates: [])
        mesh.cut("one", true)
        mesh.with("two") { node, now in
            if let hub = node.peers.all.first(where: { $0.name == "hub" }) {
                node.learn(record.encoded, from: hub.number, at: now)
            }
        }
        mesh.run(for: .seconds(1))
        mesh.remove("three")
        mesh.cut("one", false)
        let news = RecordNews(entries: [.init(node: record.nodeID.bytes.leadingUInt64, number: 5)])
        mesh.with("one") { node, now in
            for name in ["three", "two"] {
                if let peer = node.peers.all.first(where: { $0.name == name }) {
                    node.receiveNews(news.encoded, from: peer.number, at: now)
                }
            }
        }
        mesh.run(for: Node.newsPatience + .milliseconds(100))
        let early = try #require(mesh.hosts["one"]?.node.directory)
        #expect(early.record(of: record.nodeID) == nil, "nobody else brings it")
        mesh.run(for: Node.newsPatience)
        let late = try #require(mesh.hosts["one"]?.node.directory)
        #expect(late.record(of: record.nodeID)?.number == 5)
    }

    /// More nodes than are told everything, each with a session with the hub alone: what the hub passes on to a few, others
    /// have to ask for.
    @Test func `in a large mesh too a change is known to all within six tenths of a second`() throws {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        let names = (0..<Node.smallMesh + 8).map { "n\($0)" }
        for (index, name) in names.enumerated() {
            mesh.join(name, at: "10.0.0.2:20007", behind: "198.18.\(index + 2).1", with: token)
            mesh.run(for: .milliseconds(20))
        }
        mesh.run(for: .seconds(31))
        #expect(mesh.hosts["n0"]?.node.directory.count == names.count)
        let subject = try #require(mesh.hosts["n0"]?.node.identity.nodeID)
        mesh.with("n0") { $0.refreshRecord(at: $1, force: true) }
        let number = try #require(mesh.hosts["n0"]?.node.recordNumber)
        mesh.run(for: .milliseconds(600))
        for name in names.dropFirst() + ["hub"] {
            let node = try #require(mesh.hosts[name]?.node)
            #expect(node.directory.record(of: subject)?.number == number, "\(name)")
        }
    }

    @Test func `news is read as it was written, and too long or cut news is refused`() throws {
        let entries = (0..<100).map { RecordNews.Entry(node: UInt64($0) << 40, number: .max - UInt64($0)) }
        let parts = RecordNews.split(entries)
        #expect(parts.map(\.entries.count) == [72, 28])
        for part in parts { #expect(try RecordNews(parsing: part.encoded) == part) }
        #expect(throws: WireError.self) { try RecordNews(parsing: RecordNews(entries: entries).encoded) }
        #expect(throws: WireError.self) { try RecordNews(parsing: Array(parts[1].encoded.dropLast())) }
    }
}
