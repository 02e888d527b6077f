import Identity
import Wire

/// How an operator's question travels: why is your path to this node as it is?
///
/// Encoded, big-endian: kind (1), token (8), then for a question the node's identifier (32), for an answer the explanation,
/// which is empty when the asked node does not know the other.
enum InquiryMessage: Equatable {
    case question(token: UInt64, about: NodeID)
    case answer(token: UInt64, Explanation?)

    var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .question(let token, let node):
            writer.append(1 as UInt8)
            writer.append(bigEndian: token)
            writer.append(node.bytes)
        case .answer(let token, let explanation):
            writer.append(2 as UInt8)
            writer.append(bigEndian: token)
            writer.append(explanation?.encoded ?? [])
        }
        return writer.bytes
    }

    init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        let kind = try reader.readUInt8()
        let token = try reader.readBigEndianUInt64()
        switch kind {
        case 1:
            self = .question(token: token, about: NodeID(try reader.readBytes32()))
            try reader.finish()
        case 2:
            let rest = reader.readRemaining()
            self = .answer(token: token, rest.isEmpty ? nil : try Explanation(parsing: rest))
        default: throw .unexpectedType(kind)
        }
    }
}
