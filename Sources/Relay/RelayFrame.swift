package import Wire

/// The 12 bytes before a tunnel message that goes through a relay: `K`, kind 1, two zero bytes, then the circuit
/// identifier, big-endian, as the receiver of the frame chose it.
package enum RelayFrame {
    package static let magic: UInt8 = 0x4b
    package static let dataKind: UInt8 = 1
    package static let headerSize = 12

    package static func header(circuit: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: headerSize)
        writer.append([magic, dataKind, 0, 0])
        writer.append(bigEndian: circuit)
        return writer.bytes
    }

    /// The circuit that a datagram is for; throws unless it is a relay frame.
    package static func circuit(of datagram: Span<UInt8>) throws(WireError) -> UInt64 {
        var reader = ByteReader(datagram)
        let magic = try reader.readUInt8()
        guard magic == Self.magic else { throw .unexpectedType(magic) }
        let kind = try reader.readUInt8()
        guard kind == Self.dataKind else { throw .unexpectedType(kind) }
        guard try reader.readBigEndianUInt16() == 0 else { throw .invalidField("reserved") }
        return try reader.readBigEndianUInt64()
    }
}
