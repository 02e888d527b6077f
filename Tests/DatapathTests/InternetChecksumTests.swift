import Datapath
import SansIO
import Testing

struct InternetChecksumTests {
    @Test func `the example of RFC 1071 sums to ddf2`() {
        let folded = PacketBuffer.reading([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]) { bytes in
            var sum = InternetChecksum()
            sum.add(bytes)
            return sum.folded
        }
        #expect(UInt16(bigEndian: folded) == 0xddf2)
    }

    @Test func `every length sums as word by word`() {
        var random = SeededRandom(seed: 1)
        for length in 0...300 {
            let bytes = [UInt8].random(count: length, using: &random)
            let folded = PacketBuffer.reading(bytes) { bytes in
                var sum = InternetChecksum()
                sum.add(bytes)
                return sum.folded
            }
            #expect(UInt16(bigEndian: folded) == TestPacket.sum(bytes), "length \(length)")
        }
    }
}
