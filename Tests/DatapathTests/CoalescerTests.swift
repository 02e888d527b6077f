import Datapath
import SansIO
import Testing
import Wire

struct CoalescerTests {
    /// Puts packets through a coalescer and returns the frames that it makes.
    private func join(_ packets: [[UInt8]], mergesUDP: Bool = true) -> [[UInt8]] {
        var coalescer = Coalescer(mergesUDP: mergesUDP)
        for packet in packets {
            coalescer.space(for: packet.count).copy(packet)
            coalescer.accept(packet.count)
        }
        coalescer.finish()
        return (0..<coalescer.frameCount).map { coalescer.frame($0).array }
    }

    /// Cuts frames again, as the kernel would.
    private func cut(_ frames: [[UInt8]]) -> [[UInt8]] {
        let scratch = PacketBuffer(count: 128)
        return frames.flatMap { frame in
            PacketBuffer.reading(frame) { frame -> [[UInt8]] in
                var packets: [[UInt8]] = []
                guard let header = VirtioHeader(parsing: frame),
                    var segmenter = Segmenter(frame.from(VirtioHeader.size), header, scratch: scratch.bytes)
                else { return packets }
                while let packet = segmenter.next() { packets.append(packet.array) }
                return withExtendedLifetime(scratch) { packets }
            }
        }
    }

    private func plainFrame(_ packet: [UInt8]) -> [UInt8] {
        Array(repeating: 0, count: VirtioHeader.size) + packet
    }

    @Test func `segments of one super-packet become one frame that cuts into them again`() {
        var random = SeededRandom(seed: 3)
        for isTCP in [true, false] {
            for isIPv4 in [true, false] {
                var packet = TestPacket(isTCP: isTCP, payload: .random(count: 10_000, using: &random))
                if !isIPv4 { (packet.source, packet.destination) = (TestPacket.v6Source, TestPacket.v6Destination) }
                if isTCP {
                    packet.flags = 0x18
                    packet.options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
                }
                let segments = packet.segments(ofSize: 1300)
                let frames = join(segments)
                #expect(frames.count == 1)
                #expect(cut(frames) == segments)
            }
        }
    }

    @Test func `any mixture of flows comes out complete and in order within each flow`() {
        for seed in UInt64(1)...100 {
            var random = SeededRandom(seed: seed)
            var packets: [[UInt8]] = []
            for _ in 0..<6 {
                var packet = TestPacket.random(payloadLimit: 5000, using: &random)
                packet.sourcePort = UInt16.random(in: 1...3, using: &random)
                packets += packet.segments(ofSize: Int.random(in: 200...1400, using: &random))
            }
            if Bool.random(using: &random) { packets.swapAt(0, packets.count - 1) }
            let frames = join(packets)
            #expect(frames.count <= packets.count)
            // Identifications of joined IPv4 packets are given anew; all else is as it was.
            #expect(cut(frames).map(withoutIdentification) == packets.map(withoutIdentification), "seed \(seed)")
        }
    }

    private func withoutIdentification(_ packet: [UInt8]) -> [UInt8] {
        guard packet[0] >> 4 == 4 else { return packet }
        var packet = packet
        packet.replaceSubrange(4..<6, with: [0, 0])
        packet.replaceSubrange(10..<12, with: [0, 0])
        return packet
    }

    /// Two adjacent segments, the second changed.
    private func pair(isTCP: Bool = true, _ change: (inout TestPacket) -> Void) -> [[UInt8]] {
        let first = TestPacket(isTCP: isTCP, payload: Array(repeating: 1, count: 100))
        var second = first
        second.sequence += 100
        second.identification += 1
        change(&second)
        return [first.bytes, second.bytes]
    }

    @Test func `packets that differ in more than sequence, push and checksum stay apart`() {
        let changes: [(inout TestPacket) -> Void] = [
            { $0.sequence += 1 }, { $0.acknowledgement += 1 }, { $0.window += 1 }, { $0.flags = 0x11 },
            { $0.flags = 0x50 }, { $0.options = [1, 1, 1, 1] }, { $0.hopLimit -= 1 }, { $0.trafficClass = 3 },
            { $0.fragment = 0 }, { $0.fragment = 0x6000 }, { $0.fragment = 0x4001 }, { $0.sourcePort += 1 },
            { $0.destinationPort += 1 }, { $0.source = IPAddress("10.128.1.9")! }, { $0.payload = [] },
            { $0.destination = IPAddress("10.128.2.9")! }, { $0.payload.append(1) }, { $0.isTCP = false },
        ]
        #expect(join(pair { _ in }).count == 1)
        for (index, change) in changes.enumerated() {
            let packets = pair(change)
            #expect(join(packets) == packets.map(plainFrame), "change \(index)")
        }
    }

