package import Crypto
package import Wire

/// All that a host needs to join a mesh while whoever invited it is unreachable. Whoever holds it can join: a secret.
///
/// Text: "kubemesh1_", then base64url (RFC 4648 §5) of: count of the bytes between this and the checksum (2), root
/// public key (32), mesh secret (32), invite's private key (32), delegate's certificate (2 + n; zero if there is none),
/// invite (2 + n), count of nodes (1), nodes; checksum, the first four bytes of the BLAKE2s hash of everything before.
/// A node: name (1 + n), tunnel key (32), stream port (2), count of endpoints (1), endpoints (7 or 19).
package struct JoinToken: Sendable {
    /// A node to dial first.
    package struct Bootstrap: Equatable, Sendable {
        package var name: NodeName
        package var tunnelKey: Bytes32
        /// May be empty: such a node is found on the LAN.
        package var endpoints: [Endpoint]
        /// TCP port on which the node takes TLS streams at these addresses; 0: it takes none.
        package var streamPort: UInt16

        package init(name: NodeName, tunnelKey: Bytes32, endpoints: [Endpoint], streamPort: UInt16 = 0) {
            self.name = name
            self.tunnelKey = tunnelKey
            self.endpoints = endpoints
            self.streamPort = streamPort
        }
    }

    package static let bootstrapLimit = 8
    package static let endpointLimit = 8
    private static let prefix = "kubemesh1_"
    private static let checksumBytes = 4

    package let mesh: MeshDescription
    package let meshSecret: Secret
    package let inviteKey: SigningKey
    package let delegate: Certificate?
    package let invite: Invite
    package let bootstrap: [Bootstrap]

    /// Nodes and endpoints beyond the limits are left out.
    package init(
        mesh: MeshDescription, meshSecret: Secret, inviteKey: SigningKey, delegate: Certificate?, invite: Invite,
        bootstrap: [Bootstrap]
    ) {
        self.mesh = mesh
        self.meshSecret = meshSecret
        self.inviteKey = inviteKey
        self.delegate = delegate
        self.invite = invite
        self.bootstrap = bootstrap.prefix(Self.bootstrapLimit).map { node in
            Bootstrap(
                name: node.name, tunnelKey: node.tunnelKey, endpoints: Array(node.endpoints.prefix(Self.endpointLimit)),
                streamPort: node.streamPort)
        }
    }

    /// The token as people pass it on.
    package var text: String {
        var payload = ByteWriter(capacity: 512)
        payload.append(mesh.rootPublicKey)
        payload.append(meshSecret.bytes)
        payload.append(inviteKey.secret.bytes)
        payload.append(lengthPrefixed: delegate?.encoded ?? [])
        payload.append(lengthPrefixed: invite.encoded)
        payload.append(UInt8(bootstrap.count))
        for node in bootstrap {
            payload.append(text: node.name.description)
            payload.append(node.tunnelKey)
            payload.append(bigEndian: node.streamPort)
            payload.append(UInt8(node.endpoints.count))
            for endpoint in node.endpoints { payload.append(endpoint) }
        }
        var writer = ByteWriter(capacity: payload.count + 6)
        writer.append(lengthPrefixed: payload.bytes)
        writer.append(Self.checksum(of: writer.bytes))
        return Self.prefix + writer.bytes.base64URL
    }

    private static func checksum(of bytes: [UInt8]) -> [UInt8] {
        Array(BLAKE2s.hash(Array("kubemesh token 1".utf8), bytes).bytes.prefix(checksumBytes))
    }
}

// MARK: reading

extension JoinToken {
    /// Reads what somebody pasted; white space that a terminal put in is ignored. Limits such as its expiry are checked
    /// when it is used.
    package init(_ text: String) throws(TokenError) {
        let payload = try Self.payload(of: String(text.filter { !$0.isWhitespace }))
        do {
            try self.init(payload: payload)
        } catch {
            throw .garbled
        }
    }

    /// The bytes that the checksum covers, without their count.
    private static func payload(of text: String) throws(TokenError) -> [UInt8] {
        guard text.hasPrefix(prefix) else { throw refusal(ofStart: text) }
        let encoded = text.dropFirst(prefix.count)
        guard encoded.utf8.allSatisfy(isBase64URL) else { throw .garbled }
        // Whole groups of four characters decode for certain, and tell how much there should be.
        let start = [UInt8](base64URL: encoded.prefix(encoded.count / 4 * 4)) ?? []
        guard start.count >= 2 else { throw .truncated }
        let total = 2 + (Int(start[0]) << 8 | Int(start[1])) + checksumBytes
        guard encoded.utf8.count * 6 / 8 >= total else { throw .truncated }
        guard let bytes = [UInt8](base64URL: encoded), bytes.count == total else { throw .garbled }
        let covered = Array(bytes.dropLast(checksumBytes))
        guard checksum(of: covered) == Array(bytes.suffix(checksumBytes)) else { throw .altered }
        return Array(covered.dropFirst(2))
    }

    /// Why a text that does not begin as ours is none.
    private static func refusal(ofStart text: String) -> TokenError {
        if !text.isEmpty, prefix.hasPrefix(text) { return .truncated }
        let version = text.prefix { $0 != "_" }
        guard version.hasPrefix("kubemesh"), version.count < text.count else { return .notAToken }
        let digits = version.dropFirst("kubemesh".count)
        guard !digits.isEmpty, digits.allSatisfy(\.isNumber) else { return .notAToken }
        return .foreignVersion(String(version))
    }

    private static func isBase64URL(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private init(payload: [UInt8]) throws {
        var reader = ByteReader(payload.span)
        let rootPublicKey = try reader.readBytes32()
        meshSecret = Secret(try reader.readBytes(MeshSecrets.sizeBytes))
        inviteKey = try SigningKey(secret: Secret(try reader.readBytes(32)))
        let delegate = try reader.readLengthPrefixedBytes()
        self.delegate = delegate.isEmpty ? nil : try Certificate(parsing: delegate)
        invite = try Invite(parsing: try reader.readLengthPrefixedBytes())
        guard let mesh = MeshDescription(rootPublicKey: rootPublicKey, ipv4Range: invite.ipv4Range) else {
            throw WireError.invalidField("range")
        }
        self.mesh = mesh
        let count = Int(try reader.readUInt8())
        guard count <= Self.bootstrapLimit else { throw WireError.invalidField("node count") }
        bootstrap = try (0..<count).map { _ in try Bootstrap(from: &reader) }
        try reader.finish()
    }
}

extension JoinToken.Bootstrap {
    fileprivate init(from reader: inout ByteReader) throws(WireError) {
        name = try reader.readNodeName()
        tunnelKey = try reader.readBytes32()
        streamPort = try reader.readBigEndianUInt16()
        let count = Int(try reader.readUInt8())
        guard count <= JoinToken.endpointLimit else { throw .invalidField("endpoint count") }
        endpoints = []
        for _ in 0..<count { endpoints.append(try reader.readEndpoint()) }
    }
}

/// Why a text is no token that can be used.
package enum TokenError: Error, Equatable, Sendable {
    case notAToken
    case truncated
    case garbled
    /// All there, but not as it was made.
    case altered
    case foreignVersion(String)
}

extension TokenError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAToken: "this is no join token: one begins with kubemesh1_ and comes from `meshctl invite`"
        case .truncated: "the token is cut off: copy all of it, to the last character"
        case .garbled: "the token is garbled: copy it again"
        case .altered: "the token's checksum does not match: a character was changed; copy it again"
        case .foreignVersion(let version):
            "the token is of version \(version), this release reads kubemesh1: install the release that made it"
        }
    }
}
