import Crypto
import Testing
import Wire

@testable import Identity

@Suite struct NodeIdentityTests {
    private var fixture = Fixture()

    @Test mutating func `a host joins with a token alone and is verified by whoever knows the root`() throws {
        let token = try JoinToken(fixture.token().text)
        let node = try fixture.join("edge-1", token)
        try node.chain.verify(in: fixture.mesh)
        #expect(node.mesh == fixture.mesh)
        #expect(node.secrets.current == fixture.founder.secrets.current)
        #expect(node.certificate.name == NodeName("edge-1"))
        #expect(node.prefixes.map(\.length) == [24, 64])
        #expect(fixture.mesh.plan.ipv4Range.contains(node.prefixes[0]))
        #expect(fixture.mesh.plan.ipv6Range.contains(node.prefixes[1]))
        #expect(node.issuer == nil)
        #expect(node.nodeID != fixture.founder.nodeID)
    }

    @Test mutating func `an expired token is refused with its end`() throws {
        let token = try fixture.token(Fixture.terms { $0.validity = .seconds(60) })
        #expect(throws: Never.self) { try fixture.join("edge-1", token, at: Fixture.now + .seconds(60)) }
        let late = Fixture.now + .seconds(61)
        #expect(throws: JoinError.expired(at: Fixture.now + .seconds(60), now: late)) {
            try fixture.join("edge-1", token, at: late)
        }
    }

    @Test mutating func `a clock that is a day behind or ahead does not keep a host from joining`() throws {
        let token = try fixture.token()
        for now in [Fixture.now - .seconds(86_400), Fixture.now + .seconds(86_400), WallTime(seconds: 0)] {
            let node = try fixture.join("edge-1", token, at: now)
            try node.chain.verify(in: fixture.mesh)
            #expect(node.certificate.issuedAt >= Fixture.now)
        }
    }

    @Test mutating func `a name that the invite does not permit is refused`() throws {
        let token = try fixture.token(Fixture.terms { $0.namePattern = NamePattern("edge-*")! })
        #expect(
            throws: JoinError.invite(.nameNotPermitted(NodeName("hub-1")!, pattern: NamePattern("edge-*")!))
        ) { try fixture.join("hub-1", token) }
    }

    @Test mutating func `a chosen prefix is the one that the node gets`() throws {
        let token = try fixture.token(Fixture.terms { $0.pool = IPPrefix("10.200.7.0/24") })
        let node = try fixture.join("edge-1", token)
        #expect(node.prefixes[0] == IPPrefix("10.200.7.0/24"))
        #expect(node.addresses[0] == IPAddress("10.200.7.1"))
    }

    @Test mutating func `an identity survives the disk`() throws {
        let token = try fixture.token()
        for identity in [fixture.founder, try fixture.join("edge-1", token)] {
            let restored = try #require(NodeIdentity(identity.saved))
            #expect(restored.chain == identity.chain)
            #expect(restored.tunnelKey.publicKey == identity.tunnelKey.publicKey)
            #expect(restored.secrets.current == identity.secrets.current)
            #expect((restored.rootKey == nil) == (identity.rootKey == nil))
            #expect((restored.inviteKey == nil) == (identity.inviteKey == nil))
            var mixed = identity.saved
            mixed.tunnelKey = [UInt8](repeating: 7, count: 32)
            #expect(NodeIdentity(mixed) == nil)
        }
    }
}
