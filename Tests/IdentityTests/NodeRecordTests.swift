import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

@Suite struct NodeRecordTests {
    private var fixture = Fixture()

    private mutating func identity(clients: Int = 2) throws -> NodeIdentity {
        var identity = try fixture.join("edge-1", try fixture.token())
        for index in 0..<clients {
            let key = try #require(Bytes32([UInt8](repeating: UInt8(index), count: 32)))
            _ = try identity.admitClient(
                publicKey: key, name: try #require(NodeName("phone-\(index)")), now: Fixture.now, taken: [])
        }
        return identity
    }

    @Test mutating func `a record survives its bytes and is verified`() throws {
        let identity = try identity()
        let record = identity.record(number: 7)
        let read = try NodeRecord(parsing: record.encoded)
        #expect(read == record)
        try read.verify(in: fixture.mesh)
        #expect(read.number == 7)
        #expect(read.name == identity.name)
        #expect(read.canRelay)
        #expect(read.clients.map(\.name.description) == ["phone-0", "phone-1"])
        #expect(read.prefixes(in: fixture.mesh.plan).count == 6)
        #expect(read.prefixes(in: fixture.mesh.plan).starts(with: identity.prefixes))
    }

    @Test mutating func `a record cut off anywhere is refused`() throws {
        let bytes = try identity().record().encoded
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try NodeRecord(parsing: Array(bytes.prefix(count))) }
        }
        #expect(throws: WireError.self) { try NodeRecord(parsing: bytes + [0]) }
    }

    @Test mutating func `a record with any byte changed is refused`() throws {
        let bytes = try identity().record().encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << (index % 8)
            #expect(throws: (any Error).self, "byte \(index)") {
                try NodeRecord(parsing: changed).verify(in: fixture.mesh)
            }
        }
    }

    @Test mutating func `records mutated at random never crash the reader`() throws {
        let bytes = try identity().record().encoded
        for seed in 0..<2000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var changed = bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                changed[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let read = try? NodeRecord(parsing: changed) else { continue }
            #expect(read.encoded == changed, "a record has one form only")
        }
    }

    @Test mutating func `a record that claims another's chain is refused`() throws {
        let victim = try identity()
        let attacker = try fixture.join("edge-2", try fixture.token())
        var record = attacker.record()
        record.chain = victim.chain
        record = record.signed(with: attacker.signingKey, in: fixture.mesh.id)
        #expect(throws: RecordError.badSignature) { try record.verify(in: fixture.mesh) }
    }

    @Test mutating func `a known chain is not verified again, another one is`() throws {
        let stranger = try fixture.join("edge-1", try fixture.token())
        var other = Fixture(seed: 2)
        let foreign = try other.join("edge-1", try other.token())
        let record = foreign.record().signed(with: foreign.signingKey, in: fixture.mesh.id)
        #expect(throws: RecordError.chain(.foreignMesh(other.mesh.id))) { try record.verify(in: fixture.mesh) }
        #expect(throws: RecordError.self) { try record.verify(in: fixture.mesh, known: stranger.chain) }
        #expect(throws: Never.self) { try record.verify(in: fixture.mesh, known: foreign.chain) }
    }

    @Test mutating func `clients need the right to admit them`() throws {
        var identity = try fixture.join("edge-1", try fixture.token(Fixture.terms { $0.rights = .relay }))
        let key = Bytes32([UInt8](repeating: 1, count: 32))!
        #expect(throws: ClientError.notPermitted) {
            try identity.admitClient(publicKey: key, name: NodeName("phone")!, now: Fixture.now, taken: [])
        }
        identity.clients = [
            AttachedClient(publicKey: key, number: 1, admittedAt: Fixture.now, name: NodeName("phone")!)!
        ]
        #expect(throws: RecordError.clientsNotPermitted) { try identity.record().verify(in: fixture.mesh) }
    }

    @Test mutating func `a node's clients are bounded and the fullest record fits its limit`() throws {
        var identity = try identity(clients: NodeRecord.clientLimit)
        let key = Bytes32([UInt8](repeating: 99, count: 32))!
        #expect(throws: ClientError.tooMany) {
            try identity.admitClient(publicKey: key, name: NodeName("one-more")!, now: Fixture.now, taken: [])
        }
        let endpoints = (0..<20).map { Endpoint(IPAddress("2001:db8::1")!, port: UInt16(1 + $0)) }
        let record = identity.record(number: 1, wallTime: Fixture.now, abilities: [], candidates: endpoints)
        #expect(record.candidates.count == NodeRecord.candidateLimit)
        #expect(record.clients.count == NodeRecord.clientLimit)
        #expect(try NodeRecord(parsing: record.encoded) == record)
    }

    @Test mutating func `two clients never share a name or a number at one node`() throws {
        var identity = try identity(clients: 1)
        let key = Bytes32([UInt8](repeating: 0, count: 32))!
        #expect(throws: ClientError.nameTaken(NodeName("phone-0")!)) {
            try identity.admitClient(publicKey: key, name: NodeName("phone-0")!, now: Fixture.now, taken: [])
        }
        let second = try identity.admitClient(publicKey: key, name: NodeName("tablet")!, now: Fixture.now, taken: [])
        #expect(second.number != identity.clients[0].number)
        #expect(try AttachedClient(parsing: second.encoded) == second)
    }

    @Test mutating func `the higher number counts, and equal numbers are settled alike everywhere`() throws {
        let identity = try identity()
        let (first, second) = (identity.record(number: 1), identity.record(number: 2))
        #expect(second.supersedes(first) && !first.supersedes(second))
        var twin = second
        twin.wallTime = Fixture.now + .seconds(1)
        twin = twin.signed(with: identity.signingKey, in: fixture.mesh.id)
        #expect(twin.supersedes(second) != second.supersedes(twin))
        #expect(!second.supersedes(second))
    }
}
