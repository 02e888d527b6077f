package import Wire

/// A stock WireGuard client that is admitted at a node. The node's record vouches for it.
///
/// Encoded: public key (32), number (2), admitted at (8), name (1 + n).
package struct AttachedClient: Equatable, Sendable {
    package static let nameLimitBytes = 32

    /// X25519, as in its WireGuard configuration.
    package var publicKey: Bytes32
    /// Gives its addresses in the `AddressPlan`.
    package var number: UInt16
    package var admittedAt: WallTime
    package var name: NodeName

    /// `nil` for a name that is too long.
    package init?(publicKey: Bytes32, number: UInt16, admittedAt: WallTime, name: NodeName) {
        guard name.description.utf8.count <= Self.nameLimitBytes else { return nil }
        self.publicKey = publicKey
        self.number = number
        self.admittedAt = admittedAt
        self.name = name
    }

    /// Whether this client keeps a number or a name that `other` has too: who was admitted first, then the lower key.
    package func precedes(_ other: AttachedClient) -> Bool {
        (admittedAt, publicKey) < (other.admittedAt, other.publicKey)
    }

    /// For the disk; the record holds the same bytes.
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        write(to: &writer)
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        try self.init(from: &reader)
        try reader.finish()
    }

    func write(to writer: inout ByteWriter) {
        writer.append(publicKey)
        writer.append(bigEndian: number)
        writer.append(admittedAt)
        writer.append(text: name.description)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        publicKey = try reader.readBytes32()
        number = try reader.readBigEndianUInt16()
        guard AddressPlan.clientNumbers.contains(number) else { throw .invalidField("client number") }
        admittedAt = try reader.readWallTime()
        name = try reader.readNodeName()
        guard name.description.utf8.count <= Self.nameLimitBytes else { throw .invalidField("client name") }
    }
}

/// Why a WireGuard client cannot be admitted at a node.
package enum ClientError: Error, Equatable, Sendable {
    case notPermitted
    case nameTooLong(NodeName)
    case nameTaken(NodeName)
    case tooMany
    case noAddressLeft
}

extension ClientError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notPermitted: "this node was not permitted to admit WireGuard clients: join with a token that permits it"
        case .nameTooLong(let name): "\(name) is longer than \(AttachedClient.nameLimitBytes) characters"
        case .nameTaken(let name): "a client named \(name) is admitted here already: remove it, or take another name"
        case .tooMany: "a node admits at most \(NodeRecord.clientLimit) clients: admit it at another node"
        case .noAddressLeft: "all client addresses of the mesh are taken: remove clients that are gone"
        }
    }
}
