package import Wire

/// What a NAT-PMP gateway says to a request (RFC 6886 §3.5).
package enum NATPMPResult: UInt16, Sendable {
    case success = 0
    case unsupportedVersion = 1
    case notAuthorized = 2
    case networkFailure = 3
    case noResources = 4
    case unsupportedOpcode = 5
}

/// Constants of NAT-PMP; PCP shares its ports.
enum NATPMP {
    static let version: UInt8 = 0
    /// Where gateways are asked.
    static let serverPort: UInt16 = 5351
    static let externalAddressOpcode: UInt8 = 0
    static let mapUDPOpcode: UInt8 = 1
    static let responseBit: UInt8 = 0x80
}

/// What a gateway is asked by NAT-PMP (RFC 6886 §3.2, §3.3), big-endian.
package enum NATPMPRequest: Equatable, Sendable {
    /// Version (1), opcode 0 (1).
    case externalAddress
    /// Version (1), opcode 1 (1), reserved (2), internal port (2), suggested external port (2), lifetime in seconds (4).
    /// Lifetime 0 deletes.
    case mapUDP(internalPort: UInt16, suggestedPort: UInt16, lifetimeSeconds: UInt32)

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == NATPMP.version else { throw .unsupportedVersion(version) }
        let opcode = try reader.readUInt8()
        switch opcode {
        case NATPMP.externalAddressOpcode: self = .externalAddress
        case NATPMP.mapUDPOpcode:
            try reader.skip(2)
            let internalPort = try reader.readBigEndianUInt16()
            let suggestedPort = try reader.readBigEndianUInt16()
            self = .mapUDP(
                internalPort: internalPort, suggestedPort: suggestedPort,
                lifetimeSeconds: try reader.readBigEndianUInt32())
        default: throw .unexpectedType(opcode)
        }
        try reader.finish()
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 12)
        writer.append(NATPMP.version)
        switch self {
        case .externalAddress: writer.append(NATPMP.externalAddressOpcode)
        case .mapUDP(let internalPort, let suggestedPort, let lifetimeSeconds):
            writer.append(NATPMP.mapUDPOpcode)
            writer.append(bigEndian: 0 as UInt16)
            writer.append(bigEndian: internalPort)
            writer.append(bigEndian: suggestedPort)
            writer.append(bigEndian: lifetimeSeconds)
        }
        return writer.bytes
    }
}

/// What a gateway answers by NAT-PMP, or announces unasked (RFC 6886 §3.2, §3.3, §3.2.1). Big-endian: version (1), opcode with
/// its top bit set (1), result (2), epoch in seconds (4), then on success what was asked for. A refusal may end there.
package struct NATPMPResponse: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// External address (4).
        case externalAddress(IPv4Address)
        /// Internal port (2), external port (2), lifetime in seconds (4).
        case mapUDP(internalPort: UInt16, externalPort: UInt16, lifetimeSeconds: UInt32)
        /// A refusal of a request of this opcode, which may be one that only PCP has.
        case refusal(NATPMPResult, opcode: UInt8)
    }

    package var epochSeconds: UInt32
    package var content: Content

    package init(epochSeconds: UInt32, content: Content) {
        self.epochSeconds = epochSeconds
        self.content = content
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        guard bytes.count <= PCP.messageLimitBytes else { throw .invalidField("length") }
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == NATPMP.version else { throw .unsupportedVersion(version) }
        let opcode = try reader.readUInt8()
        guard opcode & NATPMP.responseBit != 0 else { throw .unexpectedType(opcode) }
        guard let result = NATPMPResult(rawValue: try reader.readBigEndianUInt16()) else {
            throw .invalidField("result")
        }
        epochSeconds = try reader.readBigEndianUInt32()
        let asked = opcode & ~NATPMP.responseBit
        guard result == .success else {
            content = .refusal(result, opcode: asked)
            return
        }
        switch asked {
        case NATPMP.externalAddressOpcode:
            content = .externalAddress(IPv4Address(rawValue: try reader.readBigEndianUInt32()))
        case NATPMP.mapUDPOpcode:
            let internalPort = try reader.readBigEndianUInt16()
            let externalPort = try reader.readBigEndianUInt16()
            content = .mapUDP(
                internalPort: internalPort, externalPort: externalPort,
                lifetimeSeconds: try reader.readBigEndianUInt32())
        default: throw .unexpectedType(opcode)
        }
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.append(NATPMP.version)
        switch content {
        case .externalAddress(let address):
            append(opcode: NATPMP.externalAddressOpcode, .success, to: &writer)
            writer.append(bigEndian: address.rawValue)
        case .mapUDP(let internalPort, let externalPort, let lifetimeSeconds):
            append(opcode: NATPMP.mapUDPOpcode, .success, to: &writer)
            writer.append(bigEndian: internalPort)
            writer.append(bigEndian: externalPort)
            writer.append(bigEndian: lifetimeSeconds)
        case .refusal(let result, let opcode): append(opcode: opcode, result, to: &writer)
        }
        return writer.bytes
    }

    private func append(opcode: UInt8, _ result: NATPMPResult, to writer: inout ByteWriter) {
        writer.append(opcode | NATPMP.responseBit)
        writer.append(bigEndian: result.rawValue)
        writer.append(bigEndian: epochSeconds)
    }
}
