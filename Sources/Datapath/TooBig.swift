/// The answer to a packet that is larger than its path takes, as a router gives it: ICMP "fragmentation needed"
/// (RFC 792, RFC 1191 §4) or ICMPv6 "packet too big" (RFC 4443 §3.2).
///
/// It comes from the packet's own destination, which is routed to the TUN, so reverse-path filters let it pass.
enum TooBig {
    static let repliesPerSecond = 100
    static let burst = 50

    private static let hopLimit: UInt8 = 64
    /// Bytes of the packet that are quoted: all that fit the smallest MTU that every host takes.
    private static let ipv4Quote = 576 - 28
    private static let ipv6Quote = 1280 - 48

    /// Whether the sender must learn of it. An IPv4 packet without DF may be fragmented on its way instead.
    static func mustAnswer(_ packet: PacketBytes) -> Bool {
        packet[0] >> 4 == 6 || packet[6] & 0x40 != 0
    }

    /// `nil` for packets that must not be answered: ICMP errors, fragments but the first, multicast (RFC 1122 §3.2.2,
    /// RFC 4443 §2.4).
    static func reply(to packet: PacketBytes, mtu: Int) -> [UInt8]? {
        packet[0] >> 4 == 6 ? replyIPv6(to: packet, mtu: mtu) : replyIPv4(to: packet, mtu: mtu)
    }

    private static func replyIPv4(to packet: PacketBytes, mtu: Int) -> [UInt8]? {
        let header = Int(packet[0] & 15) * 4
        let isFirstFragment = packet.uint16(at: 6) & 0x1fff == 0
        guard isFirstFragment, packet[16] >> 4 != 0xe, packet[12] >> 4 != 0xe else { return nil }
        if packet[9] == Transport.icmp, packet.count > header, isICMPError(packet[header]) { return nil }
        let quoted = min(packet.count, ipv4Quote)
        return PacketBuffer.array(count: 28 + quoted) { reply in
            reply[0] = 0x45
            reply.set(UInt16(reply.count), at: 2)
            reply[8] = hopLimit
            reply[9] = Transport.icmp
            reply.copy(packet.slice(16, 4), at: 12)
            reply.copy(packet.slice(12, 4), at: 16)
            reply.setWord(sum(reply.prefix(20)).field, at: 10)
            let message = reply.from(20)
            message[0] = 3  // destination unreachable
            message[1] = 4  // fragmentation needed
            message.set(UInt16(mtu), at: 6)
            message.copy(packet.prefix(quoted), at: 8)
            message.setWord(sum(message).field, at: 2)
        }
    }

    private static func replyIPv6(to packet: PacketBytes, mtu: Int) -> [UInt8]? {
        guard packet[24] != 0xff, packet[8] != 0xff else { return nil }
        if packet[6] == Transport.icmpv6, packet.count > 40, packet[40] < 128 { return nil }
        let quoted = min(packet.count, ipv6Quote)
        return PacketBuffer.array(count: 48 + quoted) { reply in
            reply[0] = 0x60
            reply.set(UInt16(8 + quoted), at: 4)
            reply[6] = Transport.icmpv6
            reply[7] = hopLimit
            reply.copy(packet.slice(24, 16), at: 8)
            reply.copy(packet.slice(8, 16), at: 24)
            let message = reply.from(40)
            message[0] = 2  // packet too big
            message.set(UInt32(mtu), at: 4)
            message.copy(packet.prefix(quoted), at: 8)
            var sum = sum(message)
            sum.addPseudoHeader(of: reply, isIPv4: false, transport: Transport.icmpv6, length: message.count)
            message.setWord(sum.field, at: 2)
        }
    }

    /// Types that report errors (RFC 1122 §3.2.2).
    private static func isICMPError(_ type: UInt8) -> Bool { [3, 4, 5, 11, 12].contains(type) }

    private static func sum(_ bytes: PacketBytes) -> InternetChecksum {
        var sum = InternetChecksum()
        sum.add(bytes)
        return sum
    }
}
