/// One step of a rule. Values pass through register 1; a translation to a block takes its bounds from registers 1 and 2.
///
/// The forms are those that the `nft` program writes, so that it lists our rules as one would type them.
enum Expression: Hashable, Sendable {
    enum Direction: Hashable, Sendable {
        case source
        case destination
    }

    enum Verdict: Hashable, Sendable {
        case accept
        case drop
        case jump(String)
    }

    case inputInterface
    case outputInterface
    /// IPv4 or IPv6, one byte.
    case networkProtocol
    case transportProtocol
    case networkHeader(offset: UInt32, count: UInt32)
    case transportHeader(offset: UInt32, count: UInt32)
    /// The destination that the connection's first packet was sent to, before any translation.
    case originalDestination(isIPv4: Bool)
    case connectionState
    /// What the destination is to this host (`RTN_*`), four bytes in the machine's order.
    case destinationType
    case mask([UInt8])
    case equals([UInt8])
    case differs([UInt8])
    /// Replaces the key by its value in a map; a key that is not there ends the rule.
    case map(name: String, id: UInt32)
    case load(register: UInt32, [UInt8])
    /// Translates to the address in register 1, or one to one into the block between registers 1 and 2.
    case translate(Direction, isIPv4: Bool, intoBlock: Bool)
    /// The largest TCP segment that the route and the route back take, in network order.
    case routeSegmentSize
    /// Lowers the segment size that a SYN announces (TCP option 2).
    case writeSegmentSize
    case counter
    case verdict(Verdict)
}
