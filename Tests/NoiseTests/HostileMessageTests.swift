import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

/// What a network that is not trusted may do to messages.
@Suite struct HostileMessageTests {
    private let elsewhere = Endpoint(.v4(IPv4Address(198, 51, 100, 7)), port: 9)

    @Test func `nothing that was ever sent is accepted a second time`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(1))
        pair.send([2], from: 1)
        try pair.run(for: .seconds(121))
        pair.send([3], from: 0)
        try pair.run(for: .seconds(1))
        #expect(pair.messages(ofType: 1).count == 2)
        pair.send([4], from: 1)
        try pair.run(for: .seconds(1))
        let received = pair.sides.map(\.received)
        let indices = pair.sides.map(\.liveIndices)
        let history = pair.log
        #expect(history.count >= 8)
        for _ in 0..<2 {
            for (destination, message, _) in history {
                let errors = pair.sides[destination].errors.count
                try pair.deliver(message, to: destination, from: elsewhere)
                #expect(pair.sides[destination].errors.count == errors + 1)
            }
            try pair.run(for: .milliseconds(500))
        }
        #expect(pair.sides.map(\.received) == received)
        #expect(pair.sides.map(\.liveIndices) == indices)
        #expect(pair.log.count == history.count, "a replay is not answered")
    }

    /// A handshake and a packet each way, each message altered by `alter` before it arrives, never intact.
    private func deliverAltered(_ alter: ([UInt8]) -> [[UInt8]]) throws {
        var pair = try Pair()
        pair.link.isCut = true
        pair.send([1], from: 0)
        for step in 0..<3 {
            let (destination, message, _) = pair.log[step]
            let sent = pair.log.count
            for altered in alter(message) where altered != message {
                try pair.deliver(altered, to: destination, from: elsewhere)
            }
            #expect(pair.log.count == sent, "step \(step): an altered message is not answered")
            #expect(pair.sides[destination].received.isEmpty)
            #expect(pair.sides[destination].usedIndices.isEmpty)
            try pair.deliver(message, to: destination)
        }
        #expect(pair.sides[1].received == [[1]], "and the intact ones still work")
    }

    @Test func `a message cut at any length, or longer, is not accepted`() throws {
        try deliverAltered { message in message.indices.map { Array(message[..<$0]) } + [message + [0]] }
    }

    @Test func `a message with any byte changed is not accepted`() throws {
        try deliverAltered { message in
            // mac2 counts only under load; a handshake message with another one is as good.
            let end = message[0] == TransportHeader.type ? message.count : message.count - MACKeys.size
            return (0..<end).map { index in
                var altered = message
                altered[index] ^= 0x20
                return altered
            }
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `random alterations are not accepted`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        try deliverAltered { message in
            (0..<300).map { _ in
                var altered = message
                let end = message[0] == TransportHeader.type ? message.count : message.count - MACKeys.size
                for _ in 0...Int.random(in: 0..<4, using: &random) {
                    let index = Int.random(in: 0..<end, using: &random)
                    altered[index] = UInt8.random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) { altered.removeLast(Int.random(in: 0..<altered.count, using: &random)) }
                return altered
            }
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `noise of any size and type is not accepted`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(1))
        let sent = pair.log.count
        for _ in 0..<1000 {
            let count = Int.random(in: 0...200, using: &random)
            var message = Pair.bytes(count, using: &random)
            if count >= 4 { message.replaceSubrange(0..<4, with: [UInt8.random(in: 0...5, using: &random), 0, 0, 0]) }
            for side in 0..<2 { try pair.deliver(message, to: side) }
        }
        #expect(pair.log.count == sent)
        #expect(pair.sides[1].received == [[1]])
        #expect(pair.sides[0].received.isEmpty)
    }

    @Test func `an initiation under another static key is refused, though it opens`() throws {
        var pair = try Pair()
        var random = SeededRandom(seed: 9)
        let stranger = try Pair.agreementKey(using: &random)
        var strange = try Tunnel(key: stranger, peer: pair.sides[1].key.publicKey)
        _ = strange.connect(at: .zero)
        let actions = try strange.initiate(
            localIndex: 5, ephemeral: Pair.agreementKey(using: &random), timestamp: Timestamp(unixTime: .seconds(9)),
            at: .zero)
        let initiation = try pair.sides[1].door.open(actions.messages[0])
        #expect(initiation.publicKey == stranger.publicKey, "the node finds no peer of this key")
        try pair.deliver(actions.messages[0], to: 1)
        #expect(pair.sides[1].errors == [.otherPeer])
    }

    @Test func `who claims another's static key cannot seal its timestamp`() throws {
        var pair = try Pair()
        var random = SeededRandom(seed: 9)
        let stranger = try Pair.agreementKey(using: &random)
        let responder = pair.sides[1].key.publicKey
        // All that the paper says, but the agreement of the static keys is the stranger's.
        var state = SymmetricState(responder: responder)
        let ephemeral = try Pair.agreementKey(using: &random)
        state.mix(ephemeral: ephemeral.publicKey)
        let staticKey = state.mixKeyForField(try ephemeral.sharedSecret(with: responder))
        let sealedStatic = state.seal(pair.sides[0].key.publicKey.bytes, key: staticKey)
        let timestampKey = state.mixKeyForField(try stranger.sharedSecret(with: responder))
        let sealedTimestamp = state.seal(Timestamp(unixTime: .seconds(9)).bytes, key: timestampKey)
        let forged = InitiationMessage(
            sender: 5, ephemeral: ephemeral.publicKey, sealedStatic: sealedStatic, sealedTimestamp: sealedTimestamp)
        var jar = CookieJar(keys: MACKeys(receiver: responder))
        try pair.deliver(jar.finish(forged.body, at: .zero), to: 1)
        #expect(pair.sides[1].errors == [.authenticationFailed])
        #expect(pair.log.isEmpty)
    }

    @Test func `an ephemeral key that yields no secret is refused in either message`() throws {
        var pair = try Pair()
        let keys = pair.sides.map { MACKeys(receiver: $0.key.publicKey) }
        let zeros: [UInt8] = Array(repeating: 0, count: 64)
        let initiation = InitiationMessage(
            sender: 1, ephemeral: .zero, sealedStatic: Array(zeros.prefix(48)), sealedTimestamp: Array(zeros.prefix(28))
        )
        var jar = CookieJar(keys: keys[1])
        try pair.deliver(jar.finish(initiation.body, at: .zero), to: 1)
        #expect(pair.sides[1].errors == [.weakPublicKey])
        pair.connect(from: 0)
        let sender = try #require(pair.sides[0].liveIndices.first)
        let response = ResponseMessage(
            sender: 1, receiver: sender, ephemeral: .zero, sealedNothing: Array(zeros.prefix(16)))
        jar = CookieJar(keys: keys[0])
        try pair.deliver(jar.finish(response.body, at: .zero), to: 0)
        #expect(pair.sides[0].errors == [.weakPublicKey])
        try pair.run(for: .seconds(1))
        #expect(pair.sides[1].keepalivesReceived == 1, "the true response still counts")
    }

    @Test func `a response for another index is not ours, though all else is`() throws {
        var pair = try Pair()
        pair.connect(from: 0)
        pair.isCutTo[0] = true
        try pair.run(for: .seconds(1))
        let message = try #require(pair.messages(ofType: 2).first)
        var response = try ResponseMessage(parsing: message.span)
        response.receiver ^= 1
        var jar = CookieJar(keys: MACKeys(receiver: pair.sides[0].key.publicKey))
        try pair.deliver(jar.finish(response.body, at: pair.now), to: 0)
        #expect(pair.sides[0].errors == [.unknownIndex])
        try pair.deliver(message, to: 0)
        #expect(pair.sides[0].usedIndices.count == 1)
    }

    @Test func `initiations of one peer that follow too closely are dropped`() throws {
        var pair = try Pair()
        pair.link.isCut = true
        pair.connect(from: 0)
        for milliseconds in [0, 10, 25] {
            pair.now = .zero + .milliseconds(milliseconds)
            pair.carryOut([.needsHandshake], on: 0)
            let (destination, message, _) = try #require(pair.log.last { $0.destination == 1 })
            try pair.deliver(message, to: destination)
        }
        #expect(pair.sides[1].errors == [.tooManyInitiations])
        #expect(pair.messages(ofType: 2).count == 2)
        #expect(pair.leakedIndices(of: 1).isEmpty)
    }
}
