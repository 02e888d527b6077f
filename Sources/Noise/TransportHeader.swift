package import Wire

/// The 16 bytes before each sealed packet (WireGuard paper §5.4.6), integers little-endian.
///
///     type 4 (1) │ reserved 0 (3) │ receiver index (4) │ counter (8)
package struct TransportHeader: Equatable, Sendable {
    package static let type: UInt8 = 4
    package static let size = 16
    /// A message of this size is a keepalive: the header and the tag of an empty packet.
    package static let keepaliveSize = 32

    package var receiver: UInt32
    package var counter: UInt64

    init(receiver: UInt32, counter: UInt64) {
        self.receiver = receiver
        self.counter = counter
    }

    /// Reads the header of a whole message; one too short to hold a tag is refused.
    package init(parsing message: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(message)
        try reader.readType(Self.type)
        receiver = try reader.readLittleEndianUInt32()
        counter = try reader.readLittleEndianUInt64()
        guard message.count >= Self.keepaliveSize else { throw .truncated }
    }

    var bytes: [UInt8] {
        var writer = ByteWriter(capacity: Self.size)
        writer.append(littleEndian: UInt32(Self.type))
        writer.append(littleEndian: receiver)
        writer.append(littleEndian: counter)
        return writer.bytes
    }
}
