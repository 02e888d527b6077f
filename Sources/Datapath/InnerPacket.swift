package import Wire

/// What the packet path needs to know of an IPv4 or IPv6 packet: its addresses and its length.
///
/// Only the fixed header counts: IPv6 extension headers do not change who claims to have sent the packet.
package struct InnerPacket {
    package let source: IPAddress
    package let destination: IPAddress
    /// Length by the header; bytes behind it are padding.
    package let length: Int

    package static let minimumIPv4Header = 20
    package static let ipv6Header = 40

    package var isIPv4: Bool { source.isIPv4 }

    /// `nil` when the bytes are no IP packet, or not all of one.
    package init?(_ bytes: PacketBytes) {
        guard bytes.count >= Self.minimumIPv4Header else { return nil }
        switch bytes[0] >> 4 {
        case 4:
            let header = Int(bytes[0] & 15) &* 4
            let length = Int(bytes.uint16(at: 2))
            guard header >= Self.minimumIPv4Header, header <= length, length <= bytes.count else { return nil }
            self.length = length
            source = .v4(IPv4Address(rawValue: bytes.uint32(at: 12)))
            destination = .v4(IPv4Address(rawValue: bytes.uint32(at: 16)))
        case 6:
            guard bytes.count >= Self.ipv6Header else { return nil }
            let length = Self.ipv6Header &+ Int(bytes.uint16(at: 4))
            guard length <= bytes.count else { return nil }
            self.length = length
            source = .v6(IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)))
            destination = .v6(IPv6Address(high: bytes.uint64(at: 24), low: bytes.uint64(at: 32)))
        default:
            return nil
        }
    }
}

/// Transport protocols that are cut and merged.
enum Transport {
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
    static let icmp: UInt8 = 1
    static let icmpv6: UInt8 = 58

    /// Bits of the TCP flags byte (RFC 9293 §3.1).
    static let finishFlag: UInt8 = 0x01
    static let pushFlag: UInt8 = 0x08
    static let acknowledgeFlag: UInt8 = 0x10
    /// CWR, which only the first packet of a burst carries (RFC 3168 §6.1.2).
    static let congestionWindowReducedFlag: UInt8 = 0x80
}
