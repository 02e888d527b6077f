package import Wire

/// A node's certificate with everything that leads from the mesh's root to it.
///
/// ```
///   root ──────────────────────────────▶ certificate     the founder; whoever a root holder vouched for
///   root ──────────────▶ invite ───────▶ certificate     joined with a token
///   root ──▶ delegate ─────────────────▶ certificate     vouched for by a delegate
///   root ──▶ delegate ──▶ invite ──────▶ certificate     joined with a delegate's token
/// ```
/// Encoded: version 1 (1), mesh id (32), then delegate's certificate, invite and certificate, each after its 16-bit
/// length, which is zero where there is none.
package struct CertificateChain: Equatable, Sendable {
    package static let sizeLimitBytes = 2048

    package let meshID: MeshID
    package let delegate: Certificate?
    package let invite: Invite?
    package let certificate: Certificate
    /// The certificate's, computed once: it is a hash, and directories are ordered by it.
    package let nodeID: NodeID

    package init(meshID: MeshID, delegate: Certificate?, invite: Invite?, certificate: Certificate) {
        self.meshID = meshID
        self.delegate = delegate
        self.invite = invite
        self.certificate = certificate
        nodeID = certificate.nodeID
    }

    /// Whether two chains of one node claim the same for it.
    func claimsSame(as other: CertificateChain) -> Bool {
        let (own, theirs) = (certificate, other.certificate)
        return own.name == theirs.name && own.subnet == theirs.subnet && own.tunnelKey == theirs.tunnelKey
            && own.invite == theirs.invite
    }

    /// Whether the root or a delegate signed the certificate itself, and so its dates.
    package var isCountersigned: Bool { invite == nil }

    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 512)
        writer.append(1 as UInt8)
        writer.append(meshID.bytes)
        writer.append(lengthPrefixed: delegate?.encoded ?? [])
        writer.append(lengthPrefixed: invite?.encoded ?? [])
        writer.append(lengthPrefixed: certificate.encoded)
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.sizeLimitBytes else { throw .invalidField("chain length") }
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        meshID = MeshID(try reader.readBytes32())
        let delegate = try reader.readLengthPrefixedBytes()
        let invite = try reader.readLengthPrefixedBytes()
        self.delegate = delegate.isEmpty ? nil : try Certificate(parsing: delegate)
        self.invite = invite.isEmpty ? nil : try Invite(parsing: invite)
        certificate = try Certificate(parsing: try reader.readLengthPrefixedBytes())
        nodeID = certificate.nodeID
        try reader.finish()
    }
}

// MARK: verification

extension CertificateChain {
    /// Follows the chain from the mesh's root and checks that every link permits the next. Knows no time: `Registry`
    /// judges expiry.
    package func verify(in mesh: MeshDescription, using check: SignatureCheck = .direct) throws(ChainError) {
        guard meshID == mesh.id else { throw .foreignMesh(meshID) }
        let issuer = try verifyDelegate(in: mesh, using: check)
        if let invite {
            try verify(invite, by: issuer, in: mesh, using: check)
            try verifyIssue(by: invite, in: mesh, using: check)
        } else {
            guard certificate.isSigned(by: issuer, in: meshID, using: check) else { throw .badSignature(.certificate) }
            guard certificate.role == .node || delegate == nil else { throw .roleNotPermitted }
        }
        guard mesh.plan.nodeSubnets.contains(certificate.subnet) else {
            throw .prefixNotPermitted(mesh.plan.prefixes(of: certificate.subnet)[0])
        }
        guard certificate.expiry > certificate.issuedAt else { throw .endsBeforeItBegins }
    }

