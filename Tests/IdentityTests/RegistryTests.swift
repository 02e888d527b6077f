import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

@Suite struct RegistryTests {
    private var fixture = Fixture()

    private func registry(limit: Int = 100) -> Registry { Registry(mesh: fixture.mesh, limit: limit) }

    @Test mutating func `a node that joined is admitted and found by all it holds`() throws {
        var registry = registry()
        let node = try fixture.join("edge-1", try fixture.token())
        let outcome = try registry.insert(node.record(), now: Fixture.now)
        #expect(outcome == Registry.Outcome(admission: .admitted, changes: []))
        #expect(registry.node(named: node.name) == node.nodeID)
        #expect(registry.node(withTunnelKey: node.tunnelKey.publicKey) == node.nodeID)
        #expect(registry.node(ofSubnet: node.certificate.subnet) == node.nodeID)
        #expect(registry.chain(of: node.nodeID) == node.chain)
        #expect(registry.admittedNodes == [node.nodeID])
        #expect(registry.takenSubnets == [node.certificate.subnet])
    }

    @Test mutating func `of two nodes with one name the earlier counts, whoever is heard of first`() throws {
        let token = try fixture.token(Fixture.terms(uses: 5))
        let early = try fixture.join("edge-1", token)
        let late = try fixture.join("edge-1", token, at: Fixture.now + .seconds(10))
        var registry = registry()
        _ = try registry.insert(early.record(), now: Fixture.now)
        let taken = Registry.Refusal.nameTaken(early.name, by: early.nodeID)
        #expect(try registry.insert(late.record(), now: Fixture.now).admission == .refused(taken))

        var other = self.registry()
        _ = try other.insert(late.record(), now: Fixture.now)
        let outcome = try other.insert(early.record(), now: Fixture.now)
        #expect(outcome.admission == .admitted)
        #expect(outcome.changes == [Registry.Change(node: late.nodeID, admission: .refused(taken))])
        #expect(other.node(named: early.name) == early.nodeID)
    }

    @Test mutating func `whoever was vouched for keeps its name against an earlier date`() throws {
        let token = try fixture.token(Fixture.terms(uses: 5))
        var vouched = try fixture.join("edge-1", token, at: Fixture.now + .seconds(10))
        let adopted = vouched.adopt(fixture.issuer.renew(vouched.chain, at: Fixture.now, lifetime: .seconds(86_400))!)
        #expect(adopted)
        let backdated = try fixture.join("edge-1", token)
        var registry = registry()
        _ = try registry.insert(backdated.record(), now: Fixture.now)
        let outcome = try registry.insert(vouched.record(), now: Fixture.now)
        #expect(outcome.admission == .admitted)
        #expect(outcome.changes.map(\.node) == [backdated.nodeID])
    }

    @Test mutating func `an invite is used up by those who joined first`() throws {
        let token = try fixture.token(Fixture.terms(uses: 2))
        let nodes = try (0..<4).map { try fixture.join("edge-\($0)", token, at: Fixture.now + .seconds($0)) }
        var registry = registry()
        for node in nodes.reversed() { _ = try registry.insert(node.record(), now: Fixture.now) }
        #expect(registry.admittedNodes == [nodes[0].nodeID, nodes[1].nodeID].sorted())
        #expect(registry.admission(of: nodes[2].nodeID) == .refused(.inviteUsedUp(2)))
        #expect(registry.admission(of: nodes[3].nodeID) == .refused(.inviteUsedUp(2)))
    }

