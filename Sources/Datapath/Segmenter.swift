/// Cuts a super-packet from the TUN into packets that fit the path, with complete headers and checksums.
///
/// Works in place and copies no payload: the header of a segment is written over the tail of the one before, so each
/// must have been sealed or copied before `next()` is called again.
/// ```
///   super-packet   [header][payload 0    ][payload 1    ][payload 2]
///   segment 0      [header  payload 0    ]
///   segment 1                     [header  payload 1    ]
/// ```
/// As the kernel does it (RFC 9293 §3.1, `tcp_gso_segment`): IPv4 identifications and sequence numbers go up, FIN and
/// PSH stand on the last segment only, CWR on the first only.
package struct Segmenter {
    /// The longest headers that are cut: IPv4 with options or IPv6 with a few extension headers, then TCP with options.
    static let headerLimit = 128

    private let packet: PacketBytes
    private let template: PacketBytes
    private let isTCP: Bool
    private let isIPv4: Bool
    private let headerLength: Int
    private let transportStart: Int
    private let checksumField: Int
    private let segmentSize: Int
    private var firstIdentification: UInt16 = 0
    private var firstSequence: UInt32 = 0
    private var flags: UInt8 = 0
    private var ipSum = InternetChecksum()
    private var transportSum = InternetChecksum()
    private var offset: Int
    private var index: UInt16 = 0
    /// Whether the last segment has been cut.
    private(set) var isFinished = false

    /// Completes or prepares the packet behind a virtio header; `nil` when the two do not fit each other.
    ///
    /// `packet` is exactly one IP packet. `scratch` has at least 128 bytes and is this segmenter's until it is done.
    package init?(_ packet: PacketBytes, _ header: VirtioHeader, scratch: PacketBytes) {
        self.packet = packet
        transportStart = Int(header.checksumStart)
        checksumField = transportStart + Int(header.checksumOffset)
        isTCP = header.segmentation != .udp
        isIPv4 = packet.count > 0 && packet[0] >> 4 == 4
        offset = 0
        guard header.segmentation != .none else {
            template = scratch.prefix(0)
            headerLength = 0
            segmentSize = packet.count
            guard !header.needsChecksum || completeChecksum() else { return nil }
            return
        }
        guard let headerLength = Self.headerLength(of: packet, header, isIPv4: isIPv4) else { return nil }
        self.headerLength = headerLength
        segmentSize = Int(header.segmentSize)
        template = scratch.prefix(headerLength)
        offset = headerLength
        prepareTemplate()
    }

    /// Bytes of the longest packet that will come out.
    package var largestPacket: Int { min(headerLength + segmentSize, packet.count) }

    /// How many packets will come out.
    package var packetCount: Int {
        max(1, (packet.count - headerLength + segmentSize - 1) / max(1, segmentSize))
    }

    /// A bound of what all packets come to with `overhead` bytes added to each.
    func sizeBound(overhead: Int) -> Int {
        headerLength == 0
            ? packet.count &+ overhead : packet.count &+ packetCount &* (headerLength &+ overhead)
    }

    /// The next packet, or `nil` when all have been cut.
    package mutating func next() -> PacketBytes? {
        guard !isFinished else { return nil }
        guard headerLength > 0 else {
            isFinished = true
            return packet
        }
        let length = min(segmentSize, packet.count &- offset)
        isFinished = offset &+ length == packet.count
        let segment = packet.slice(offset &- headerLength, headerLength &+ length)
        segment.copy(template)
        finishNetworkHeader(of: segment)
        finishTransportHeader(of: segment)
        offset &+= length
        index &+= 1
        return segment
    }

    // MARK: preparation

    /// A packet that is not cut but lacks its checksum, whose field holds the pseudo-header's sum.
    private func completeChecksum() -> Bool {
        guard checksumField + 2 <= packet.count, checksumField >= transportStart else { return false }
        var sum = InternetChecksum()
        sum.add(packet.from(transportStart))
        // A UDP checksum of zero would mean that there is none (RFC 768).
        let isUDP = checksumField == transportStart + 6
        packet.setWord(isUDP && sum.field == 0 ? 0xffff : sum.field, at: checksumField)
        return true
    }

    private static func headerLength(of packet: PacketBytes, _ header: VirtioHeader, isIPv4: Bool) -> Int? {
        let start = Int(header.checksumStart)
        let isTCP = header.segmentation != .udp
        guard header.segmentSize > 0, header.needsChecksum, start + (isTCP ? 20 : 8) <= packet.count else { return nil }
        guard Int(header.checksumOffset) == (isTCP ? 16 : 6), start.isMultiple(of: 2) else { return nil }
        switch header.segmentation {
        case .tcp4: guard isIPv4 else { return nil }
        case .tcp6: guard !isIPv4 else { return nil }
        case .udp, .none: break
        }
        if isIPv4 {
            guard start == Int(packet[0] & 15) * 4, packet[9] == (isTCP ? Transport.tcp : Transport.udp) else {
                return nil
            }
        } else {
            guard start >= InnerPacket.ipv6Header else { return nil }
        }
        let transport = isTCP ? Int(packet[start + 12] >> 4) * 4 : 8
        guard !isTCP || transport >= 20, start + transport <= min(packet.count, headerLimit) else { return nil }
        return start + transport
    }

    /// Keeps the headers with all that varies set to zero, and their sums.
    private mutating func prepareTemplate() {
        template.copy(packet.prefix(headerLength))
        if isIPv4 {
            firstIdentification = template.uint16(at: 4)
            template.set(UInt16(0), at: 2)
            template.set(UInt16(0), at: 4)
            template.set(UInt16(0), at: 10)
            ipSum.add(template.prefix(transportStart))
        }
        template.set(UInt16(0), at: checksumField)
        if isTCP {
            firstSequence = template.uint32(at: transportStart + 4)
            flags = template[transportStart + 13]
            template.set(UInt32(0), at: transportStart + 4)
            template[transportStart + 13] = 0
        } else {
            template.set(UInt16(0), at: transportStart + 4)
        }
        transportSum.addPseudoHeader(
            of: packet, isIPv4: isIPv4, transport: isTCP ? Transport.tcp : Transport.udp, length: 0)
        transportSum.add(template.from(transportStart))
    }

    // MARK: one segment

    private func finishNetworkHeader(of segment: PacketBytes) {
        guard isIPv4 else {
            segment.set(UInt16(truncatingIfNeeded: segment.count &- InnerPacket.ipv6Header), at: 4)
            return
        }
        let length = UInt16(truncatingIfNeeded: segment.count)
        let identification = firstIdentification &+ index
        segment.set(length, at: 2)
        segment.set(identification, at: 4)
        var sum = ipSum
        sum.add(bigEndian: length)
        sum.add(bigEndian: identification)
        segment.setWord(sum.field, at: 10)
    }

    private func finishTransportHeader(of segment: PacketBytes) {
        var sum = transportSum
        let length = UInt16(truncatingIfNeeded: segment.count &- transportStart)
        sum.add(bigEndian: length)
        if isTCP {
            let sequence = firstSequence &+ UInt32(truncatingIfNeeded: offset &- headerLength)
            var flags = flags
            if !isFinished { flags &= ~(Transport.finishFlag | Transport.pushFlag) }
            if index > 0 { flags &= ~Transport.congestionWindowReducedFlag }
            segment.set(sequence, at: transportStart &+ 4)
            segment[transportStart &+ 13] = flags
            sum.add(bigEndian: sequence)
            sum.add(bigEndian: UInt16(flags))
        } else {
            segment.set(length, at: transportStart &+ 4)
            sum.add(bigEndian: length)
        }
        sum.add(segment.from(headerLength))
        segment.setWord(!isTCP && sum.field == 0 ? 0xffff : sum.field, at: checksumField)
    }
}
