import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

@Suite struct HandshakeResponderTests {
    private let source = Endpoint(.v4(IPv4Address(192, 0, 2, 1)), port: 51820)

    /// A responder, and initiations to it from peers of its.
    private struct Flood {
        var responder: HandshakeResponder
        let responderKey: AgreementKey
        private let key: AgreementKey
        private let staticSecret: Secret
        private var random = SeededRandom(seed: 2)

        init(rate: Int) throws {
            responderKey = try Pair.agreementKey(using: &random)
            key = try Pair.agreementKey(using: &random)
            staticSecret = try key.sharedSecret(with: responderKey.publicKey)
            responder = HandshakeResponder(
                key: responderKey, cookieSecret: Secret(Pair.bytes(32, using: &random)), handshakeRate: rate, at: .zero)
        }

        mutating func initiation() throws -> InitiationMessage {
            try SentInitiation(
                from: key, to: responderKey.publicKey, staticSecret: staticSecret, localIndex: 7,
                ephemeral: Pair.agreementKey(using: &random), timestamp: Timestamp(unixTime: .zero)
            ).message
        }

        func jar() -> CookieJar { CookieJar(keys: MACKeys(receiver: responderKey.publicKey)) }

        /// Brings the responder under load.
        mutating func overload(from source: Endpoint, at now: Instant) throws {
            var jar = jar()
            let message = jar.finish(try initiation().body, at: now)
            while !responder.isUnderLoad(at: now) { _ = responder.examine(message, from: source, at: now) }
        }
    }

    private func cookieReply(_ verdict: HandshakeResponder.Verdict) throws -> CookieReplyMessage {
        guard case .reply(let reply) = verdict else { throw NoiseError.unexpectedCookie }
        return try CookieReplyMessage(parsing: reply.span)
    }

    @Test func `a message without our mac1 is dropped before anything else, and is no load`() throws {
        var flood = try Flood(rate: 2)
        var jar = CookieJar(keys: MACKeys(receiver: .zero))
        let message = jar.finish(try flood.initiation().body, at: .zero)
        for _ in 0..<100 {
            let verdict = flood.responder.examine(message, from: source, at: .zero)
            #expect(verdict == .drop(.wrongMAC1))
        }
        #expect(!flood.responder.isUnderLoad(at: .zero))
        for length in message.indices {
            let verdict = flood.responder.examine(Array(message[..<length]), from: source, at: .zero)
            #expect(verdict == .drop(.malformed))
        }
    }

    @Test func `load begins above the rate and ends a second after the last excess`() throws {
        var flood = try Flood(rate: 100)
        var jar = flood.jar()
        let message = jar.finish(try flood.initiation().body, at: .zero)
        var accepted = 0
        for _ in 0..<60 where flood.responder.examine(message, from: source, at: .zero) == .accept { accepted += 1 }
        #expect(accepted == 50)
        #expect(flood.responder.isUnderLoad(at: .zero + .milliseconds(999)))
        #expect(!flood.responder.isUnderLoad(at: .zero + .seconds(1)))
        for step in 0..<300 {
            let now = Instant.zero + .seconds(2) + .milliseconds(10 * step)
            let verdict = flood.responder.examine(message, from: source, at: now)
            #expect(verdict == .accept)
        }
    }

    @Test func `under load a sender must return a cookie, which is bound to its address and port`() throws {
        var flood = try Flood(rate: 2)
        try flood.overload(from: source, at: .zero)
        var jar = flood.jar()
        let first = jar.finish(try flood.initiation().body, at: .zero)
        let verdict = flood.responder.examine(first, from: source, at: .zero)
        let reply = try cookieReply(verdict)
        #expect(reply.receiver == 7)
        #expect(reply.bytes.count < first.count, "a forged source is sent less than was sent for it")
        try jar.take(reply, lifetime: .seconds(115), at: .zero)
        let second = jar.finish(try flood.initiation().body, at: .zero)
        let accepted = flood.responder.examine(second, from: source, at: .zero)
        #expect(accepted == .accept)
        for other in [
            Endpoint(source.address, port: 51821), Endpoint(.v4(IPv4Address(192, 0, 2, 2)), port: 51820),
        ] {
            let verdict = flood.responder.examine(second, from: other, at: .zero)
            #expect(throws: Never.self) { try cookieReply(verdict) }
        }
        var altered = second
        altered[147] ^= 1
        let refused = flood.responder.examine(altered, from: source, at: .zero)
        #expect(throws: Never.self) { try cookieReply(refused) }
    }

