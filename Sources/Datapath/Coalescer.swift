/// Joins packets of one flow that follow each other, so that the TUN takes them in one write.
///
/// Decrypts without copying: while a super-packet is open, `space(for:)` is laid so that the payload of the next packet
/// lands right behind it; the header overwrites the last bytes of the super-packet, which are put aside and put back.
/// ```
///   arena   [virtio][header][payload 0][payload 1]                open super-packet
///   space                        [header  payload 2 ]             header covers the end of payload 1
/// ```
/// Since the kernel will believe the joined payload, checksums are verified before joining. Joined are TCP segments
/// with only ACK and PSH set, adjacent, alike in addresses, ports, acknowledgement, window, options, TTL, TOS and with DF
/// set (their IPv4 identification means nothing then, RFC 6864 §4), and UDP datagrams of one flow and size. A shorter
/// segment or one with PSH ends the super-packet.
package struct Coalescer: ~Copyable {
    /// A packet for the TUN, its virtio header in front.
    private struct Frame {
        var offset: Int
        var count: Int
    }

    /// What the open super-packet is made of.
    private struct Flow {
        var isTCP: Bool
        var isIPv4: Bool
        var headerLength: Int
        var transportStart: Int
        var segmentSize: Int
        var nextSequence: UInt32
        var packetCount = 1
        /// Whether more may be joined.
        var isOpen: Bool
    }

    private static let arenaSize = 384 * 1024
    /// With less than this left the frames must be taken before more is opened: twice the longest train.
    private static let reserve = 160 * 1024
    /// Room for a virtio header before a packet, in steps of 16 bytes.
    private static let headroom = 16
    private static let lengthLimit = 65535
    private static let udpPacketLimit = 64

    private let arena = PacketBuffer(count: arenaSize)
    private let saved = PacketBuffer(count: Segmenter.headerLimit)
    private let mergesUDP: Bool
    private var frames: [Frame] = []
    /// The packet being built, at `start`, `length` bytes; none when `length` is 0.
    private var start = headroom
    private var length = 0
    private var flow: Flow?
    /// Where the last space was given out.
    private var spaceOffset = 0
    /// Whether it covers the end of the open super-packet, as in the picture.
    private var coversEnd = false

    /// `mergesUDP` where the TUN takes UDP super-packets (since Linux 6.2).
    package init(mergesUDP: Bool) {
        self.mergesUDP = mergesUDP
        frames.reserveCapacity(1024)
    }

    /// Whether the frames must be taken and removed before more packets come.
    package var isFull: Bool { start + length > Self.arenaSize - Self.reserve }

    /// Packets that are complete, for the TUN.
    package var frameCount: Int { frames.count }

    package func frame(_ index: Int) -> PacketBytes {
        arena.bytes.slice(frames[index].offset, frames[index].count)
    }

    /// Room for a packet of up to `count` bytes, until `accept` or `reject`.
    ///
    /// Precondition: the packets since the coalescer was last not full came in one train of datagrams (64 KiB).
    package mutating func space(for count: Int) -> PacketBytes {
        coversEnd = false
        if let flow, flow.isOpen, length &+ count <= Self.lengthLimit {
            // What is covered must be payload: the headers are compared with those of the next packet.
            coversEnd = length >= 2 &* flow.headerLength
            spaceOffset = coversEnd ? start &+ length &- flow.headerLength : nextStart
            if coversEnd { saved.bytes.copy(arena.bytes.slice(spaceOffset, flow.headerLength)) }
        } else {
            finish()
            spaceOffset = start
        }
        return arena.bytes.slice(spaceOffset, count)
    }

    /// What lies in the space is not for the TUN after all.
    package mutating func reject() {
        restore()
    }

    /// The space holds a packet of `count` bytes for the TUN.
    package mutating func accept(_ count: Int) {
        let packet = arena.bytes.slice(spaceOffset, count)
        if let flow, flow.isOpen, continues(flow, packet) {
            let end = start &+ length
            join(packet, flow)
            if !coversEnd { arena.bytes.copy(packet.from(flow.headerLength), at: end) }
            restore()
            return
        }
        // Clear of the bytes that it covers; where it lies apart, this is where it lies.
        if length > 0 {
            if coversEnd { arena.bytes.slice(nextStart, count).copy(packet) }
            restore()
            finish()
        }
        begin(arena.bytes.slice(start, count))
    }

    /// Ends the open super-packet: it becomes a frame.
    package mutating func finish() {
        guard length > 0 else { return }
        let packet = arena.bytes.slice(start, length)
        var header = VirtioHeader.plain
        if let flow, flow.packetCount > 1 { header = complete(packet, flow) }
        header.write(to: arena.bytes.slice(start &- VirtioHeader.size, VirtioHeader.size))
        frames.append(Frame(offset: start &- VirtioHeader.size, count: length &+ VirtioHeader.size))
        start = nextStart
        length = 0
        flow = nil
    }

    /// Forgets all frames, after `finish()`.
    package mutating func removeAll() {
        precondition(length == 0)
        frames.removeAll(keepingCapacity: true)
        start = Self.headroom
    }

    // MARK: joining

    private mutating func begin(_ packet: PacketBytes) {
        length = packet.count
        flow = Self.flow(of: packet, mergesUDP: mergesUDP)
    }

    /// The flow of a packet that others may be joined to; `nil` when it must stay alone.
    private static func flow(of packet: PacketBytes, mergesUDP: Bool) -> Flow? {
        guard packet.count >= InnerPacket.minimumIPv4Header else { return nil }
        let isIPv4 = packet[0] >> 4 == 4
        let transportStart = isIPv4 ? InnerPacket.minimumIPv4Header : InnerPacket.ipv6Header
        guard packet.count >= transportStart &+ 8 else { return nil }
        // No IPv4 options; DF and nothing else about fragments.
        if isIPv4, packet[0] != 0x45 || packet.uint16(at: 6) != 0x4000 { return nil }
        let transport = packet[isIPv4 ? 9 : 6]
        var flow = Flow(
            isTCP: transport == Transport.tcp, isIPv4: isIPv4, headerLength: transportStart &+ 8,
            transportStart: transportStart, segmentSize: 0, nextSequence: 0, isOpen: true)
        if flow.isTCP {
            guard packet.count >= transportStart &+ 20 else { return nil }
            let header = Int(packet[transportStart &+ 12] >> 4) &* 4
            guard header >= 20, packet[transportStart &+ 13] == Transport.acknowledgeFlag else { return nil }
            flow.headerLength = transportStart &+ header
        } else {
            // Without a checksum (zero, RFC 768) nothing vouches for the payload.
            guard mergesUDP, transport == Transport.udp, packet.word16(at: transportStart &+ 6) != 0,
                Int(packet.uint16(at: transportStart &+ 4)) == packet.count &- transportStart
            else { return nil }
        }
        flow.segmentSize = packet.count &- flow.headerLength
        guard flow.segmentSize > 0 else { return nil }
        if flow.isTCP {
            flow.nextSequence =
                packet.uint32(at: transportStart &+ 4) &+ UInt32(truncatingIfNeeded: flow.segmentSize)
        }
        return hasRightChecksum(packet, flow) ? flow : nil
    }

    private func continues(_ flow: Flow, _ packet: PacketBytes) -> Bool {
        let head = arena.bytes.slice(start, flow.headerLength)
        let size = packet.count &- flow.headerLength
        let transport = flow.transportStart
        guard size > 0, size <= flow.segmentSize, length &+ size <= Self.lengthLimit else { return false }
        if flow.isIPv4 {
            // Version, header length, TOS; DF; TTL and protocol; addresses.
            guard packet.word16(at: 0) == head.word16(at: 0), packet.word16(at: 6) == head.word16(at: 6),
                packet.word16(at: 8) == head.word16(at: 8), packet.matches(head, at: 12, count: 8)
            else { return false }
        } else {
            // Version, traffic class, flow label; next header and hop limit; addresses.
            guard packet.word32(at: 0) == head.word32(at: 0), packet.word16(at: 6) == head.word16(at: 6),
                packet.matches(head, at: 8, count: 32)
            else { return false }
        }
        guard packet.word32(at: transport) == head.word32(at: transport) else { return false }
        if flow.isTCP {
            // Data offset, flags and window, where PSH may differ.
            let push = UInt32(Transport.pushFlag) << 16
            guard packet.uint32(at: transport &+ 4) == flow.nextSequence,
                packet.word32(at: transport &+ 8) == head.word32(at: transport &+ 8),
                packet.uint32(at: transport &+ 12) | push == head.uint32(at: transport &+ 12) | push,
                packet.matches(head, at: transport &+ 18, count: flow.headerLength &- transport &- 18)
            else { return false }
        } else {
            guard flow.packetCount < Self.udpPacketLimit, packet.word16(at: transport &+ 6) != 0,
                Int(packet.uint16(at: transport &+ 4)) == packet.count &- transport
            else { return false }
        }
        return Self.hasRightChecksum(packet, flow)
    }

    private mutating func join(_ packet: PacketBytes, _ flow: Flow) {
        var flow = flow
        let size = packet.count &- flow.headerLength
        length &+= size
        flow.packetCount &+= 1
        if flow.isTCP {
            flow.nextSequence &+= UInt32(truncatingIfNeeded: size)
            let flags = packet[flow.transportStart &+ 13]
            if flags & Transport.pushFlag != 0 {
                arena.bytes[start &+ flow.transportStart &+ 13] = flags
                flow.isOpen = false
            }
        }
        if size < flow.segmentSize { flow.isOpen = false }
        self.flow = flow
    }

    /// Puts back what the space covered.
    private func restore() {
        guard coversEnd, let flow else { return }
        arena.bytes.copy(saved.bytes.prefix(flow.headerLength), at: spaceOffset)
    }

    private static func hasRightChecksum(_ packet: PacketBytes, _ flow: Flow) -> Bool {
        var sum = InternetChecksum()
        sum.addPseudoHeader(
            of: packet, isIPv4: flow.isIPv4, transport: flow.isTCP ? Transport.tcp : Transport.udp,
            length: packet.count &- flow.transportStart)
        sum.add(packet.from(flow.transportStart))
        return sum.folded == 0xffff
    }

    /// Sets the lengths and sums of a super-packet and returns its virtio header.
    private func complete(_ packet: PacketBytes, _ flow: Flow) -> VirtioHeader {
        let transportLength = packet.count &- flow.transportStart
        if flow.isIPv4 {
            packet.set(UInt16(truncatingIfNeeded: packet.count), at: 2)
            packet.set(UInt16(0), at: 10)
            var sum = InternetChecksum()
            sum.add(packet.prefix(flow.transportStart))
            packet.setWord(sum.field, at: 10)
        } else {
            packet.set(UInt16(truncatingIfNeeded: transportLength), at: 4)
        }
        if !flow.isTCP { packet.set(UInt16(truncatingIfNeeded: transportLength), at: flow.transportStart &+ 4) }
        var pseudoHeader = InternetChecksum()
        pseudoHeader.addPseudoHeader(
            of: packet, isIPv4: flow.isIPv4, transport: flow.isTCP ? Transport.tcp : Transport.udp,
            length: transportLength)
        let checksumOffset = flow.isTCP ? 16 : 6
        packet.setWord(pseudoHeader.folded, at: flow.transportStart &+ checksumOffset)
        return VirtioHeader(
            segmentation: flow.isTCP ? (flow.isIPv4 ? .tcp4 : .tcp6) : .udp, needsChecksum: true,
            headerLength: UInt16(truncatingIfNeeded: flow.headerLength),
            segmentSize: UInt16(truncatingIfNeeded: flow.segmentSize),
            checksumStart: UInt16(truncatingIfNeeded: flow.transportStart),
            checksumOffset: UInt16(truncatingIfNeeded: checksumOffset))
    }

    /// Where the packet after the present one begins, with room for its virtio header.
    private var nextStart: Int { (start &+ length &+ Self.headroom &+ 15) & ~15 }
}