    /// The key that signed the link after the delegate, or after the root if there is none.
    private func verifyDelegate(
        in mesh: MeshDescription, using check: SignatureCheck
    ) throws(ChainError) -> Bytes32 {
        guard let delegate else { return mesh.rootPublicKey }
        guard delegate.isSigned(by: mesh.rootPublicKey, in: meshID, using: check) else {
            throw .badSignature(.delegate)
        }
        guard delegate.role == .delegate else { throw .issuerNotPermitted(delegate.name) }
        let issuedAt = invite?.issuedAt ?? certificate.issuedAt
        guard issuedAt <= delegate.expiry else { throw .issuerNotPermitted(delegate.name) }
        guard delegate.rights.isSuperset(of: invite?.rights ?? certificate.rights) else { throw .rightNotPermitted }
        return delegate.signingKey
    }

    private func verify(
        _ invite: Invite, by issuer: Bytes32, in mesh: MeshDescription, using check: SignatureCheck
    ) throws(ChainError) {
        guard invite.isSigned(by: issuer, in: meshID, using: check) else { throw .badSignature(.invite) }
        guard invite.ipv4Range == mesh.plan.ipv4Range else { throw .prefixNotPermitted(invite.ipv4Range) }
    }

    /// The limits of the invite, for a certificate that was issued with its key.
    private func verifyIssue(
        by invite: Invite, in mesh: MeshDescription, using check: SignatureCheck
    ) throws(ChainError) {
        guard certificate.invite == invite.publicKey,
            certificate.isSigned(by: invite.publicKey, in: meshID, using: check)
        else { throw .badSignature(.certificate) }
        guard certificate.role == .node else { throw .roleNotPermitted }
        guard invite.rights.isSuperset(of: certificate.rights) else { throw .rightNotPermitted }
        guard invite.namePattern.matches(certificate.name) else {
            throw .nameNotPermitted(certificate.name, pattern: invite.namePattern)
        }
        guard let pool = mesh.plan.subnets(in: invite.pool), pool.contains(certificate.subnet) else {
            throw .prefixNotPermitted(mesh.plan.prefixes(of: certificate.subnet)[0])
        }
        for prefix in certificate.announced where !invite.announcePool.contains(where: { $0.contains(prefix) }) {
            throw .prefixNotPermitted(prefix)
        }
        guard (invite.issuedAt...max(invite.issuedAt, invite.expiry)).contains(certificate.issuedAt) else {
            throw .inviteExpired(invite.expiry)
        }
        guard certificate.expiry <= invite.expiry + invite.certificateLifetime else { throw .lifetimeTooLong }
    }
}

/// Why a chain of certificates is not accepted, whoever shows it and whenever.
package enum ChainError: Error, Equatable, Sendable {
    package enum Link: String, Equatable, Sendable {
        case delegate, invite, certificate
    }

    case foreignMesh(MeshID)
    case badSignature(Link)
    case nameNotPermitted(NodeName, pattern: NamePattern)
    case prefixNotPermitted(IPPrefix)
    case roleNotPermitted
    case rightNotPermitted
    /// Whoever signed the next link is no delegate, or was one no longer.
    case issuerNotPermitted(NodeName)
    /// The certificate was issued when its invite had ended.
    case inviteExpired(WallTime)
    case lifetimeTooLong
    case endsBeforeItBegins
}

extension ChainError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .foreignMesh(let mesh): "it belongs to mesh \(mesh), which is another one"
        case .badSignature(let link): "the signature of its \(link.rawValue) is not valid"
        case .nameNotPermitted(let name, let pattern):
            "its invite permits names like \(pattern), not \(name): set node.name, or ask for another token"
        case .prefixNotPermitted(let prefix): "its issuer was not permitted to give away \(prefix)"
        case .roleNotPermitted: "its issuer was not permitted to make it a delegate"
        case .rightNotPermitted: "its issuer was not permitted to give it these rights"
        case .issuerNotPermitted(let name): "\(name), which issued it, is not permitted to"
        case .inviteExpired(let end): "it was issued outside the time of its invite, which ended at \(end)"
        case .lifetimeTooLong: "it ends later than its invite permits"
        case .endsBeforeItBegins: "it ends before it begins"
        }
    }
}
