package import Wire

/// What a PCP server says to a request (RFC 6887 §7.4).
package enum PCPResult: UInt8, Sendable {
    case success = 0
    case unsupportedVersion = 1
    case notAuthorized = 2
    case malformedRequest = 3
    case unsupportedOpcode = 4
    case unsupportedOption = 5
    case malformedOption = 6
    case networkFailure = 7
    case noResources = 8
    case unsupportedProtocol = 9
    case quotaExceeded = 10
    case cannotProvideExternal = 11
    case addressMismatch = 12
    case excessiveRemotePeers = 13
}

/// Constants and fields that PCP messages share.
enum PCP {
    static let version: UInt8 = 2
    static let announceOpcode: UInt8 = 0
    static let mapOpcode: UInt8 = 1
    static let responseBit: UInt8 = 0x80
    /// UDP by its IP protocol number.
    static let udp: UInt8 = 17
    static let nonceByteCount = 12
    /// No PCP message is longer (RFC 6887 §7).
    static let messageLimitBytes = 1100
}

/// A request to make, renew or (with lifetime 0) delete the mapping of a UDP port (RFC 6887 §7.1, §11.1). Big-endian:
/// version (1), opcode (1), reserved (2), lifetime in seconds (4), client address (16), nonce (12), protocol (1),
/// reserved (3), internal port (2), suggested external port (2), suggested external address (16).
package struct PCPMapRequest: Equatable, Sendable {
    /// 12 bytes that only this client and its server know; the server answers with the same.
    package var nonce: [UInt8]
    package var client: IPAddress
    package var internalPort: UInt16
    package var suggestedPort: UInt16
    /// `nil`: any.
    package var suggestedAddress: IPAddress?
    package var lifetimeSeconds: UInt32

    package init(
        nonce: [UInt8], client: IPAddress, internalPort: UInt16, suggestedPort: UInt16, suggestedAddress: IPAddress?,
        lifetimeSeconds: UInt32
    ) {
        precondition(nonce.count == PCP.nonceByteCount)
        self.nonce = nonce
        self.client = client
        self.internalPort = internalPort
        self.suggestedPort = suggestedPort
        self.suggestedAddress = suggestedAddress
        self.lifetimeSeconds = lifetimeSeconds
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        guard bytes.count <= PCP.messageLimitBytes else { throw .invalidField("length") }
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == PCP.version else { throw .unsupportedVersion(version) }
        let opcode = try reader.readUInt8()
        guard opcode == PCP.mapOpcode else { throw .unexpectedType(opcode) }
        try reader.skip(2)
        lifetimeSeconds = try reader.readBigEndianUInt32()
        client = try reader.readMappedAddress()
        nonce = try reader.readBytes(PCP.nonceByteCount)
        guard try reader.readUInt8() == PCP.udp else { throw .invalidField("protocol") }
        try reader.skip(3)
        internalPort = try reader.readBigEndianUInt16()
        suggestedPort = try reader.readBigEndianUInt16()
        let suggested = try reader.readMappedAddress()
        suggestedAddress = suggested.isUnspecified ? nil : suggested
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 60)
        writer.append(PCP.version)
        writer.append(PCP.mapOpcode)
        writer.append(bigEndian: 0 as UInt16)
        writer.append(bigEndian: lifetimeSeconds)
        writer.append(mapped: client)
        writer.append(nonce)
        writer.append(PCP.udp)
        writer.append([0, 0, 0])
        writer.append(bigEndian: internalPort)
        writer.append(bigEndian: suggestedPort)
        writer.append(mapped: suggestedAddress ?? (client.isIPv4 ? .v4(.any) : .v6(.any)))
        return writer.bytes
    }
}

/// What a PCP server sends: an answer to a MAP request, or an announcement (RFC 6887 §7.2, §11.1, §14.1). Big-endian:
/// version (1), opcode with its top bit set (1), reserved (1), result (1), lifetime in seconds (4), epoch in seconds (4),
/// reserved (12); for MAP then nonce (12), protocol (1), reserved (3), internal port (2), external port (2), external
/// address (16). Options, which answer options that we do not send, are passed over.
package struct PCPResponse: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// The server tells its epoch, as it does when it has started anew.
        case announcement
        case map(nonce: [UInt8], internalPort: UInt16, external: Endpoint)
    }

    package var result: PCPResult
    /// Of the mapping or, in a refusal, for how long it is of no use to ask again.
    package var lifetimeSeconds: UInt32
    package var epochSeconds: UInt32
    package var content: Content

    package init(result: PCPResult, lifetimeSeconds: UInt32, epochSeconds: UInt32, content: Content) {
        self.result = result
        self.lifetimeSeconds = lifetimeSeconds
        self.epochSeconds = epochSeconds
        self.content = content
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        guard bytes.count <= PCP.messageLimitBytes, bytes.count.isMultiple(of: 4) else {
            throw .invalidField("length")
        }
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == PCP.version else { throw .unsupportedVersion(version) }
        let opcode = try reader.readUInt8()
        guard opcode & PCP.responseBit != 0 else { throw .unexpectedType(opcode) }
        try reader.skip(1)
        guard let result = PCPResult(rawValue: try reader.readUInt8()) else { throw .invalidField("result") }
        self.result = result
        lifetimeSeconds = try reader.readBigEndianUInt32()
        epochSeconds = try reader.readBigEndianUInt32()
        try reader.skip(12)
        switch opcode & ~PCP.responseBit {
        case PCP.announceOpcode: content = .announcement
        case PCP.mapOpcode:
            let nonce = try reader.readBytes(PCP.nonceByteCount)
            guard try reader.readUInt8() == PCP.udp else { throw .invalidField("protocol") }
            try reader.skip(3)
            let internalPort = try reader.readBigEndianUInt16()
            let externalPort = try reader.readBigEndianUInt16()
            let external = Endpoint(try reader.readMappedAddress(), port: externalPort)
            content = .map(nonce: nonce, internalPort: internalPort, external: external)
        default: throw .unexpectedType(opcode)
        }
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 60)
        writer.append(PCP.version)
        let opcode = if case .announcement = content { PCP.announceOpcode } else { PCP.mapOpcode }
        writer.append(opcode | PCP.responseBit)
        writer.append(0 as UInt8)
        writer.append(result.rawValue)
        writer.append(bigEndian: lifetimeSeconds)
        writer.append(bigEndian: epochSeconds)
        writer.append([UInt8](repeating: 0, count: 12))
        if case .map(let nonce, let internalPort, let external) = content {
            writer.append(nonce)
            writer.append(PCP.udp)
            writer.append([0, 0, 0])
            writer.append(bigEndian: internalPort)
            writer.append(bigEndian: external.port)
            writer.append(mapped: external.address)
        }
        return writer.bytes
    }
}

extension ByteReader {
    /// Sixteen bytes; an IPv4 address is in its IPv4-mapped form (RFC 6887 §5).
    fileprivate mutating func readMappedAddress() throws(WireError) -> IPAddress {
        guard let address = IPAddress(bytes: try readBytes(16)) else { throw .invalidField("address") }
        return address.unmapped
    }
}

extension ByteWriter {
    fileprivate mutating func append(mapped address: IPAddress) {
        switch address {
        case .v4(let address):
            append([UInt8](repeating: 0, count: 10) + [0xff, 0xff])
            append(address.bytes)
        case .v6(let address): append(address.bytes)
        }
    }
}

extension IPAddress {
    /// 0.0.0.0 or ::, which stand for no address at all.
    var isUnspecified: Bool { self == .v4(.any) || self == .v6(.any) }
}
