package import Crypto
package import Wire

/// Whoever may invite, renew and revoke: the holder of the mesh's root key, or a delegate.
package struct Issuer: Sendable {
    package enum Authority: Sendable {
        case root(SigningKey)
        /// A delegate's signing key and its certificate, which the root signed.
        case delegate(SigningKey, Certificate)
    }

    /// The limits of a new invite.
    package struct InviteTerms: Equatable, Sendable {
        package var uses: UInt32 = 1
        /// Long enough that a clock which is wrong by a day does not matter.
        package var validity: Duration = .seconds(7 * 86_400)
        package var namePattern = NamePattern.any
        package var rights = Certificate.Rights.all
        /// `nil`: the whole range of the mesh. A /24 is a choice for one node.
        package var pool: IPPrefix?
        package var announcePool: [IPPrefix] = []
        package var certificateLifetime = NodeIdentity.defaultLifetime

        package init() {}
    }

    package let mesh: MeshDescription
    private let authority: Authority

    init(mesh: MeshDescription, authority: Authority) {
        self.mesh = mesh
        self.authority = authority
    }

    private var key: SigningKey {
        switch authority {
        case .root(let key), .delegate(let key, _): key
        }
    }

    var delegate: Certificate? {
        switch authority {
        case .root: nil
        case .delegate(_, let certificate): certificate
        }
    }
}

extension Issuer {
    /// Makes an invite with a key of its own, and the token that carries both.
    ///
    /// - Parameter inviteSecret: 32 random bytes.
    package func invite(
        on terms: InviteTerms, at now: WallTime, inviteSecret: Secret, meshSecret: Secret,
        bootstrap: [JoinToken.Bootstrap]
    ) throws(InviteError) -> JoinToken {
        guard let inviteKey = try? SigningKey(secret: inviteSecret) else { preconditionFailure("32 bytes are a key") }
        guard terms.uses > 0 else { throw .noUses }
        let pool = terms.pool ?? mesh.plan.ipv4Range
        guard mesh.plan.subnets(in: pool) != nil else { throw .poolOutsideMesh(pool, mesh.plan) }
        guard terms.announcePool.count <= Invite.announcePoolLimit else { throw .tooManyPrefixes }
        if let delegate, !delegate.rights.isSuperset(of: terms.rights) { throw .rightNotOwn }
        let invite = Invite(
            publicKey: inviteKey.publicKey, issuedAt: now, expiry: now + terms.validity, uses: terms.uses,
            rights: terms.rights, certificateLifetime: terms.certificateLifetime, ipv4Range: mesh.plan.ipv4Range,
            pool: pool, namePattern: terms.namePattern, announcePool: terms.announcePool)
        return JoinToken(
            mesh: mesh, meshSecret: meshSecret, inviteKey: inviteKey, delegate: delegate,
            invite: invite.signed(with: key, in: mesh.id), bootstrap: bootstrap)
    }

    /// A certificate for the same node with a later end, which this issuer vouches for. It keeps the date of joining.
    ///
    /// - Parameter taken: subnets of others, where the node needs a new one.
    package func renew(
        _ chain: CertificateChain, at now: WallTime, lifetime: Duration, avoiding taken: Set<UInt16>? = nil
    ) -> CertificateChain? {
        var certificate = chain.certificate
        if let taken {
            let pool = chain.invite.flatMap { mesh.plan.subnets(in: $0.pool) } ?? mesh.plan.nodeSubnets
            guard let subnet = mesh.plan.freeSubnet(for: certificate.signingKey, in: pool, taken: taken) else {
                return nil
            }
            certificate.subnet = subnet
        }
        if let delegate {
            guard certificate.role == .node, delegate.rights.isSuperset(of: certificate.rights) else { return nil }
        }
        certificate.serial += 1
        certificate.expiry = max(certificate.expiry, now + lifetime)
        return countersigned(certificate)
    }

    /// Makes a node a delegate; `nil` unless this issuer holds the root key.
    package func promote(_ chain: CertificateChain) -> CertificateChain? {
        guard delegate == nil else { return nil }
        var certificate = chain.certificate
        certificate.role = .delegate
        certificate.serial += 1
        return countersigned(certificate)
    }

    package func revoke(
        _ target: Revocation.Target, reason: String, at now: WallTime, until expiry: WallTime
    ) -> Revocation {
        let revocation = Revocation(
            target: target, issuedAt: now, expiry: expiry, reason: String(reason.prefix(Revocation.reasonLimit)),
            delegate: delegate)
        return revocation.signed(with: key, in: mesh.id)
    }

    private func countersigned(_ certificate: Certificate) -> CertificateChain {
        CertificateChain(
            meshID: mesh.id, delegate: delegate, invite: nil, certificate: certificate.signed(with: key, in: mesh.id))
    }
}

/// Why an invite cannot be made.
package enum InviteError: Error, Equatable, Sendable {
    case noUses
    case poolOutsideMesh(IPPrefix, AddressPlan)
    case tooManyPrefixes
    case rightNotOwn
}

extension InviteError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noUses: "an invite needs at least one use"
        case .poolOutsideMesh(let pool, let plan):
            "\(pool) holds no subnet of this mesh: give an IPv4 prefix of at most /24 inside \(plan.ipv4Range), past its"
                + " first /16"
        case .tooManyPrefixes: "an invite names at most \(Invite.announcePoolLimit) prefixes to announce"
        case .rightNotOwn: "a delegate cannot give away a right that it does not have"
        }
    }
}
