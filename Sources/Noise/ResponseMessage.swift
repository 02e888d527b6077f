package import Wire

/// The second handshake message (WireGuard paper §5.4.3), 92 bytes, integers little-endian.
///
///     type 2 (1) │ reserved 0 (3) │ sender index (4) │ receiver index (4) │ ephemeral (32)
///     sealed nothing (16) │ mac1 (16) │ mac2 (16)
package struct ResponseMessage: Equatable, Sendable {
    package static let type: UInt8 = 2
    package static let size = 92

    package var sender: UInt32
    package var receiver: UInt32
    package var ephemeral: Bytes32
    package var sealedNothing: [UInt8]

    init(sender: UInt32, receiver: UInt32, ephemeral: Bytes32, sealedNothing: [UInt8]) {
        self.sender = sender
        self.receiver = receiver
        self.ephemeral = ephemeral
        self.sealedNothing = sealedNothing
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        try reader.readType(Self.type)
        sender = try reader.readLittleEndianUInt32()
        receiver = try reader.readLittleEndianUInt32()
        ephemeral = try reader.readBytes32()
        sealedNothing = try reader.readBytes(16)
        try reader.skip(2 * MACKeys.size)
        try reader.finish()
    }

    /// The message without its MACs.
    var body: [UInt8] {
        var writer = ByteWriter(capacity: Self.size)
        writer.append(littleEndian: UInt32(Self.type))
        writer.append(littleEndian: sender)
        writer.append(littleEndian: receiver)
        writer.append(ephemeral)
        writer.append(sealedNothing)
        return writer.bytes
    }
}
