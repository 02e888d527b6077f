import Wire

/// Whether a NAT gives all destinations the same outside endpoint (RFC 4787 §4.1), in RFC 3489's words: all that a punch must know.
package enum NATKind: UInt8, CaseIterable, Sendable {
    case unknown = 0
    /// Packets leave with the host's own address.
    case none
    /// One outside endpoint for all destinations.
    case cone
    /// Another outside port for every destination.
    case symmetric
}

/// How a NAT chooses the outside ports of new mappings, as far as samples of them show.
package enum PortAllocation: Equatable, Sendable {
    /// Nothing is known, or anything from 1024 up was seen.
    case any
    /// Ports of one subscriber lie in a block (RFC 7422 §2).
    case block(ClosedRange<UInt16>)
    /// The next mapping gets a port a little beyond the last one's.
    case sequential(last: UInt16, stride: Int8)

    /// Blocks that are larger are no help.
    static let blockLimit = 4096

    /// What samples of a NAT's ports tell of the next ones; `newest`: the port of its last mapping, if it is known.
    package init(_ ports: NATPorts, newest: UInt16?) {
        self = .any
        guard !ports.usesSeveralAddresses else { return }
        switch ports.pattern {
        case .preserved, .random: break
        case .sequential(let steps):
            guard let stride = Int8(exactly: steps), stride != 0 else { return }
            self = .sequential(last: newest ?? (stride > 0 ? ports.highest : ports.lowest), stride: stride)
        case .block(let size):
            guard (1...Self.blockLimit).contains(size) else { return }
            // Wherever the block lies, it has all that was seen in it.
            let range = Self.wholeRange
            let first = max(range.lowerBound, UInt16(clamping: Int(ports.highest) - size + 1))
            let last = min(range.upperBound, UInt16(clamping: Int(ports.lowest) + size - 1))
            if first <= last { self = .block(first...last) }
        }
    }

    /// What any NAT may choose from.
    package static let wholeRange: ClosedRange<UInt16> = 1024...65535

    private enum Tag: UInt8 {
        case any = 0
        case block, sequential
    }

    /// A tag (1) and two fields of 2 bytes: the ends of the block, or the last port and the stride.
    init(from reader: inout ByteReader) throws(WireError) {
        let tag = Tag(rawValue: try reader.readUInt8())
        let first = try reader.readBigEndianUInt16()
        let second = try reader.readBigEndianUInt16()
        switch tag {
        case .any:
            guard first == 0, second == 0 else { throw .invalidField("allocation") }
            self = .any
        case .block:
            guard first > 0, first <= second else { throw .invalidField("block") }
            self = .block(first...second)
        case .sequential:
            guard first > 0, let stride = Int8(exactly: Int16(bitPattern: second)), stride != 0 else {
                throw .invalidField("stride")
            }
            self = .sequential(last: first, stride: stride)
        case nil: throw .invalidField("allocation")
        }
    }

    func write(to writer: inout ByteWriter) {
        switch self {
        case .any:
            writer.append(Tag.any.rawValue)
            writer.append(bigEndian: 0 as UInt16)
            writer.append(bigEndian: 0 as UInt16)
        case .block(let ports):
            writer.append(Tag.block.rawValue)
            writer.append(bigEndian: ports.lowerBound)
            writer.append(bigEndian: ports.upperBound)
        case .sequential(let last, let stride):
            writer.append(Tag.sequential.rawValue)
            writer.append(bigEndian: last)
            writer.append(bigEndian: UInt16(bitPattern: Int16(stride)))
        }
    }
}
