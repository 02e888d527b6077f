package import Wire

/// Permits whoever holds its private key to issue node certificates within limits, while nobody else is reachable.
///
/// Body, big-endian: version 1 (1), public key (32), issued at (8), expiry (8), uses (4), rights (1), certificate
/// lifetime in seconds (8), mesh range (6), pool (6), name pattern (1 + n), announceable prefixes (1 + n × 6 or 18).
/// Then the signature (64) by the root or a delegate.
package struct Invite: Equatable, Sendable, Signed {
    static let purpose = SignaturePurpose.invite
    package static let announcePoolLimit = 8

    /// Ed25519; names the invite.
    package var publicKey: Bytes32
    package var issuedAt: WallTime
    /// Certificates may be issued until then; those that were stay good until their own end.
    package var expiry: WallTime
    /// How many nodes may join with it.
    package var uses: UInt32
    package var rights: Certificate.Rights
    /// No certificate may end later than this after the invite's own end.
    package var certificateLifetime: Duration
    /// The IPv4 range of the mesh, for those who join.
    package var ipv4Range: IPPrefix
    /// The IPv4 prefix that subnets are drawn from; a /24 is a choice for a single node.
    package var pool: IPPrefix
    package var namePattern: NamePattern
    /// Prefixes beside their own that nodes may announce, or parts of them.
    package var announcePool: [IPPrefix] = []
    package var signature: [UInt8] = []

    var body: [UInt8] {
        var writer = ByteWriter(capacity: 160)
        writer.append(1 as UInt8)
        writer.append(publicKey)
        writer.append(issuedAt)
        writer.append(expiry)
        writer.append(bigEndian: uses)
        writer.append(rights.rawValue)
        writer.append(bigEndian: UInt64(clamping: certificateLifetime.components.seconds))
        writer.append(ipv4Range)
        writer.append(pool)
        writer.append(text: namePattern.description)
        writer.append(announcePool)
        return writer.bytes
    }

    package var encoded: [UInt8] { body + signature }
}

extension Invite {
    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        publicKey = try reader.readBytes32()
        issuedAt = try reader.readWallTime()
        expiry = try reader.readWallTime()
        uses = try reader.readBigEndianUInt32()
        rights = Certificate.Rights(rawValue: try reader.readUInt8())
        guard Certificate.Rights.all.isSuperset(of: rights) else { throw .invalidField("rights") }
        let lifetime = try reader.readBigEndianUInt64()
        guard lifetime <= UInt64(Int64.max) else { throw .invalidField("certificate lifetime") }
        certificateLifetime = .seconds(Int64(lifetime))
        ipv4Range = try reader.readPrefix()
        pool = try reader.readPrefix()
        guard let pattern = NamePattern(try reader.readText()) else { throw .invalidField("name pattern") }
        namePattern = pattern
        announcePool = try reader.readPrefixes(limit: Self.announcePoolLimit)
        signature = try reader.readSignature()
        try reader.finish()
    }
}
