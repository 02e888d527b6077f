import Datapath
import SansIO
import Wire

/// A TCP or UDP packet, written byte by byte as the RFCs lay it out: the tests' own idea of a right packet.
struct TestPacket {
    var source = IPAddress("10.128.1.2")!
    var destination = IPAddress("10.128.2.3")!
    var isTCP = true
    var sourcePort: UInt16 = 4000
    var destinationPort: UInt16 = 5201
    var sequence: UInt32 = 1_000_000
    var acknowledgement: UInt32 = 77
    var flags: UInt8 = 0x10
    var window: UInt16 = 512
    /// TCP options, a multiple of 4 bytes.
    var options: [UInt8] = []
    var payload: [UInt8] = []
    var hopLimit: UInt8 = 64
    var trafficClass: UInt8 = 0
    var identification: UInt16 = 9
    /// IPv4 flags and fragment offset; DF alone by default.
    var fragment: UInt16 = 0x4000

    var isIPv4: Bool { source.isIPv4 }
    private var transport: UInt8 { isTCP ? 6 : 17 }
    var transportStart: Int { isIPv4 ? 20 : 40 }
    var headerLength: Int { transportStart + (isTCP ? 20 + options.count : 8) }

    /// The packet with right lengths and checksums.
    var bytes: [UInt8] {
        var bytes = unsummed
        let sum = Self.sum(pseudoHeader(length: bytes.count - transportStart) + bytes[transportStart...])
        let checksum = ~sum
        Self.put(!isTCP && checksum == 0 ? 0xffff : checksum, into: &bytes, at: transportStart + (isTCP ? 16 : 6))
        return bytes
    }

    /// The packet as the TUN hands over a super-packet: only the pseudo-header's sum in the checksum field.
    func superPacket(segmentSize: Int) -> (header: VirtioHeader, bytes: [UInt8]) {
        var bytes = unsummed
        Self.put(
            Self.sum(pseudoHeader(length: bytes.count - transportStart)), into: &bytes,
            at: transportStart + (isTCP ? 16 : 6))
        let header = VirtioHeader(
            segmentation: isTCP ? (isIPv4 ? .tcp4 : .tcp6) : .udp, needsChecksum: true, headerLength: 0,
            segmentSize: UInt16(segmentSize), checksumStart: UInt16(transportStart), checksumOffset: isTCP ? 16 : 6)
        return (header, bytes)
    }

    /// What a super-packet is to be cut into, each packet made from scratch.
    func segments(ofSize size: Int) -> [[UInt8]] {
        stride(from: 0, to: max(1, payload.count), by: size).enumerated().map { index, offset in
            let end = min(offset + size, payload.count)
            var segment = self
            segment.payload = Array(payload[offset..<end])
            segment.sequence = sequence &+ UInt32(offset)
            segment.identification = identification &+ UInt16(index)
            if end < payload.count { segment.flags &= ~0x09 }
            if index > 0 { segment.flags &= ~0x80 }
            return segment.bytes
        }
    }

    private var unsummed: [UInt8] {
        var body = ByteWriter()
        body.append(bigEndian: sourcePort)
        body.append(bigEndian: destinationPort)
        if isTCP {
            body.append(bigEndian: sequence)
            body.append(bigEndian: acknowledgement)
            body.append(UInt8((5 + options.count / 4) << 4))
            body.append(flags)
            body.append(bigEndian: window)
            body.append([0, 0, 0, 0])
            body.append(options)
        } else {
            body.append(bigEndian: UInt16(truncatingIfNeeded: 8 + payload.count))
            body.append([0, 0])
        }
        body.append(payload)
        return networkHeader(bodyLength: body.count) + body.bytes
    }

    private func networkHeader(bodyLength: Int) -> [UInt8] {
        var header = ByteWriter()
        if isIPv4 {
            header.append([0x45, trafficClass])
            header.append(bigEndian: UInt16(truncatingIfNeeded: 20 + bodyLength))
            header.append(bigEndian: identification)
            header.append(bigEndian: fragment)
            header.append([hopLimit, transport, 0, 0])
            header.append(source.bytes + destination.bytes)
            var bytes = header.bytes
            Self.put(~Self.sum(bytes), into: &bytes, at: 10)
            return bytes
        }
        header.append([0x60 | trafficClass >> 4, trafficClass << 4, 0x12, 0x34])
        header.append(bigEndian: UInt16(truncatingIfNeeded: bodyLength))
        header.append([transport, hopLimit])
        header.append(source.bytes + destination.bytes)
        return header.bytes
    }

    private func pseudoHeader(length: Int) -> [UInt8] {
        var header = ByteWriter()
        header.append(source.bytes + destination.bytes)
        header.append(bigEndian: UInt32(length))
        header.append(bigEndian: UInt32(transport))
        return header.bytes
    }

    /// The ones' complement sum, one 16-bit word after the other (RFC 1071 §4.1).
    static func sum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
            sum = (sum & 0xffff) + (sum >> 16)
        }
        return UInt16(sum)
    }

    private static func put(_ value: UInt16, into bytes: inout [UInt8], at offset: Int) {
        bytes[offset] = UInt8(value >> 8)
        bytes[offset + 1] = UInt8(value & 0xff)
    }
}

extension TestPacket {
    static let v6Source = IPAddress("fd00:1::2")!
    static let v6Destination = IPAddress("fd00:2::3")!

    /// A packet whose every varying field is drawn from `random`.
    static func random(payloadLimit: Int, using random: inout SeededRandom) -> TestPacket {
        var packet = TestPacket()
        if Bool.random(using: &random) {
            packet.source = v6Source
            packet.destination = v6Destination
        }
        packet.isTCP = Bool.random(using: &random)
        packet.sequence = UInt32.random(in: .min ... .max, using: &random)
        packet.identification = UInt16.random(in: .min ... .max, using: &random)
        packet.flags = [0x10, 0x18, 0x11, 0x19, 0x90].randomElement(using: &random) ?? 0x10
        packet.options = .random(count: 4 * Int.random(in: 0...3, using: &random), using: &random)
        packet.trafficClass = UInt8.random(in: .min ... .max, using: &random)
        packet.payload = .random(count: Int.random(in: 1...payloadLimit, using: &random), using: &random)
        return packet
    }
}

extension [UInt8] {
    static func random(count: Int, using random: inout SeededRandom) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }
}
