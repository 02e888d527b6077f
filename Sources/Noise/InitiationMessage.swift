package import Wire

/// The first handshake message (WireGuard paper §5.4.2), 148 bytes, integers little-endian.
///
///     type 1 (1) │ reserved 0 (3) │ sender index (4) │ ephemeral (32)
///     sealed static (48) │ sealed timestamp (28) │ mac1 (16) │ mac2 (16)
///
/// The two MACs cover what stands before them; `MACKeys` makes and checks them.
package struct InitiationMessage: Equatable, Sendable {
    package static let type: UInt8 = 1
    package static let size = 148

    package var sender: UInt32
    package var ephemeral: Bytes32
    package var sealedStatic: [UInt8]
    package var sealedTimestamp: [UInt8]

    init(sender: UInt32, ephemeral: Bytes32, sealedStatic: [UInt8], sealedTimestamp: [UInt8]) {
        self.sender = sender
        self.ephemeral = ephemeral
        self.sealedStatic = sealedStatic
        self.sealedTimestamp = sealedTimestamp
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        try reader.readType(Self.type)
        sender = try reader.readLittleEndianUInt32()
        ephemeral = try reader.readBytes32()
        sealedStatic = try reader.readBytes(48)
        sealedTimestamp = try reader.readBytes(28)
        try reader.skip(2 * MACKeys.size)
        try reader.finish()
    }

    /// The message without its MACs.
    var body: [UInt8] {
        var writer = ByteWriter(capacity: Self.size)
        writer.append(littleEndian: UInt32(Self.type))
        writer.append(littleEndian: sender)
        writer.append(ephemeral)
        writer.append(sealedStatic)
        writer.append(sealedTimestamp)
        return writer.bytes
    }
}

extension ByteReader {
    /// Reads a message type and the three reserved zero bytes behind it.
    mutating func readType(_ type: UInt8) throws(WireError) {
        let read = try readLittleEndianUInt32()
        guard read == UInt32(type) else { throw .unexpectedType(UInt8(truncatingIfNeeded: read)) }
    }
}
