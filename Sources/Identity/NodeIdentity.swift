package import Crypto
package import Wire

/// Who this node is: its keys, its certificate chain and what it shares with its mesh.
package struct NodeIdentity: Sendable {
    package let mesh: MeshDescription
    package let signingKey: SigningKey
    package let tunnelKey: AgreementKey
    /// Changes with every renewal; see `adopt(_:)`.
    package private(set) var chain: CertificateChain
    package var secrets: MeshSecrets
    /// The key of the invite that the node joined with: while that lasts, the node renews its certificate itself.
    package let inviteKey: SigningKey?
    /// Only where the mesh was created.
    package let rootKey: SigningKey?
    /// Stock WireGuard clients that are admitted here, in the order of admission. The store keeps them one by one.
    package var clients: [AttachedClient] = []

    package var certificate: Certificate { chain.certificate }
    package var nodeID: NodeID { chain.nodeID }
    package var name: NodeName { certificate.name }
    /// The node's own prefixes, IPv4 then IPv6.
    package var prefixes: [IPPrefix] { mesh.plan.prefixes(of: certificate.subnet) }
    /// The host's own addresses, IPv4 then IPv6.
    package var addresses: [IPAddress] { mesh.plan.addresses(of: certificate.subnet) }

    /// What the node may issue for others; `nil` for an ordinary node.
    package var issuer: Issuer? {
        if let rootKey { return Issuer(mesh: mesh, authority: .root(rootKey)) }
        guard certificate.role == .delegate else { return nil }
        return Issuer(mesh: mesh, authority: .delegate(signingKey, certificate))
    }
}

// MARK: beginnings

extension NodeIdentity {
    package static let defaultLifetime: Duration = .seconds(365 * 86_400)

    /// Creates a mesh, whose root key stays on this host, and this host's certificate in it.
    ///
    /// Precondition: `ipv4Range` is an IPv4 prefix of a length in `AddressPlan.rangeLengths`.
    package static func createMesh(
        name: NodeName, ipv4Range: IPPrefix, lifetime: Duration = defaultLifetime, now: WallTime,
        using random: inout SecureRandom
    ) -> NodeIdentity {
        let rootKey = Self.makeSigningKey(using: &random)
        guard let mesh = MeshDescription(rootPublicKey: rootKey.publicKey, ipv4Range: ipv4Range) else {
            preconditionFailure("\(ipv4Range) is no range for a mesh")
        }
        let signingKey = Self.makeSigningKey(using: &random)
        let tunnelKey = Self.makeTunnelKey(using: &random)
        let certificate = Certificate(
            rights: .all, signingKey: signingKey.publicKey, tunnelKey: tunnelKey.publicKey, name: name,
            subnet: mesh.plan.subnet(for: signingKey.publicKey, attempt: 0, in: mesh.plan.nodeSubnets), invite: .zero,
            serial: 1, issuedAt: now, expiry: now + lifetime)
        let chain = CertificateChain(
            meshID: mesh.id, delegate: nil, invite: nil, certificate: certificate.signed(with: rootKey, in: mesh.id))
        return NodeIdentity(
            mesh: mesh, signingKey: signingKey, tunnelKey: tunnelKey, chain: chain,
            secrets: MeshSecrets(current: random.secret(MeshSecrets.sizeBytes)), inviteKey: nil, rootKey: rootKey)
    }

