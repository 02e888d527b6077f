import SansIO
import Testing
import Traversal
import Wire

@Suite struct SearchMessageTests {
    private static let node = Bytes32(Array(1...32))!
    private static let messages: [SearchMessage] =
        [
            .offer(run: .max, allocation: .any), .offer(run: 1, allocation: .block(1024...2047)),
            .offer(run: 2, allocation: .sequential(last: 9, stride: -128)), .accept(run: 3), .go(run: 4),
            .found(run: 5),
            .stop(run: 6), .whereabouts(of: node), .seen(node: node, at: Endpoint("198.18.2.2:4000")!),
            .seen(node: node, at: Endpoint("[2001:db8::1]:1")!), .secondPort, .secondPortIs(65_535, nonce: 7),
        ] + SearchMessage.Refusal.allCases.map { .refuse(run: 8, $0) }

    @Test(arguments: messages)
    func `what is written is read back, and nothing shorter or longer`(message: SearchMessage) throws {
        let encoded = message.encoded
        #expect(try SearchMessage(parsing: encoded.span) == message)
        for count in 0..<encoded.count {
            #expect(throws: WireError.self) { try SearchMessage(parsing: Array(encoded.prefix(count)).span) }
        }
        #expect(throws: WireError.self) { try SearchMessage(parsing: (encoded + [0]).span) }
    }

    @Test func `changed bytes are refused or read as what they say`() {
        var random = SeededRandom(seed: 21)
        for round in 0..<20_000 {
            var bytes = Self.messages[round % Self.messages.count].encoded
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            if let parsed = try? SearchMessage(parsing: bytes.span) { #expect(parsed.encoded == bytes) }
        }
    }
}
