import Datapath
import SansIO
import Testing
import Wire

struct InnerPacketTests {
    private func parse(_ bytes: [UInt8]) -> (source: IPAddress, destination: IPAddress, length: Int)? {
        PacketBuffer.reading(bytes) { bytes in
            InnerPacket(bytes).map { ($0.source, $0.destination, $0.length) }
        }
    }

    @Test func `addresses and length of both families are read`() throws {
        for packet in [
            TestPacket(payload: [1, 2, 3]),
            TestPacket(source: TestPacket.v6Source, destination: TestPacket.v6Destination, payload: [1, 2, 3]),
        ] {
            let padded = packet.bytes + [0, 0, 0]
            let inner = try #require(parse(padded))
            #expect(inner.source == packet.source)
            #expect(inner.destination == packet.destination)
            #expect(inner.length == packet.bytes.count)
        }
    }

    @Test func `a packet cut short anywhere is refused`() {
        for packet in [
            TestPacket(payload: [1, 2, 3]),
            TestPacket(source: TestPacket.v6Source, destination: TestPacket.v6Destination, payload: [1, 2, 3]),
        ] {
            let bytes = packet.bytes
            for length in 0..<bytes.count { #expect(parse(Array(bytes.prefix(length))) == nil, "length \(length)") }
        }
    }

    @Test func `other versions and impossible header lengths are refused`() {
        var bytes = TestPacket(payload: [1]).bytes
        for version: UInt8 in [0, 1, 2, 3, 5, 7, 15] {
            bytes[0] = version << 4 | 5
            #expect(parse(bytes) == nil, "version \(version)")
        }
        for words: UInt8 in 0..<5 {
            bytes[0] = 0x40 | words
            #expect(parse(bytes) == nil, "header of \(words) words")
        }
        bytes[0] = 0x4f  // 60 bytes of header in a packet of 41
        #expect(parse(bytes) == nil)
    }
}
