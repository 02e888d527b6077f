import Crypto
import SansIO
import Testing
import Wire

@Suite struct PacketCipherTests {
    // From Python's `cryptography`: packet bytes 0, 1, 2 and so on; key likewise; BLAKE2s of the sealed packet.
    @Test(arguments: [
        (0, 0, "80a8bad31e79c326a485bbc765c6fd1c2fe038d4b2fe69e0cc2e8cf4f2e818d0"),
        (1, 1, "69b879e16b9855eb202e517adfed65cfe5c659301122b3327313a33a460a05d7"),
        (64, 1 << 32 + 5, "b0c7e3cb447671153b1b9d6e614ffdf0880c5e4fb13c3843fe0701b7f71add76"),
        (1420, 1 << 63 + 9, "d23e93ce8d5ce8fb000fc2f94c1f293f2003686df9bc384de613173489c9ee19"),
    ])
    func `packets are sealed as another implementation seals them`(
        _ length: Int, _ counter: UInt64, _ digest: String
    ) throws {
        let cipher = PacketCipher(key: Secret(counting(32)), direction: .sealing)
        let sealed = cipher.seal(counting(length), counter: counter)
        #expect(try BLAKE2s.hash(sealed) == key32(digest))
        #expect(
            sealed
                == ChaChaPoly.seal(
                    counting(length), key: Secret(counting(32)), nonce: ChaChaPoly.nonce(counter: counter)))
    }

    @Test func `one context opens many packets, in any order, and survives forgeries between them`() {
        let sealer = PacketCipher(key: Secret(counting(32)), direction: .sealing)
        let opener = PacketCipher(key: Secret(counting(32)), direction: .opening)
        var random = SeededRandom(seed: 3)
        let messages = (0..<200).map { counter in
            sealer.seal(counting(counter * 7, from: UInt8(counter)), counter: UInt64(counter))
        }
        for counter in messages.indices.shuffled(using: &random) {
            var forged = messages[counter]
            forged[Int.random(in: forged.indices, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            let forgedPacket = opener.open(forged, counter: UInt64(counter))
            let otherCounter = opener.open(messages[counter], counter: UInt64(counter + 1))
            let packet = opener.open(messages[counter], counter: UInt64(counter))
            #expect(forgedPacket == nil)
            #expect(otherCounter == nil)
            #expect(packet == counting(counter * 7, from: UInt8(counter)))
        }
    }

    @Test func `a message shorter than its tag is refused`() {
        let opener = PacketCipher(key: Secret(counting(32)), direction: .opening)
        for length in 0..<16 {
            let packet = opener.open(counting(length), counter: 0)
            #expect(packet == nil)
        }
    }

    @Test func `a packet may be opened into another place than it came in`() {
        let sealer = PacketCipher(key: Secret(counting(32)), direction: .sealing)
        let opener = PacketCipher(key: Secret(counting(32)), direction: .opening)
        var packet = counting(100)
        var message: [UInt8] = Array(repeating: 0, count: 116)
        unsafe packet.withUnsafeBytes { packet in
            unsafe message.withUnsafeMutableBytes { message in
                unsafe sealer.seal(packet.baseAddress!, count: 100, into: message.baseAddress!, counter: 7)
            }
        }
        packet = Array(repeating: 0, count: 100)
        let isAuthentic = unsafe packet.withUnsafeMutableBytes { packet in
            unsafe message.withUnsafeBytes { message in
                unsafe opener.open(message.baseAddress!, count: 116, into: packet.baseAddress!, counter: 7)
            }
        }
        #expect(isAuthentic)
        #expect(packet == counting(100))
    }
}
