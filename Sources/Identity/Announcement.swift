import Crypto
package import Wire

/// What a node tells the whole mesh beside its record, in parts that change each by itself: the services that it offers, and in the
/// last one who its watchers are and whom it does not hear.
///
/// Body, big-endian: version 1 (1), node (32), part (1), number (8), payload (2 + n). Then the signature (64) by the signing
/// key of the node's certificate. What the payload means is its reader's; an empty one takes the part back.
package struct Announcement: Equatable, Sendable, Signed {
    static let purpose = SignaturePurpose.announcement
    package static let payloadLimitBytes = 16_384
    /// Parts are numbered from 0.
    package static let partLimit: UInt8 = 16
    /// The last part is the mesh's own: who is alive. The others are for what the node offers.
    package static let livenessPart: UInt8 = 15

    package var node: NodeID
    package var part: UInt8
    /// Of two announcements of one part the one with the higher number counts.
    package var number: UInt64
    package var payload: [UInt8]
    package var signature: [UInt8] = []

    package var encoded: [UInt8] { body + signature }

    var body: [UInt8] {
        var writer = ByteWriter(capacity: 48 + payload.count)
        writer.append(1 as UInt8)
        writer.append(node.bytes)
        writer.append(part)
        writer.append(bigEndian: number)
        writer.append(lengthPrefixed: payload)
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.payloadLimitBytes + 108 else { throw .invalidField("announcement length") }
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        node = NodeID(try reader.readBytes32())
        part = try reader.readUInt8()
        guard part < Self.partLimit else { throw .invalidField("part") }
        number = try reader.readBigEndianUInt64()
        payload = try reader.readLengthPrefixedBytes()
        guard payload.count <= Self.payloadLimitBytes else { throw .invalidField("payload length") }
        signature = try reader.readSignature()
        try reader.finish()
    }

    /// Whether `chain`, which is its node's, vouches for it.
    package func isSigned(
        by chain: CertificateChain, in mesh: MeshDescription, using check: SignatureCheck = .direct
    ) -> Bool {
        chain.nodeID == node && isSigned(by: chain.certificate.signingKey, in: mesh.id, using: check)
    }

    /// Whether this one takes the place of `other`, of the same part. Equal numbers, which an honest node never makes, are
    /// settled by their bytes, so that all keep the same one.
    package func supersedes(_ other: Announcement) -> Bool {
        if number != other.number { return number > other.number }
        return other.encoded.lexicographicallyPrecedes(encoded)
    }
}

extension NodeIdentity {
    /// Signs a part of what this node announces.
    ///
    /// Precondition: `part` and `payload` are within the limits.
    package func announcement(part: UInt8, number: UInt64, payload: [UInt8]) -> Announcement {
        precondition(part < Announcement.partLimit && payload.count <= Announcement.payloadLimitBytes)
        return Announcement(node: nodeID, part: part, number: number, payload: payload)
            .signed(with: signingKey, in: mesh.id)
    }
}

extension Announcement {
    init(node: NodeID, part: UInt8, number: UInt64, payload: [UInt8]) {
        self.node = node
        self.part = part
        self.number = number
        self.payload = payload
    }
}
