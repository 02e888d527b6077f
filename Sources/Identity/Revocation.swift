package import Wire

/// Takes away what was granted: a node's membership, or an invite and all who joined with it.
///
/// Body, big-endian: version 1 (1), kind 1 node or 2 invite (1), target (32), issued at (8), expiry (8), reason (1 + n),
/// delegate's certificate (2 + n; zero where the root signed). Then the signature (64).
package struct Revocation: Equatable, Sendable, Signed {
    package enum Target: Hashable, Sendable {
        case node(NodeID)
        /// By its public key.
        case invite(Bytes32)
    }

    static let purpose = SignaturePurpose.revocation
    package static let sizeLimitBytes = 1024
    /// Characters; at most four bytes each fit the length's byte.
    package static let reasonLimit = 60

    package let target: Target
    package let issuedAt: WallTime
    /// When it may be forgotten, since what it revokes has ended by itself.
    package let expiry: WallTime
    package let reason: String
    package let delegate: Certificate?
    package var signature: [UInt8] = []

    init(target: Target, issuedAt: WallTime, expiry: WallTime, reason: String, delegate: Certificate?) {
        self.target = target
        self.issuedAt = issuedAt
        self.expiry = expiry
        self.reason = reason
        self.delegate = delegate
    }

    var body: [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.append(1 as UInt8)
        switch target {
        case .node(let node):
            writer.append(1 as UInt8)
            writer.append(node.bytes)
        case .invite(let publicKey):
            writer.append(2 as UInt8)
            writer.append(publicKey)
        }
        writer.append(issuedAt)
        writer.append(expiry)
        writer.append(text: reason)
        writer.append(lengthPrefixed: delegate?.encoded ?? [])
        return writer.bytes
    }

    package var encoded: [UInt8] { body + signature }

    /// Whether the root, or somebody whom the root made a delegate, signed it.
    package func isValid(in mesh: MeshDescription, using check: SignatureCheck = .direct) -> Bool {
        guard let delegate else { return isSigned(by: mesh.rootPublicKey, in: mesh.id, using: check) }
        return delegate.role == .delegate && delegate.isSigned(by: mesh.rootPublicKey, in: mesh.id, using: check)
            && isSigned(by: delegate.signingKey, in: mesh.id, using: check)
    }
}

extension Revocation {
    package init(parsing bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.sizeLimitBytes else { throw .invalidField("revocation length") }
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        let kind = try reader.readUInt8()
        let value = try reader.readBytes32()
        switch kind {
        case 1: target = .node(NodeID(value))
        case 2: target = .invite(value)
        default: throw .invalidField("kind")
        }
        issuedAt = try reader.readWallTime()
        expiry = try reader.readWallTime()
        reason = try reader.readText()
        let delegate = try reader.readLengthPrefixedBytes()
        self.delegate = delegate.isEmpty ? nil : try Certificate(parsing: delegate)
        signature = try reader.readSignature()
        try reader.finish()
    }
}