    @Test mutating func `whoever lost comes in when its rival is revoked`() throws {
        let token = try fixture.token(Fixture.terms(uses: 5))
        let early = try fixture.join("edge-1", token)
        let late = try fixture.join("edge-1", token, at: Fixture.now + .seconds(10))
        var registry = registry()
        for node in [early, late] { _ = try registry.insert(node.record(), now: Fixture.now) }
        let revocation = fixture.issuer.revoke(
            .node(early.nodeID), reason: "stolen", at: Fixture.now, until: Fixture.now + .seconds(86_400))
        let changes = try registry.insert(revocation, now: Fixture.now)
        #expect(
            Set(changes.map { "\($0.node) \($0.admission == .admitted)" })
                == ["\(early.nodeID) false", "\(late.nodeID) true"])
        #expect(
            try registry.insert(early.record(number: 2), now: Fixture.now).admission
                == .refused(.revoked(reason: "stolen")))
    }

    @Test mutating func `a revoked invite takes all who joined with it along`() throws {
        let token = try fixture.token(Fixture.terms(uses: 5))
        let nodes = try (0..<3).map { try fixture.join("edge-\($0)", token) }
        let other = try fixture.join("hub-1", try fixture.token())
        var registry = registry()
        for node in nodes + [other] { _ = try registry.insert(node.record(), now: Fixture.now) }
        let revocation = fixture.issuer.revoke(
            .invite(token.invite.publicKey), reason: "leaked", at: Fixture.now, until: Fixture.now + .seconds(86_400))
        let changes = try registry.insert(revocation, now: Fixture.now)
        #expect(Set(changes.map(\.node)) == Set(nodes.map(\.nodeID)))
        #expect(changes.allSatisfy { $0.admission == nil })
        #expect(registry.admittedNodes == [other.nodeID])
        #expect(try Revocation(parsing: revocation.encoded) == revocation)
    }

    @Test mutating func `a revocation that neither the root nor a delegate signed changes nothing`() throws {
        let node = try fixture.join("edge-1", try fixture.token())
        var registry = registry()
        _ = try registry.insert(node.record(), now: Fixture.now)
        let forger = Issuer(mesh: fixture.mesh, authority: .root(node.signingKey))
        let revocation = forger.revoke(
            .node(fixture.founder.nodeID), reason: "", at: Fixture.now, until: Fixture.now + .seconds(60))
        #expect(throws: RevocationError.badSignature) { try registry.insert(revocation, now: Fixture.now) }
        let genuine = fixture.issuer.revoke(.node(node.nodeID), reason: "x", at: Fixture.now, until: Fixture.now)
        for index in genuine.encoded.indices {
            var bytes = genuine.encoded
            bytes[index] ^= 0x10
            guard let read = try? Revocation(parsing: bytes) else { continue }
            #expect(!read.isValid(in: fixture.mesh), "byte \(index)")
        }
        #expect(registry.isAdmitted(node.nodeID))
    }

    @Test mutating func `a delegate revokes nodes but no delegates, and falls with all it admitted`() throws {
        var delegates: [NodeIdentity] = []
        for name in ["admin-1", "admin-2"] {
            var delegate = try fixture.join(name, try fixture.token())
            let adopted = delegate.adopt(fixture.issuer.promote(delegate.chain)!)
            #expect(adopted)
            delegates.append(delegate)
        }
        let guest = try fixture.join("edge-1", try fixture.token(by: delegates[0].issuer))
        let victim = try fixture.join("edge-2", try fixture.token())
        var registry = registry()
        for node in delegates + [guest, victim] { _ = try registry.insert(node.record(), now: Fixture.now) }
        let end = Fixture.now + .seconds(86_400)
        let issuer = try #require(delegates[1].issuer)
        let coup = issuer.revoke(.node(delegates[0].nodeID), reason: "", at: Fixture.now, until: end)
        #expect(try registry.insert(coup, now: Fixture.now).isEmpty)
        let fair = issuer.revoke(.node(victim.nodeID), reason: "", at: Fixture.now, until: end)
        #expect(try registry.insert(fair, now: Fixture.now).map(\.node) == [victim.nodeID])
        let dismissal = fixture.issuer.revoke(.node(delegates[0].nodeID), reason: "", at: Fixture.now, until: end)
        #expect(
            try Set(registry.insert(dismissal, now: Fixture.now).map(\.node)) == [delegates[0].nodeID, guest.nodeID])
        #expect(registry.admittedNodes == [delegates[1].nodeID])
    }

    @Test mutating func `a certificate counts until a day and a half after its end`() throws {
        let token = try fixture.token(Fixture.terms { $0.certificateLifetime = .seconds(3600) })
        let node = try fixture.join("edge-1", token)
        let end = Fixture.now + .seconds(3600)
        var registry = registry()
        _ = try registry.insert(node.record(), now: end + WallTime.grace)
        #expect(registry.isAdmitted(node.nodeID))
        #expect(registry.advance(to: end + WallTime.grace).isEmpty)
        let after = end + WallTime.grace + .seconds(1)
        #expect(registry.advance(to: after) == [Registry.Change(node: node.nodeID, admission: nil)])
        #expect(try registry.insert(node.record(), now: after).admission == .refused(.expired(end)))
    }

    @Test mutating func `a certificate from the future is taken`() throws {
        let node = try fixture.join("edge-1", try fixture.token(), at: Fixture.now + .seconds(86_400))
        var registry = registry()
        #expect(try registry.insert(node.record(), now: Fixture.now - .seconds(86_400)).admission == .admitted)
    }

    @Test mutating func `the later certificate of one node counts, and an earlier one is not taken back`() throws {
        var node = try fixture.join("edge-1", try fixture.token())
        let old = node.record(number: 1)
        let adopted = node.adopt(node.reissued(at: Fixture.now + .seconds(60), lifetime: .seconds(86_400))!)
        #expect(adopted)
        var registry = registry()
        for record in [node.record(number: 2), old] { _ = try registry.insert(record, now: Fixture.now) }
        #expect(registry.chain(of: node.nodeID) == node.chain)
    }

    @Test mutating func `nobody gets a certificate for the keys of another`() throws {
        let token = try fixture.token(Fixture.terms(uses: 5))
        let victim = try fixture.join("edge-1", token)
        let attacker = try fixture.join("edge-2", token)
        var forged = victim.certificate
        forged.tunnelKey = attacker.tunnelKey.publicKey
        forged.serial = 99
        let chain = CertificateChain(
            meshID: fixture.mesh.id, delegate: nil, invite: token.invite,
            certificate: forged.signed(with: token.inviteKey, in: fixture.mesh.id))
        try chain.verify(in: fixture.mesh)
        var record = attacker.record()
        record.chain = chain
        record = record.signed(with: attacker.signingKey, in: fixture.mesh.id)
        var registry = registry()
        #expect(throws: RecordError.badSignature) { try registry.insert(record, now: Fixture.now) }
    }

    @Test mutating func `beyond the limit the last in precedence are let go`() throws {
        let token = try fixture.token(Fixture.terms(uses: 50))
        let nodes = try (0..<8).map { try fixture.join("edge-\($0)", token, at: Fixture.now + .seconds($0)) }
        var registry = registry(limit: 4)
        for node in nodes.reversed() { _ = try registry.insert(node.record(), now: Fixture.now) }
        #expect(Set(registry.admittedNodes) == Set(nodes.prefix(4).map(\.nodeID)))
        #expect(
            try registry.insert(nodes[7].record(number: 2), now: Fixture.now).admission
                == .refused(.tooManyNodes(limit: 4)))
    }
}
