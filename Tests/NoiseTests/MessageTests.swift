import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

@Suite struct MessageTests {
    /// One of each message, in the order of their types.
    private static func messages() throws -> [[UInt8]] {
        var pair = try Pair(seed: 4, handshakeRate: 2)
        pair.send([1, 2, 3], from: 0)
        try pair.run(for: .seconds(121))
        pair.send([4], from: 0)
        pair.carryOut([.needsHandshake, .needsHandshake], on: 0)
        try pair.run(for: .seconds(1))
        return try (1...4).map { try #require(pair.messages(ofType: $0).first) }
    }

    private func parse(_ message: [UInt8]) throws(WireError) {
        switch message.first {
        case 1: _ = try InitiationMessage(parsing: message.span)
        case 2: _ = try ResponseMessage(parsing: message.span)
        case 3: _ = try CookieReplyMessage(parsing: message.span)
        default: _ = try TransportHeader(parsing: message.span)
        }
    }

    @Test func `messages have the sizes of the paper`() throws {
        #expect(try Self.messages().map(\.count) == [148, 92, 64, 48])
    }

    @Test func `fields survive the wire`() throws {
        let messages = try Self.messages()
        let (first, second, third, fourth) = (messages[0], messages[1], messages[2], messages[3])
        let initiation = try InitiationMessage(parsing: first.span)
        let response = try ResponseMessage(parsing: second.span)
        let cookieReply = try CookieReplyMessage(parsing: third.span)
        let header = try TransportHeader(parsing: fourth.span)
        #expect(initiation.body == Array(first.dropLast(32)))
        #expect(response.body == Array(second.dropLast(32)))
        #expect(cookieReply.bytes == third)
        #expect(header.bytes == Array(fourth.prefix(16)))
    }

    @Test func `a message cut at any length is refused`() throws {
        for message in try Self.messages() {
            // Of a packet the header is enough to parse, but not without room for a tag.
            let end = message[0] == TransportHeader.type ? TransportHeader.keepaliveSize : message.count
            for length in 0..<end {
                #expect(throws: WireError.self) { try parse(Array(message[..<length])) }
            }
        }
    }

    @Test func `a handshake message with bytes behind it is refused`() throws {
        for message in try Self.messages().dropLast() {
            #expect(throws: WireError.trailingBytes) { try parse(message + [0]) }
        }
    }

    @Test func `reserved bytes are zero and types are known`() throws {
        for message in try Self.messages() {
            for index in 1...3 {
                var altered = message
                altered[index] = 1
                #expect(throws: WireError.unexpectedType(message[0])) { try parse(altered) }
            }
            var altered = message
            altered[0] = 9
            #expect(throws: WireError.unexpectedType(9)) { try parse(altered) }
        }
    }
}