    @Test func `a cookie dies with the secret that made it`() throws {
        var flood = try Flood(rate: 2)
        #expect(flood.responder.nextDeadline == .zero + .seconds(120))
        try flood.overload(from: source, at: .zero)
        var jar = flood.jar()
        let verdict = flood.responder.examine(
            jar.finish(try flood.initiation().body, at: .zero), from: source, at: .zero)
        try jar.take(cookieReply(verdict), lifetime: .seconds(115), at: .zero)
        let now = Instant.zero + .seconds(60)
        flood.responder.replaceCookieSecret(Secret(Array(repeating: 3, count: 32)), at: now)
        #expect(flood.responder.nextDeadline == now + .seconds(120))
        try flood.overload(from: source, at: now)
        let stale = flood.responder.examine(jar.finish(try flood.initiation().body, at: now), from: source, at: now)
        #expect(throws: Never.self) { try cookieReply(stale) }
        let late = jar.finish(try flood.initiation().body, at: .zero + .seconds(115))
        #expect(late.suffix(16).allSatisfy { $0 == 0 }, "and its holder forgets it after 115 seconds")
    }

    @Test func `a cookie answers one message of ours`() throws {
        var flood = try Flood(rate: 2)
        try flood.overload(from: source, at: .zero)
        var jar = flood.jar()
        let message = jar.finish(try flood.initiation().body, at: .zero)
        let reply = try cookieReply(flood.responder.examine(message, from: source, at: .zero))
        var forged = reply
        forged.sealedCookie[0] ^= 1
        #expect(throws: NoiseError.authenticationFailed) { try jar.take(forged, lifetime: .seconds(1), at: .zero) }
        var other = flood.jar()
        #expect(throws: NoiseError.unexpectedCookie) { try other.take(reply, lifetime: .seconds(1), at: .zero) }
        _ = other.finish(try flood.initiation().body, at: .zero)
        #expect(throws: NoiseError.authenticationFailed) { try other.take(reply, lifetime: .seconds(1), at: .zero) }
        try jar.take(reply, lifetime: .seconds(1), at: .zero)
        #expect(throws: NoiseError.unexpectedCookie) { try jar.take(reply, lifetime: .seconds(1), at: .zero) }
    }

    @Test func `a response is accepted under load, and is no load`() throws {
        var flood = try Flood(rate: 2)
        var jar = flood.jar()
        let response = ResponseMessage(
            sender: 1, receiver: 2, ephemeral: .zero, sealedNothing: Array(repeating: 0, count: 16))
        let message = jar.finish(response.body, at: .zero)
        for _ in 0..<100 {
            let verdict = flood.responder.examine(message, from: source, at: .zero)
            #expect(verdict == .accept)
        }
        #expect(!flood.responder.isUnderLoad(at: .zero))
        try flood.overload(from: source, at: .zero)
        let verdict = flood.responder.examine(message, from: source, at: .zero)
        #expect(verdict == .accept)
    }

    @Test func `nonces of cookie replies do not repeat`() throws {
        var flood = try Flood(rate: 2)
        try flood.overload(from: source, at: .zero)
        var jar = flood.jar()
        let message = jar.finish(try flood.initiation().body, at: .zero)
        var nonces: Set<[UInt8]> = []
        for _ in 0..<50 {
            nonces.insert(try cookieReply(flood.responder.examine(message, from: source, at: .zero)).nonce)
        }
        #expect(nonces.count == 50)
    }

    @Test func `under load each source gets five at once and twenty a second`() throws {
        var flood = try Flood(rate: 2)
        try flood.overload(from: source, at: .zero)
        var jar = flood.jar()
        let reply = flood.responder.examine(jar.finish(try flood.initiation().body, at: .zero), from: source, at: .zero)
        try jar.take(cookieReply(reply), lifetime: .seconds(115), at: .zero)
        let message = jar.finish(try flood.initiation().body, at: .zero)
        let verdicts = (0..<7).map { _ in flood.responder.examine(message, from: source, at: .zero) }
        #expect(verdicts == Array(repeating: .accept, count: 5) + Array(repeating: .drop(.sourceTooBusy), count: 2))
        let later = flood.responder.examine(message, from: source, at: .zero + .milliseconds(50))
        #expect(later == .accept)
    }

    @Test func `two tunnels connect though the responder is under load`() throws {
        var pair = try Pair(limits: [.kubeMesh, .kubeMesh], handshakeRate: 2)
        var random = SeededRandom(seed: 8)
        let stranger = try Pair.agreementKey(using: &random)
        let target = pair.sides[1].key.publicKey
        let initiation = try SentInitiation(
            from: stranger, to: target, staticSecret: stranger.sharedSecret(with: target), localIndex: 1,
            ephemeral: stranger, timestamp: Timestamp(unixTime: .zero))
        var jar = CookieJar(keys: MACKeys(receiver: target))
        let message = jar.finish(initiation.message.body, at: .zero)
        let forged = Endpoint(.v4(IPv4Address(203, 0, 113, 1)), port: 1)
        pair.send([1], from: 0)
        for _ in 0..<100 {
            for _ in 0..<10 { _ = pair.sides[1].door.examine(message, from: forged, at: pair.now) }
            try pair.run(for: .milliseconds(10))
        }
        #expect(pair.sides[1].received == [[1]])
        #expect(pair.sides[1].cookieRepliesSent == 1)
        #expect(pair.messages(ofType: 3).count == 1)
        #expect(pair.messages(ofType: 1).count == 2)
    }
}
