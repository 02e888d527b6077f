package import Wire

/// Binds a node's keys to its name, its addresses and its rights.
///
/// Body, big-endian: version 1 (1), role (1), rights (1), signing key (32), tunnel key (32), name (1 + n), subnet (2),
/// announced prefixes (1 + n × 6 or 18), invite (32), serial (8), issued at (8), expiry (8). Then the signature (64) by
/// the invite's key, or by the root or a delegate, who then vouches for the dates.
package struct Certificate: Equatable, Sendable, Signed {
    package enum Role: UInt8, Sendable {
        case node = 1
        /// May issue invites and certificates and revoke them, as the root may, but make no further delegates.
        case delegate = 2
    }

    package struct Rights: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// May carry the sealed packets of others.
        package static let relay = Rights(rawValue: 1)
        /// May admit stock WireGuard clients.
        package static let attachClients = Rights(rawValue: 2)
        package static let all: Rights = [.relay, .attachClients]
    }

    static let purpose = SignaturePurpose.certificate
    package static let announcedLimit = 8
    /// Far from where the next serial would overflow.
    static let serialLimit: UInt64 = 1 << 62

    package var role = Role.node
    package var rights: Rights
    /// Ed25519.
    package var signingKey: Bytes32
    /// X25519: the node's static key in WireGuard handshakes.
    package var tunnelKey: Bytes32
    package var name: NodeName
    /// The node's number in the `AddressPlan`.
    package var subnet: UInt16
    /// Prefixes beside its own that the node leads to; several nodes may announce one.
    package var announced: [IPPrefix] = []
    /// Public key of the invite that the node joined with; zero for the node that created the mesh.
    package var invite: Bytes32
    /// Grows when the certificate of one node is issued anew.
    package var serial: UInt64
    /// When the node joined; a renewal keeps it, since it settles who came first.
    package var issuedAt: WallTime
    package var expiry: WallTime
    package var signature: [UInt8] = []

    package var nodeID: NodeID { NodeID(signingKey: signingKey) }

    /// Every prefix that the node may use as inner source.
    package func prefixes(in plan: AddressPlan) -> [IPPrefix] { plan.prefixes(of: subnet) + announced }

    var body: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.append(1 as UInt8)
        writer.append(role.rawValue)
        writer.append(rights.rawValue)
        writer.append(signingKey)
        writer.append(tunnelKey)
        writer.append(text: name.description)
        writer.append(bigEndian: subnet)
        writer.append(announced)
        writer.append(invite)
        writer.append(bigEndian: serial)
        writer.append(issuedAt)
        writer.append(expiry)
        return writer.bytes
    }

    package var encoded: [UInt8] { body + signature }
}

extension Certificate {
    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        guard let role = Role(rawValue: try reader.readUInt8()) else { throw .invalidField("role") }
        self.role = role
        rights = Rights(rawValue: try reader.readUInt8())
        guard Rights.all.isSuperset(of: rights) else { throw .invalidField("rights") }
        signingKey = try reader.readBytes32()
        tunnelKey = try reader.readBytes32()
        name = try reader.readNodeName()
        subnet = try reader.readBigEndianUInt16()
        announced = try reader.readPrefixes(limit: Self.announcedLimit)
        invite = try reader.readBytes32()
        serial = try reader.readBigEndianUInt64()
        guard serial < Self.serialLimit else { throw .invalidField("serial") }
        issuedAt = try reader.readWallTime()
        expiry = try reader.readWallTime()
        signature = try reader.readSignature()
        try reader.finish()
    }
}