    /// Makes this host's keys and issues its certificate with the token's invite key; no other node is asked.
    package static func join(
        _ token: JoinToken, name: NodeName, now: WallTime, using random: inout SecureRandom
    ) throws(JoinError) -> NodeIdentity {
        let invite = token.invite
        guard now <= invite.expiry else { throw .expired(at: invite.expiry, now: now) }
        guard invite.publicKey == token.inviteKey.publicKey else { throw .invite(.badSignature(.invite)) }
        guard let pool = token.mesh.plan.subnets(in: invite.pool) else {
            throw .invite(.prefixNotPermitted(invite.pool))
        }
        let signingKey = Self.makeSigningKey(using: &random)
        let tunnelKey = Self.makeTunnelKey(using: &random)
        // A clock that is behind must not put the certificate before its invite.
        let issuedAt = max(now, invite.issuedAt)
        let certificate = Certificate(
            rights: invite.rights, signingKey: signingKey.publicKey, tunnelKey: tunnelKey.publicKey, name: name,
            subnet: token.mesh.plan.subnet(for: signingKey.publicKey, attempt: 0, in: pool), invite: invite.publicKey,
            serial: 1, issuedAt: issuedAt, expiry: issuedAt + invite.certificateLifetime)
        let chain = CertificateChain(
            meshID: token.mesh.id, delegate: token.delegate, invite: invite,
            certificate: certificate.signed(with: token.inviteKey, in: token.mesh.id))
        do {
            try chain.verify(in: token.mesh)
        } catch {
            throw .invite(error)
        }
        return NodeIdentity(
            mesh: token.mesh, signingKey: signingKey, tunnelKey: tunnelKey, chain: chain,
            secrets: MeshSecrets(current: token.meshSecret), inviteKey: token.inviteKey, rootKey: nil)
    }

    private static func makeSigningKey(using random: inout SecureRandom) -> SigningKey {
        guard let key = try? SigningKey(secret: random.secret(32)) else { preconditionFailure("32 bytes are a key") }
        return key
    }

    private static func makeTunnelKey(using random: inout SecureRandom) -> AgreementKey {
        guard let key = try? AgreementKey(secret: random.secret(32)) else { preconditionFailure("32 bytes are a key") }
        return key
    }
}

/// Why a token that is well formed admits nobody.
package enum JoinError: Error, Equatable, Sendable {
    case expired(at: WallTime, now: WallTime)
    case invite(ChainError)
}

extension JoinError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .expired(let end, let now):
            "the token expired at \(end), and it is \(now) here: ask for another with `meshctl invite`, or set the clock"
        case .invite(let error): "the token cannot be used: \(error)"
        }
    }
}

// MARK: renewal

extension NodeIdentity {
    /// Why the node should have its certificate issued anew.
    package enum RenewalReason: Equatable, Sendable {
        /// Nobody has vouched for the dates that the node wrote itself.
        case countersignature
        case expiry(WallTime)
    }

    /// `nil` while the certificate needs nothing.
    package func renewalReason(at now: WallTime, renewBefore: Duration) -> RenewalReason? {
        if now + renewBefore >= certificate.expiry { return .expiry(certificate.expiry) }
        return chain.isCountersigned ? nil : .countersignature
    }

    /// A later certificate, issued with the root key or, while the invite lasts, with its key. `nil` when this node must
    /// ask another.
    ///
    /// - Parameter taken: subnets of others, where the node lost its own to an earlier node and needs another.
    package func reissued(at now: WallTime, lifetime: Duration, avoiding taken: Set<UInt16>? = nil) -> CertificateChain?
    {
        if let issuer, rootKey != nil { return issuer.renew(chain, at: now, lifetime: lifetime, avoiding: taken) }
        guard let inviteKey, let invite = chain.invite, now <= invite.expiry,
            let pool = mesh.plan.subnets(in: invite.pool)
        else { return nil }
        var next = certificate
        if let taken {
            guard let subnet = mesh.plan.freeSubnet(for: next.signingKey, in: pool, taken: taken) else { return nil }
            next.subnet = subnet
        }
        next.serial += 1
        next.expiry = max(next.expiry, min(now, invite.expiry) + min(lifetime, invite.certificateLifetime))
        return CertificateChain(
            meshID: mesh.id, delegate: chain.delegate, invite: invite,
            certificate: next.signed(with: inviteKey, in: mesh.id))
    }

    /// Takes a chain that was issued for this node's keys; `false` if it is not, not valid, or not newer.
    package mutating func adopt(_ chain: CertificateChain) -> Bool {
        let next = chain.certificate
        guard next.signingKey == signingKey.publicKey, next.tunnelKey == tunnelKey.publicKey,
            next.serial > certificate.serial
        else { return false }
        do {
            try chain.verify(in: mesh)
        } catch {
            return false
        }
        self.chain = chain
        return true
    }
}

// MARK: records and clients

