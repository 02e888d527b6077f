import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

@Suite struct CertificateChainTests {
    private var fixture = Fixture()

    /// Every shape of a chain, the node's identity with each.
    private mutating func chains() throws -> [CertificateChain] {
        let node = try fixture.join("edge-1", try fixture.token())
        let delegate = try delegateIdentity()
        let issuer = try #require(delegate.issuer)
        let guest = try fixture.join("edge-2", try fixture.token(by: issuer))
        let vouched = try #require(issuer.renew(node.chain, at: Fixture.now, lifetime: .seconds(86_400)))
        return [fixture.founder.chain, node.chain, delegate.chain, guest.chain, vouched]
    }

    private mutating func delegateIdentity() throws -> NodeIdentity {
        var delegate = try fixture.join("admin-1", try fixture.token())
        let adopted = delegate.adopt(try #require(fixture.issuer.promote(delegate.chain)))
        #expect(adopted)
        return delegate
    }

    @Test mutating func `every shape of chain is verified and survives its bytes`() throws {
        let chains = try chains()
        #expect(chains.map(\.isCountersigned) == [true, false, true, false, true])
        for chain in chains {
            try chain.verify(in: fixture.mesh)
            #expect(try CertificateChain(parsing: chain.encoded) == chain)
            #expect(chain.encoded.count <= 900)
        }
    }

    @Test mutating func `a chain cut off anywhere is refused`() throws {
        for chain in try chains() {
            let bytes = chain.encoded
            for count in 0..<bytes.count {
                #expect(throws: WireError.self) { try CertificateChain(parsing: Array(bytes.prefix(count))) }
            }
            #expect(throws: WireError.self) { try CertificateChain(parsing: bytes + [0]) }
        }
    }

    @Test mutating func `a chain with any byte changed is refused`() throws {
        for chain in try chains() {
            for index in chain.encoded.indices {
                var bytes = chain.encoded
                bytes[index] ^= 1 << (index % 8)
                #expect(throws: (any Error).self, "byte \(index)") {
                    try CertificateChain(parsing: bytes).verify(in: fixture.mesh)
                }
            }
        }
    }

    @Test mutating func `chains mutated at random never crash the reader`() throws {
        let chains = try chains()
        for seed in 0..<3000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var bytes = chains[Int(seed) % chains.count].encoded
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let read = try? CertificateChain(parsing: bytes) else { continue }
            #expect(read.encoded == bytes, "a chain has one form only")
        }
    }

    // MARK: limits of an invite, broken one by one by whoever holds its key

    struct Forgery: Sendable {
        var expected: ChainError
        var change: @Sendable (inout Certificate) -> Void

        init(_ expected: ChainError, _ change: @escaping @Sendable (inout Certificate) -> Void) {
            self.expected = expected
            self.change = change
        }
    }

    static let forgeries = [
        Forgery(.roleNotPermitted) { $0.role = .delegate },
        Forgery(.rightNotPermitted) { $0.rights = .all },
        Forgery(.nameNotPermitted(NodeName("hub-1")!, pattern: NamePattern("edge-*")!)) {
            $0.name = NodeName("hub-1")!
        },
        Forgery(.prefixNotPermitted(IPPrefix("10.129.0.0/24")!)) { $0.subnet = 256 },
        Forgery(.prefixNotPermitted(IPPrefix("10.0.0.0/8")!)) { $0.announced = [IPPrefix("10.0.0.0/8")!] },
        Forgery(.inviteExpired(Fixture.now + .seconds(600))) { $0.issuedAt = Fixture.now + .seconds(601) },
        Forgery(.inviteExpired(Fixture.now + .seconds(600))) { $0.issuedAt = Fixture.now - .seconds(1) },
        Forgery(.lifetimeTooLong) { $0.expiry = Fixture.now + .seconds(4201) },
        Forgery(.endsBeforeItBegins) { $0.expiry = $0.issuedAt },
        Forgery(.badSignature(.certificate)) { $0.invite = .zero },
    ]

    @Test(arguments: forgeries)
    mutating func `a certificate beyond its invite is refused`(_ forgery: Forgery) throws {
        let token = try fixture.token(
            Fixture.terms {
                $0.validity = .seconds(600)
                $0.certificateLifetime = .seconds(3600)
                $0.namePattern = NamePattern("edge-*")!
                $0.rights = .relay
                $0.pool = IPPrefix("10.200.0.0/16")
                $0.announcePool = [IPPrefix("10.22.0.0/16")!]
            })
        let node = try fixture.join("edge-1", token)
        try node.chain.verify(in: fixture.mesh)
        var certificate = node.certificate
        forgery.change(&certificate)
        let chain = CertificateChain(
            meshID: fixture.mesh.id, delegate: nil, invite: token.invite,
            certificate: certificate.signed(with: token.inviteKey, in: fixture.mesh.id))
        #expect(throws: forgery.expected) { try chain.verify(in: fixture.mesh) }
    }

    @Test mutating func `a part of a permitted prefix may be announced`() throws {
        let token = try fixture.token(Fixture.terms { $0.announcePool = [IPPrefix("10.22.0.0/16")!] })
        var certificate = try fixture.join("edge-1", token).certificate
        certificate.announced = [IPPrefix("10.22.3.0/24")!]
        let chain = CertificateChain(
            meshID: fixture.mesh.id, delegate: nil, invite: token.invite,
            certificate: certificate.signed(with: token.inviteKey, in: fixture.mesh.id))
        #expect(throws: Never.self) { try chain.verify(in: fixture.mesh) }
    }

    @Test mutating func `an ordinary node's signature makes no chain`() throws {
        let node = try fixture.join("edge-1", try fixture.token())
        let impostor = Issuer(mesh: fixture.mesh, authority: .delegate(node.signingKey, node.certificate))
        let guest = try fixture.token(by: impostor)
        #expect(throws: JoinError.invite(.badSignature(.delegate))) { try fixture.join("edge-2", guest) }
        let vouched = try #require(fixture.issuer.renew(node.chain, at: Fixture.now, lifetime: .seconds(60)))
        let second = Issuer(mesh: fixture.mesh, authority: .delegate(node.signingKey, vouched.certificate))
        let guestOfSecond = try fixture.token(by: second)
        #expect(throws: JoinError.invite(.issuerNotPermitted(node.name))) { try fixture.join("edge-2", guestOfSecond) }
    }

    @Test mutating func `a delegate makes no delegates`() throws {
        let delegate = try delegateIdentity()
        let issuer = try #require(delegate.issuer)
        let node = try fixture.join("edge-1", try fixture.token(by: issuer))
        #expect(issuer.promote(node.chain) == nil)
        var certificate = node.certificate
        certificate.role = .delegate
        let chain = CertificateChain(
            meshID: fixture.mesh.id, delegate: delegate.certificate, invite: nil,
            certificate: certificate.signed(with: delegate.signingKey, in: fixture.mesh.id))
        #expect(throws: ChainError.roleNotPermitted) { try chain.verify(in: fixture.mesh) }
    }

    @Test mutating func `a subnet of the clients is given to no node, not even by the root`() throws {
        var certificate = try fixture.join("edge-1", try fixture.token()).certificate
        for subnet in [0, 255, 0x8000] as [UInt16] {
            certificate.subnet = subnet
            let chain = CertificateChain(
                meshID: fixture.mesh.id, delegate: nil, invite: nil,
                certificate: certificate.signed(with: fixture.founder.rootKey!, in: fixture.mesh.id))
            #expect(throws: ChainError.self) { try chain.verify(in: fixture.mesh) }
        }
    }
}