    @Test func `a wrong checksum is left to the receiver to find`() {
        for index in 0...1 {
            for offset in [36, 45, 139] {  // checksum, payload, last byte
                var packets = pair { _ in }
                packets[index][offset] ^= 0x10
                #expect(join(packets) == packets.map(plainFrame), "packet \(index), byte \(offset)")
            }
        }
        var unsummed = pair(isTCP: false) { _ in }
        for index in 0...1 { unsummed[index].replaceSubrange(26..<28, with: [0, 0]) }
        #expect(join(unsummed) == unsummed.map(plainFrame))
    }

    @Test func `a push or a short segment ends the super-packet`() {
        func segments(_ count: Int, _ change: (Int, inout TestPacket) -> Void) -> [[UInt8]] {
            var sequence: UInt32 = 5
            return (0..<count).map { index in
                var packet = TestPacket(sequence: sequence, payload: Array(repeating: 7, count: 100))
                change(index, &packet)
                sequence += UInt32(packet.payload.count)
                return packet.bytes
            }
        }
        #expect(join(segments(4) { _, _ in }).count == 1)
        let pushed = segments(4) { index, packet in if index == 1 { packet.flags = 0x18 } }
        #expect(join(pushed).count == 2)
        #expect(cut(join(pushed)).map(withoutIdentification) == pushed.map(withoutIdentification))
        let short = segments(4) { index, packet in if index == 1 { packet.payload = [1, 2, 3] } }
        #expect(join(short).count == 2)
    }

    @Test func `UDP is left alone where the interface takes no UDP super-packets`() {
        let packets = pair(isTCP: false) { _ in }
        #expect(join(packets).count == 1)
        #expect(join(packets, mergesUDP: false) == packets.map(plainFrame))
    }

    @Test func `no more than 64 datagrams make a UDP super-packet`() {
        let packets = Array(repeating: TestPacket(isTCP: false, payload: [1, 2, 3]).bytes, count: 100)
        let frames = join(packets)
        #expect(frames.map(\.count) == [64, 36].map { VirtioHeader.size + 28 + 3 * $0 })
    }

    @Test func `payloads of every length are joined, shorter than their headers or longer`() {
        for isTCP in [true, false] {
            for length in 1...120 {
                var packet = TestPacket(isTCP: isTCP, payload: (0..<5 * length).map { UInt8(truncatingIfNeeded: $0) })
                packet.flags = 0x18
                packet.options = Array(repeating: 1, count: 40)
                let segments = packet.segments(ofSize: length)
                // Another packet behind it, which must be seen to begin anew.
                let frames = join(segments + [TestPacket(payload: [9]).bytes])
                #expect(frames.count == 2, "length \(length)")
                #expect(cut(frames).dropLast() == segments[...], "length \(length)")
                #expect(cut(frames).last == TestPacket(payload: [9]).bytes)
            }
        }
    }

    @Test func `a push on a short second segment ends the super-packet`() {
        let options = Array(repeating: UInt8(1), count: 40)
        let packets = (0..<3).map { index in
            TestPacket(
                sequence: UInt32(70 * index), flags: index == 1 ? 0x18 : 0x10, options: options,
                payload: Array(repeating: 0, count: 70)
            ).bytes
        }
        #expect(join(packets).count == 2)
    }

    @Test func `what was rejected leaves no trace in the open super-packet`() {
        let packet = TestPacket(payload: Array(0..<250).map { UInt8($0) })
        let segments = packet.segments(ofSize: 100)
        var coalescer = Coalescer(mergesUDP: true)
        for segment in segments {
            // A forgery is decrypted into the same space before each genuine packet.
            coalescer.space(for: 300).fill(0, 300, with: 0xee)
            coalescer.reject()
            coalescer.space(for: segment.count).copy(segment)
            coalescer.accept(segment.count)
        }
        coalescer.space(for: 300).fill(0, 300, with: 0xee)
        coalescer.reject()
        coalescer.finish()
        let frames = (0..<coalescer.frameCount).map { coalescer.frame($0).array }
        #expect(frames.count == 1)
        #expect(cut(frames) == segments)
    }

    @Test func `a super-packet never exceeds what an IP header can say`() {
        var random = SeededRandom(seed: 5)
        let payload = [UInt8].random(count: 1400 * 60, using: &random)
        let segments = stride(from: 0, to: payload.count, by: 1400).map { offset in
            TestPacket(sequence: UInt32(offset), payload: Array(payload[offset..<offset + 1400])).bytes
        }
        let frames = join(segments)
        #expect(frames.count == 2)
        #expect(frames.allSatisfy { $0.count <= VirtioHeader.size + 65535 })
        #expect(cut(frames).map(withoutIdentification) == segments.map(withoutIdentification))
    }
}
