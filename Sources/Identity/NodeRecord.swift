import Crypto
package import Wire

/// What a node says of itself to the whole mesh: who it is, where it may be reached, and who is attached to it.
///
/// Body, big-endian: version 1 (1), number (8), wall time (8), abilities (1), chain (2 + n), candidates (1 + n × 7 or 19),
/// clients (1 + n × …), stream port (2), relays (1 + n × 8). Then the signature (64) by the certificate's signing key. At most 4 KiB.
package struct NodeRecord: Equatable, Sendable, Signed {
    package struct Abilities: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Is willing and able to relay; counts only with the right to.
        package static let relay = Abilities(rawValue: 1)
        /// Takes packets from strangers at one of its candidates.
        package static let reachable = Abilities(rawValue: 2)
        /// Its processor computes AES fast.
        package static let fastAES = Abilities(rawValue: 4)
        /// As `relay`, for those on a network that the node is on too.
        package static let localRelay = Abilities(rawValue: 8)
    }

    static let purpose = SignaturePurpose.record
    package static let sizeLimitBytes = 4096
    package static let candidateLimit = 16
    package static let clientLimit = 32
    package static let relayLimit = 4

    /// Of two records of one node the one with the higher number counts.
    package var number: UInt64
    /// The node's clock when it signed; only to warn of wrong clocks.
    package var wallTime: WallTime
    package var abilities: Abilities
    package var chain: CertificateChain
    /// Where it may be reached, best first. Without link-local addresses, which mean nothing elsewhere.
    package var candidates: [Endpoint]
    package var clients: [AttachedClient]
    /// TCP port on which the node takes TLS streams at the addresses of its candidates; 0: it takes none.
    package var streamPort: UInt16
    /// The first eight bytes of the identifiers of relays that the node keeps a tunnel with, best first.
    package var relays: [UInt64]
    package var signature: [UInt8] = []

    package var nodeID: NodeID { chain.nodeID }
    package var name: NodeName { chain.certificate.name }
    package var tunnelKey: Bytes32 { chain.certificate.tunnelKey }
    package var canRelay: Bool { abilities.contains(.relay) && chain.certificate.rights.contains(.relay) }
    package var canRelayLocally: Bool { abilities.contains(.localRelay) && chain.certificate.rights.contains(.relay) }

    /// Every prefix that comes from this node: its own, announced ones, and its clients'.
    package func prefixes(in plan: AddressPlan) -> [IPPrefix] {
        chain.certificate.prefixes(in: plan) + clients.flatMap { plan.prefixes(ofClient: $0.number) }
    }

    package var encoded: [UInt8] { body + signature }

    var body: [UInt8] {
        var writer = ByteWriter(capacity: 1024)
        writer.append(1 as UInt8)
        writer.append(bigEndian: number)
        writer.append(wallTime)
        writer.append(abilities.rawValue)
        writer.append(lengthPrefixed: chain.encoded)
        writer.append(UInt8(candidates.count))
        for endpoint in candidates { writer.append(endpoint) }
        writer.append(UInt8(clients.count))
        for client in clients { client.write(to: &writer) }
        writer.append(bigEndian: streamPort)
        writer.append(UInt8(relays.count))
        for relay in relays { writer.append(bigEndian: relay) }
        return writer.bytes
    }

    /// Whether this record takes the place of `other`, of the same node. Equal numbers, which an honest node never
    /// makes, are settled by their bytes, so that all keep the same one.
    package func supersedes(_ other: NodeRecord) -> Bool {
        if number != other.number { return number > other.number }
        return other.encoded.lexicographicallyPrecedes(encoded)
    }
}

extension NodeRecord {
    /// Signs a record of this node. Candidates, clients and relays beyond the limits, and link-local addresses, are left out.
    init(
        of identity: NodeIdentity, number: UInt64, wallTime: WallTime, abilities: Abilities, candidates: [Endpoint],
        clients: [AttachedClient], streamPort: UInt16, relays: [UInt64]
    ) {
        self.number = number
        self.wallTime = wallTime
        self.abilities = abilities
        chain = identity.chain
        self.candidates = Array(candidates.filter { $0.scope == 0 }.prefix(Self.candidateLimit))
        self.clients = Array(clients.prefix(Self.clientLimit))
        self.streamPort = streamPort
        self.relays = Array(relays.prefix(Self.relayLimit))
        while body.count + Ed25519.signatureSize > Self.sizeLimitBytes, !self.clients.isEmpty {
            self.clients.removeLast()
        }
        self = signed(with: identity.signingKey, in: identity.mesh.id)
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.sizeLimitBytes else { throw .invalidField("record length") }
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        number = try reader.readBigEndianUInt64()
        wallTime = try reader.readWallTime()
        abilities = Abilities(rawValue: try reader.readUInt8())
        chain = try CertificateChain(parsing: try reader.readLengthPrefixedBytes())
        let candidateCount = Int(try reader.readUInt8())
        guard candidateCount <= Self.candidateLimit else { throw .invalidField("candidate count") }
        candidates = []
        for _ in 0..<candidateCount { candidates.append(try reader.readEndpoint()) }
        let clientCount = Int(try reader.readUInt8())
        guard clientCount <= Self.clientLimit else { throw .invalidField("client count") }
        clients = []
        for _ in 0..<clientCount { clients.append(try AttachedClient(from: &reader)) }
        streamPort = try reader.readBigEndianUInt16()
        let relayCount = Int(try reader.readUInt8())
        guard relayCount <= Self.relayLimit else { throw .invalidField("relay count") }
        relays = []
        for _ in 0..<relayCount { relays.append(try reader.readBigEndianUInt64()) }
        signature = try reader.readSignature()
        try reader.finish()
    }

    /// Checks the signature and, unless it is the chain that is known already, the chain.
    func verify(
        in mesh: MeshDescription, known: CertificateChain? = nil, using check: SignatureCheck = .direct
    ) throws(RecordError) {
        guard isSigned(by: chain.certificate.signingKey, in: mesh.id, using: check) else { throw .badSignature }
        guard clients.isEmpty || chain.certificate.rights.contains(.attachClients) else { throw .clientsNotPermitted }
        guard chain != known else { return }
        do {
            try chain.verify(in: mesh, using: check)
        } catch {
            throw .chain(error)
        }
    }
}

/// Why a well-formed record is not believed.
package enum RecordError: Error, Equatable, Sendable {
    case badSignature
    case clientsNotPermitted
    case chain(ChainError)
}

extension RecordError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .badSignature: "the signature of the node's record is not valid"
        case .clientsNotPermitted: "the node was not permitted to admit WireGuard clients"
        case .chain(let error): "its certificate is not valid: \(error)"
        }
    }
}
