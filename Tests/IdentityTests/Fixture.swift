import Crypto
import Wire

@testable import Identity

/// A mesh with its founder, and short ways to have nodes join it. All randomness comes from the seed.
struct Fixture {
    static let now = WallTime(seconds: 1_790_000_000)

    var random: SecureRandom
    let founder: NodeIdentity
    var issuer: Issuer { founder.issuer! }
    var mesh: MeshDescription { founder.mesh }

    init(seed: UInt8 = 1) {
        random = SecureRandom(seed: Secret([UInt8](repeating: seed, count: 32)))
        founder = NodeIdentity.createMesh(
            name: NodeName("founder")!, ipv4Range: IPPrefix("10.128.0.0/9")!, now: Self.now, using: &random)
    }

    mutating func token(
        _ terms: Issuer.InviteTerms = .init(), at now: WallTime = Self.now, by issuer: Issuer? = nil
    ) throws -> JoinToken {
        try (issuer ?? self.issuer).invite(
            on: terms, at: now, inviteSecret: random.secret(32), meshSecret: founder.secrets.current,
            bootstrap: [
                .init(
                    name: founder.name, tunnelKey: founder.tunnelKey.publicKey,
                    endpoints: [Endpoint("192.0.2.1:20007")!, Endpoint("[2001:db8::1]:20007")!])
            ])
    }

    mutating func join(
        _ name: String, _ token: JoinToken, at now: WallTime = Self.now
    ) throws -> NodeIdentity {
        try NodeIdentity.join(token, name: NodeName(name)!, now: now, using: &random)
    }

    /// Terms with a number of uses, and what else `change` sets.
    static func terms(uses: UInt32 = 1, _ change: (inout Issuer.InviteTerms) -> Void = { _ in }) -> Issuer.InviteTerms {
        var terms = Issuer.InviteTerms()
        terms.uses = uses
        change(&terms)
        return terms
    }
}

extension NodeIdentity {
    func record(number: UInt64 = 1) -> NodeRecord {
        record(
            number: number, wallTime: Fixture.now, abilities: [.relay, .reachable],
            candidates: [Endpoint("192.0.2.7:20007")!, Endpoint("[2001:db8::7]:20007")!])
    }
}
