import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

@Suite struct RenewalTests {
    private static let day: Duration = .seconds(86_400)
    private var fixture = Fixture()

    @Test mutating func `a node asks for a countersignature, then not before its certificate nears its end`() throws {
        var node = try fixture.join("edge-1", try fixture.token())
        let before = Self.day * 90
        #expect(node.renewalReason(at: Fixture.now, renewBefore: before) == .countersignature)
        let vouched = try #require(fixture.issuer.renew(node.chain, at: Fixture.now, lifetime: Self.day * 365))
        let adopted = node.adopt(vouched)
        #expect(adopted)
        #expect(node.renewalReason(at: Fixture.now, renewBefore: before) == nil)
        #expect(node.renewalReason(at: Fixture.now + Self.day * 275, renewBefore: before) != nil)
        #expect(node.certificate.issuedAt == Fixture.now)
    }

    @Test mutating func `a node whose invite lasts renews itself, and no longer than the invite allows`() throws {
        var node = try fixture.join("edge-1", try fixture.token(Fixture.terms { $0.certificateLifetime = Self.day }))
        let end = Fixture.now + Self.day * 7
        let renewed = try #require(node.reissued(at: Fixture.now + Self.day * 6, lifetime: Self.day * 365))
        try renewed.verify(in: fixture.mesh)
        #expect(renewed.certificate.expiry == Fixture.now + Self.day * 7)
        let adopted = node.adopt(renewed)
        #expect(adopted)
        #expect(node.reissued(at: end + .seconds(1), lifetime: Self.day) == nil)
    }

    @Test mutating func `the founder renews itself without end`() throws {
        var founder = fixture.founder
        let later = Fixture.now + Self.day * 3000
        let adopted = founder.adopt(try #require(founder.reissued(at: later, lifetime: Self.day * 365)))
        #expect(adopted)
        #expect(founder.certificate.expiry == later + Self.day * 365)
    }

    @Test mutating func `an issuer renews those that count and gives losers another subnet`() throws {
        let pool = Fixture.terms(uses: 9) { $0.pool = IPPrefix("10.200.6.0/23") }
        let token = try fixture.token(pool)
        var nodes: [NodeIdentity] = []
        while Set(nodes.map(\.certificate.subnet)).count == nodes.count {
            nodes.append(try fixture.join("edge-\(nodes.count)", token, at: Fixture.now + .seconds(nodes.count)))
        }
        var registry = Registry(mesh: fixture.mesh, limit: 10)
        for node in nodes { _ = try registry.insert(node.record(), now: Fixture.now) }
        var loser = try #require(nodes.last)
        guard case .refused(.prefixTaken) = registry.admission(of: loser.nodeID) else {
            Issue.record("\(String(describing: registry.admission(of: loser.nodeID)))")
            return
        }
        let refusal = fixture.issuer.answer(
            wantsSubnet: false, from: loser.nodeID, in: registry, at: Fixture.now, lifetime: Self.day)
        #expect(refusal == .refused(reason: "your certificate does not count"))
        let answer = fixture.issuer.answer(
            wantsSubnet: true, from: loser.nodeID, in: registry, at: Fixture.now, lifetime: Self.day)
        switch (answer, nodes.count) {
        case (.granted(let chain), 2):
            let adopted = loser.adopt(chain)
            #expect(adopted)
            #expect(try registry.insert(loser.record(number: 2), now: Fixture.now).admission == .admitted)
        case (.refused, 3): break  // Both subnets of the pool are taken: there is none to give.
        default: Issue.record("\(answer) for \(nodes.count) nodes")
        }
    }

    @Test mutating func `a node that lost its subnet draws another while its invite lasts`() throws {
        let token = try fixture.token(Fixture.terms(uses: 9) { $0.pool = IPPrefix("10.200.4.0/22") })
        var registry = Registry(mesh: fixture.mesh, limit: 10)
        for index in 0..<4 {
            var node = try fixture.join("edge-\(index)", token, at: Fixture.now + .seconds(index))
            if case .refused(.prefixTaken) = try registry.insert(node.record(), now: Fixture.now).admission {
                let chain = node.reissued(at: Fixture.now, lifetime: Self.day, avoiding: registry.takenSubnets)
                let adopted = node.adopt(try #require(chain))
                #expect(adopted)
                #expect(try registry.insert(node.record(number: 2), now: Fixture.now).admission == .admitted)
            }
        }
        #expect(registry.takenSubnets == [0x4804, 0x4805, 0x4806, 0x4807])
        let fifth = try fixture.join("edge-5", token, at: Fixture.now + .seconds(9))
        #expect(fifth.reissued(at: Fixture.now, lifetime: Self.day, avoiding: registry.takenSubnets) == nil)
    }

    @Test mutating func `an issuer renews nobody whom it does not know or who was revoked`() throws {
        let node = try fixture.join("edge-1", try fixture.token())
        var registry = Registry(mesh: fixture.mesh, limit: 10)
        for _ in 0..<2 {
            let answer = fixture.issuer.answer(
                wantsSubnet: false, from: node.nodeID, in: registry, at: Fixture.now, lifetime: Self.day)
            #expect(answer == .refused(reason: "your certificate is not known here"))
            _ = try registry.insert(node.record(), now: Fixture.now)
            let revocation = fixture.issuer.revoke(
                .node(node.nodeID), reason: "", at: Fixture.now, until: Fixture.now + Self.day)
            _ = try registry.insert(revocation, now: Fixture.now)
        }
    }

    @Test mutating func `a chain for other keys, another mesh or of the past is not adopted`() throws {
        var node = try fixture.join("edge-1", try fixture.token())
        let other = try fixture.join("edge-2", try fixture.token())
        let renewedOther = try #require(fixture.issuer.renew(other.chain, at: Fixture.now, lifetime: Self.day))
        var strangers = Fixture(seed: 2)
        let foreign = strangers.issuer.renew(node.chain, at: Fixture.now, lifetime: Self.day)
        for chain in [renewedOther, try #require(foreign), node.chain] {
            let adopted = node.adopt(chain)
            #expect(!adopted)
        }
        _ = strangers.random.bytes(1)
    }

    @Test mutating func `renewal messages survive their bytes and every cut and change`() throws {
        let node = try fixture.join("edge-1", try fixture.token())
        for message in [
            RenewalMessage.request(wantsSubnet: true), .request(wantsSubnet: false), .granted(node.chain),
            .refused(reason: "no"),
        ] {
            let bytes = message.encoded
            #expect(try RenewalMessage(parsing: bytes) == message)
            for count in 0..<bytes.count {
                #expect(throws: WireError.self) { try RenewalMessage(parsing: Array(bytes.prefix(count))) }
            }
            for seed in 0..<300 as Range<UInt64> {
                var random = SeededRandom(seed: seed)
                var changed = bytes
                changed[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                if let read = try? RenewalMessage(parsing: changed) { #expect(read.encoded == changed) }
            }
        }
    }

    @Test mutating func `an invite that could admit nobody is not made`() throws {
        #expect(throws: InviteError.noUses) { try fixture.token(Fixture.terms(uses: 0)) }
        #expect(throws: InviteError.self) { try fixture.token(Fixture.terms { $0.pool = IPPrefix("10.128.3.0/24") }) }
        #expect(throws: InviteError.self) { try fixture.token(Fixture.terms { $0.pool = IPPrefix("192.168.0.0/24") }) }
        let many = (0..<9).map { IPPrefix("10.\($0).0.0/16")! }
        #expect(throws: InviteError.tooManyPrefixes) { try fixture.token(Fixture.terms { $0.announcePool = many }) }
    }
}
