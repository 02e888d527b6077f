import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

/// One handshake byte for byte, against a second implementation of the paper: Python's hashlib, hmac and `cryptography`,
/// with an HChaCha20 of its own. Private key i-th byte: 3i+7 and 5i+7 (statics), 11i+7 and 13i+7 (ephemerals).
@Suite struct TranscriptTests {
    private let initiation = """
        0100000044332211e0c5f0b1a5523b2fd9ccc79788065655f1e4adefdd58862ae56b5cac775ac2257aa067f877def86795bf2280\
        45ed7871b2b6a97a3b68d36b9ddf058465705c548b0125dedf6e22b425dcd7c8aade8d6df8dd7946d3a039ed77e592fe2b9b6127\
        eb677e781d9e951e75ebe004c40464d9bb1943b075a4566f8fb250e500000000000000000000000000000000
        """
    private let cookieReply = """
        0300000044332211c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe26a2d153750f93d210110e6f171a7679499531393f63c58\
        185c0e9535146069
        """

    struct Variant: CustomTestStringConvertible {
        var testDescription: String
        var presharedKey: Secret?
        var response: String
        var keepalive: String
        var reply: String
    }

    private static let variants = [
        Variant(
            testDescription: "with a preshared key", presharedKey: Secret((100..<132).map { UInt8($0) }),
            response: """
                02000000ddccbbaa443322117c6b7bdbb51b36f48a3c685efc8fd931d386b162d417da9a8364e43b4a14c5285a4e6a022d0d2c89\
                56bb33bdb1baa9c62b9e6bd785d6857ef96d32d699b8949000000000000000000000000000000000
                """,
            keepalive: "04000000ddccbbaa00000000000000004c7a7cc6a90f31cb6dc0cc6ab1ab9d03",
            reply: "0400000044332211000000000000000094869de5982baa62b73f48e98515c6696bc82f08a1cfe0962e6cf0533bec3404"),
        Variant(
            testDescription: "without one", presharedKey: nil,
            response: """
                02000000ddccbbaa443322117c6b7bdbb51b36f48a3c685efc8fd931d386b162d417da9a8364e43b4a14c5287e379af42b1836ba\
                3d98cd1a48d6595ec4e11676d26ebdda71799065b438831d00000000000000000000000000000000
                """,
            keepalive: "04000000ddccbbaa0000000000000000a157285a866e9f64135e2cdc1fbc4474",
            reply: "04000000443322110000000000000000c286aa1643306c1c2b5d3d9b4ae2b0ee346abb2a6f3993731603ac5bf18df800"),
    ]

    private func key(_ factor: Int) throws -> AgreementKey {
        try AgreementKey(secret: Secret((0..<32).map { UInt8(truncatingIfNeeded: $0 * factor + 7) }))
    }

    @Test(arguments: variants)
    func `a handshake is the one that another implementation makes`(_ variant: Variant) throws {
        let (initiatorKey, responderKey) = (try key(3), try key(5))
        let presharedKeys = PresharedKeys(preferred: variant.presharedKey)
        var initiator = try Tunnel(key: initiatorKey, peer: responderKey.publicKey, presharedKeys: presharedKeys)
        var responder = try Tunnel(key: responderKey, peer: initiatorKey.publicKey, presharedKeys: presharedKeys)
        let door = HandshakeResponder(
            key: responderKey, cookieSecret: Secret(Array(repeating: 0, count: 32)), at: .zero)

        _ = initiator.connect(at: .zero)
        let first = try initiator.initiate(
            localIndex: 0x1122_3344, ephemeral: key(11),
            timestamp: Timestamp(unixTime: .seconds(1_700_000_000) + .nanoseconds(0x700_0000)), at: .zero)
        #expect(first.messages.map(\.hexadecimal) == [initiation])

        let second = try responder.accept(
            door.open(first.messages[0]), localIndex: 0xaabb_ccdd, ephemeral: key(13), at: .zero)
        #expect(second.messages.map(\.hexadecimal) == [variant.response])

        let response = second.messages[0]
        let third = try initiator.receive(ResponseMessage(parsing: response.span), at: .zero)
        #expect(third.messages.map(\.hexadecimal) == [variant.keepalive])

        let opened = try responder.open(third.messages[0], at: .zero)
        #expect(opened.packet.isEmpty)
        let fourth = responder.send(Array("Ehello, mesh".utf8), at: .zero)
        #expect(fourth.messages.map(\.hexadecimal) == [variant.reply])
        let last = try initiator.open(fourth.messages[0], at: .zero)
        #expect(last.packet == Array("Ehello, mesh".utf8) + [0, 0, 0, 0])
    }

    @Test func `a cookie that another implementation sealed gives the mac2 it computes`() throws {
        var jar = CookieJar(keys: MACKeys(receiver: try key(5).publicKey))
        let message = try #require([UInt8](hexadecimal: initiation))
        let body = Array(message.prefix(116))
        let withoutCookie = jar.finish(body, at: .zero)
        #expect(withoutCookie == message)
        let reply = try #require([UInt8](hexadecimal: cookieReply))
        try jar.take(CookieReplyMessage(parsing: reply.span), lifetime: .seconds(115), at: .zero)
        let withCookie = jar.finish(body, at: .zero)
        #expect(withCookie.suffix(16).hexadecimal == "e8f9077d0440df4d01837247a3f11de6")
    }
}

extension ArraySlice<UInt8> {
    fileprivate var hexadecimal: String { Array(self).hexadecimal }
}
