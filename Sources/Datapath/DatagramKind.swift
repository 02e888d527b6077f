import Noise
import Traversal

/// What a datagram is that holds no data, by its length and first bytes alone: what is none of these is nobody's.
enum DatagramKind: Equatable {
    /// A handshake initiation; `hasCookie`: its mac2 is not empty. `Tables.judged` tells whether that is of a cookie of ours.
    case initiation(hasCookie: Bool)
    /// A handshake response or a cookie reply: the answer to a message of ours, if it is genuine.
    case answer
    /// STUN (RFC 8489 §5, and RFC 3489), which has no number that tells it from other things except its length.
    case stun

    /// Who sent it, as far as such bytes tell; `isKnown`: it came from where a peer is.
    func sender(isKnown: Bool) -> Upcall.Sender {
        if isKnown { return .peer }
        return self == .initiation(hasCookie: false) ? .stranger : .newcomer
    }

    private static let macSize = 16
    private static let stunHeader = 20

    init?(_ datagram: PacketBytes) {
        guard datagram.count >= 4 else { return nil }
        // Type and three zero bytes, little-endian.
        switch (datagram.uint32(at: 0), datagram.count) {
        case (UInt32(InitiationMessage.type) << 24, InitiationMessage.size):
            let mac2 = datagram.from(datagram.count &- Self.macSize)
            self = .initiation(hasCookie: mac2.uint64(at: 0) | mac2.uint64(at: 8) != 0)
        case (UInt32(ResponseMessage.type) << 24, ResponseMessage.size),
            (UInt32(CookieReplyMessage.type) << 24, CookieReplyMessage.size):
            self = .answer
        case (_, Self.stunHeader...) where Self.isSTUN(datagram): self = .stun
        default: return nil
        }
    }

    /// The type is Binding's in one of the four classes; then comes the length of what follows the header.
    private static func isSTUN(_ datagram: PacketBytes) -> Bool {
        datagram.uint16(at: 0) & ~0x0110 == 0x0001 && datagram.count.isMultiple(of: 4)
            && Int(datagram.uint16(at: 2)) == datagram.count &- stunHeader
    }
}
