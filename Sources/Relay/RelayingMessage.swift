import SansIO
package import Wire

/// What a relay and the ends of its circuits tell each other, beside opening and closing them.
///
/// The first byte is the kind: 1 draining, with the milliseconds until the relay stops (4); 2 released, with the identifier that the
/// receiver chose for the circuit (8); 3 resumed. Big-endian.
package enum RelayingMessage: Equatable, Sendable {
    /// The relay takes no circuits any more and forwards until then: the ends are to find other ways meanwhile.
    case draining(deadline: Duration)
    /// Nothing of the sender's comes along the circuit any more.
    case released(identifier: UInt64)
    /// The relay stays after all.
    case resumed

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        let kind = try reader.readUInt8()
        switch kind {
        case 1: self = .draining(deadline: .milliseconds(Int64(try reader.readBigEndianUInt32())))
        case 2: self = .released(identifier: try reader.readBigEndianUInt64())
        case 3: self = .resumed
        default: throw .unexpectedType(kind)
        }
        try reader.finish()
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 9)
        switch self {
        case .draining(let deadline):
            writer.append(1)
            writer.append(bigEndian: UInt32(clamping: max(0, deadline.nanoseconds / 1_000_000)))
        case .released(let identifier):
            writer.append(2)
            writer.append(bigEndian: identifier)
        case .resumed: writer.append(3)
        }
        return writer.bytes
    }
}