extension NodeIdentity {
    /// This node's record, with its clients. Candidates beyond the limit, and link-local ones, are left out.
    package func record(
        number: UInt64, wallTime: WallTime, abilities: NodeRecord.Abilities, candidates: [Endpoint],
        streamPort: UInt16 = 0, relays: [UInt64] = []
    ) -> NodeRecord {
        NodeRecord(
            of: self, number: number, wallTime: wallTime, abilities: abilities, candidates: candidates,
            clients: clients, streamPort: streamPort, relays: relays)
    }

    /// Admits a client and gives it an address.
    ///
    /// - Parameter taken: numbers of clients at other nodes.
    package mutating func admitClient(
        publicKey: Bytes32, name: NodeName, now: WallTime, taken: Set<UInt16>
    ) throws(ClientError) -> AttachedClient {
        guard certificate.rights.contains(.attachClients) else { throw .notPermitted }
        guard clients.count < NodeRecord.clientLimit else { throw .tooMany }
        guard !clients.contains(where: { $0.name == name }) else { throw .nameTaken(name) }
        let occupied = taken.union(clients.map(\.number))
        guard let number = mesh.plan.freeClientNumber(for: publicKey, taken: occupied) else { throw .noAddressLeft }
        guard let client = AttachedClient(publicKey: publicKey, number: number, admittedAt: now, name: name) else {
            throw .nameTooLong(name)
        }
        clients.append(client)
        return client
    }
}

// MARK: disk

extension NodeIdentity {
    /// The identity as bytes for the store: secrets apart from what may be seen.
    package struct Saved: Sendable {
        package var signingKey: [UInt8]
        package var tunnelKey: [UInt8]
        package var rootKey: [UInt8]?
        package var inviteKey: [UInt8]?
        package var meshSecret: [UInt8]
        package var previousMeshSecret: [UInt8]?
        /// `MeshDescription.encoded`.
        package var mesh: [UInt8]
        /// `CertificateChain.encoded`.
        package var chain: [UInt8]

        package init(
            signingKey: [UInt8], tunnelKey: [UInt8], rootKey: [UInt8]?, inviteKey: [UInt8]?, meshSecret: [UInt8],
            previousMeshSecret: [UInt8]?, mesh: [UInt8], chain: [UInt8]
        ) {
            self.signingKey = signingKey
            self.tunnelKey = tunnelKey
            self.rootKey = rootKey
            self.inviteKey = inviteKey
            self.meshSecret = meshSecret
            self.previousMeshSecret = previousMeshSecret
            self.mesh = mesh
            self.chain = chain
        }
    }

    package var saved: Saved {
        Saved(
            signingKey: signingKey.secret.bytes, tunnelKey: tunnelKey.secret.bytes, rootKey: rootKey?.secret.bytes,
            inviteKey: inviteKey?.secret.bytes, meshSecret: secrets.current.bytes,
            previousMeshSecret: secrets.previous?.bytes, mesh: mesh.encoded, chain: chain.encoded)
    }

    /// `nil` unless all parts can be read and belong together.
    package init?(_ saved: Saved) {
        guard let mesh = try? MeshDescription(parsing: saved.mesh),
            let chain = try? CertificateChain(parsing: saved.chain), (try? chain.verify(in: mesh)) != nil,
            let signingKey = try? SigningKey(secret: Secret(saved.signingKey)),
            let tunnelKey = try? AgreementKey(secret: Secret(saved.tunnelKey)),
            signingKey.publicKey == chain.certificate.signingKey, tunnelKey.publicKey == chain.certificate.tunnelKey,
            saved.meshSecret.count == MeshSecrets.sizeBytes
        else { return nil }
        let rootKey = saved.rootKey.flatMap { try? SigningKey(secret: Secret($0)) }
        guard rootKey == nil || rootKey?.publicKey == mesh.rootPublicKey else { return nil }
        self.mesh = mesh
        self.signingKey = signingKey
        self.tunnelKey = tunnelKey
        self.chain = chain
        secrets = MeshSecrets(
            current: Secret(saved.meshSecret), previous: saved.previousMeshSecret.map { Secret($0) })
        inviteKey = saved.inviteKey.flatMap { try? SigningKey(secret: Secret($0)) }
        self.rootKey = rootKey
    }
}
