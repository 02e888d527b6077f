import Datapath
import SansIO
import Testing
import Wire

struct SegmenterTests {
    /// What comes out, each packet copied before the next is cut; `nil` when refused.
    private func cut(_ header: VirtioHeader, _ bytes: [UInt8]) -> (packets: [[UInt8]], count: Int, largest: Int)? {
        let scratch = PacketBuffer(count: 128)
        return PacketBuffer.reading(bytes) { bytes in
            guard var segmenter = Segmenter(bytes, header, scratch: scratch.bytes) else { return nil }
            let (count, largest) = (segmenter.packetCount, segmenter.largestPacket)
            var packets: [[UInt8]] = []
            while let packet = segmenter.next() { packets.append(packet.array) }
            return withExtendedLifetime(scratch) { (packets, count, largest) }
        }
    }

    @Test func `random super-packets are cut as if each packet were made from scratch`() throws {
        for seed in UInt64(1)...300 {
            var random = SeededRandom(seed: seed)
            let packet = TestPacket.random(payloadLimit: 9000, using: &random)
            let size = Int.random(in: 1...1400, using: &random)
            let (header, bytes) = packet.superPacket(segmentSize: size)
            let result = try #require(cut(header, bytes), "seed \(seed)")
            let expected = packet.segments(ofSize: size)
            #expect(result.packets == expected, "seed \(seed)")
            #expect(result.count == expected.count, "seed \(seed)")
            #expect(result.largest == expected.map(\.count).max(), "seed \(seed)")
        }
    }

    @Test func `the longest super-packet is cut to its end`() throws {
        let packet = TestPacket(flags: 0x19, payload: Array(repeating: 0xa5, count: 65535 - 40))
        let (header, bytes) = packet.superPacket(segmentSize: 1368)
        #expect(try #require(cut(header, bytes)).packets == packet.segments(ofSize: 1368))
    }

    @Test func `a packet without its checksum is completed`() throws {
        for isTCP in [true, false] {
            let packet = TestPacket(isTCP: isTCP, payload: [1, 2, 3, 4, 5])
            var (header, bytes) = packet.superPacket(segmentSize: 0)
            header.segmentation = .none
            #expect(try #require(cut(header, bytes)).packets == [packet.bytes])
        }
    }

    @Test func `a UDP checksum that comes out as zero is written as all ones`() throws {
        var packet = TestPacket(isTCP: false, payload: [0, 0])
        packet.payload = Array(packet.bytes[26..<28])  // Now everything adds up to all ones.
        #expect(Array(packet.bytes[26..<28]) == [0xff, 0xff])
        var (header, bytes) = packet.superPacket(segmentSize: 2)
        #expect(try #require(cut(header, bytes)).packets == [packet.bytes])
        header.segmentation = .none
        #expect(try #require(cut(header, bytes)).packets == [packet.bytes])
    }

    @Test func `a packet that is complete is passed on as it is`() throws {
        let bytes = TestPacket(payload: [1, 2, 3]).bytes
        #expect(try #require(cut(.plain, bytes)).packets == [bytes])
    }

    @Test func `a header that does not fit its packet is refused`() {
        let packet = TestPacket(payload: Array(repeating: 1, count: 3000))
        let (header, bytes) = packet.superPacket(segmentSize: 1000)
        let changes: [(inout VirtioHeader) -> Void] = [
            { $0.segmentation = .tcp6 }, { $0.segmentation = .udp }, { $0.segmentSize = 0 },
            { $0.checksumStart = 22 }, { $0.checksumStart = 3030 }, { $0.checksumStart = .max },
            { $0.checksumOffset = 6 }, { $0.checksumOffset = .max }, { $0.needsChecksum = false },
        ]
        for (index, change) in changes.enumerated() {
            var changed = header
            change(&changed)
            #expect(cut(changed, bytes) == nil, "change \(index)")
        }
    }

    @Test func `whatever the interface says, nothing is read or written out of bounds`() {
        for seed in UInt64(1)...2000 {
            var random = SeededRandom(seed: seed)
            let packet = TestPacket.random(payloadLimit: 300, using: &random)
            var (header, bytes) = packet.superPacket(segmentSize: 100)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<min(60, bytes.count), using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { header.checksumStart = UInt16.random(in: 0...400, using: &random) }
            if Bool.random(using: &random) { header.segmentSize = UInt16.random(in: 0...400, using: &random) }
            let length = Int.random(in: 1...bytes.count, using: &random)
            // A wrong access stops the test process; a right one accounts for the whole packet.
            if let result = cut(header, Array(bytes.prefix(length))) { #expect(result.packets.count == result.count) }
        }
    }
}
