import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

@Suite struct TunnelTests {
    @Test func `the first packet starts the handshake and arrives one and a half round trips later`() throws {
        var pair = try Pair()
        pair.send([1, 2, 3], from: 0)
        #expect(pair.messages(ofType: 1, to: 1).count == 1)
        try pair.run(until: .zero + .milliseconds(29))
        #expect(pair.sides[1].received.isEmpty)
        try pair.run(until: .zero + .milliseconds(30))
        #expect(pair.sides[1].received == [[1, 2, 3]])
        #expect(pair.sides[1].keepalivesReceived == 0, "a packet confirms as well as a keepalive")
        pair.send([4], from: 1)
        try pair.run(for: .milliseconds(10))
        #expect(pair.sides[0].received == [[4]])
        #expect(pair.messages(ofType: 1).count == 1)
        #expect(pair.sides[0].tunnel.lastSessionAt == .zero + .milliseconds(20))
    }

    @Test func `a responder sends nothing on a session before the initiator has`() throws {
        var pair = try Pair()
        pair.connect(from: 0)
        try pair.run(until: .zero + .milliseconds(10))
        pair.isCutTo[0] = true  // The response is on its way already.
        pair.send([7], from: 1)
        #expect(pair.messages(ofType: 4).isEmpty)
        try pair.run(until: .zero + .milliseconds(30))
        #expect(pair.sides[1].keepalivesReceived == 1)
        #expect(pair.messages(ofType: 4, to: 0).count == 1, "the keepalive confirmed the session")
    }

    @Test func `packets wait in order, and the oldest makes room`() throws {
        var limits = Limits.wireGuard
        limits.queueLimit = 3
        var pair = try Pair(limits: [limits, limits])
        for number in 0..<5 as Range<UInt8> { pair.send([number], from: 0) }
        try pair.run(for: .seconds(1))
        #expect(pair.sides[1].received == [[2], [3], [4]])
    }

    @Test func `stock retries come after five seconds and up to a third of one`() throws {
        var pair = try Pair()
        pair.link.isCut = true
        pair.send([1], from: 0)
        try pair.run(for: .seconds(200))
        let times = pair.log.map(\.at)
        for (earlier, later) in zip(times, times.dropFirst()) {
            #expect((Duration.seconds(5)...Duration.milliseconds(5334)).contains(later - earlier))
        }
        #expect(Set(zip(times, times.dropFirst()).map { $1 - $0 }).count > 5, "the waits differ")
        #expect(times.count == 17 || times.count == 18)
        #expect(pair.sides[0].failures == 1)
        #expect(pair.sides[0].unsent.count == 1)
        #expect(pair.sides[0].liveIndices.isEmpty)
        #expect(pair.sides[0].tunnel.nextDeadline == nil)
    }

    @Test func `our own nodes retry soon`() throws {
        var pair = try Pair(limits: [.kubeMesh, .kubeMesh])
        pair.link.isCut = true
        pair.send([1], from: 0)
        try pair.run(for: .seconds(3))
        #expect(pair.log.map { ($0.at - Instant.zero).nanoseconds / 1_000_000 } == [0, 300, 900, 2100])
        try pair.run(for: .seconds(5))
        #expect(pair.log.count == 5)
        pair.link.isCut = false
        try pair.run(for: .seconds(6))
        #expect(pair.sides[1].received == [[1]])
    }

    @Test func `new packets keep an attempt going`() throws {
        var pair = try Pair()
        pair.link.isCut = true
        for _ in 0..<10 {
            pair.send([1], from: 0)
            try pair.run(for: .seconds(60))
        }
        #expect(pair.sides[0].failures == 0)
        try pair.run(for: .seconds(120))
        #expect(pair.sides[0].failures == 1)
        pair.link.isCut = false
        pair.send([2], from: 0)
        try pair.run(for: .seconds(1))
        #expect(pair.sides[1].received == [[2]])
    }

    @Test func `data that is not answered is acknowledged after ten seconds, once`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(until: .zero + .milliseconds(10_029))
        #expect(pair.sides[0].keepalivesReceived == 0)
        try pair.run(for: .seconds(30))
        #expect(pair.sides[0].keepalivesReceived == 1)
        #expect(pair.sides[1].keepalivesReceived == 0, "a keepalive is not answered")
        #expect(pair.messages(ofType: 1).count == 1)
    }

    @Test func `data that nothing comes back for starts a new handshake after fifteen seconds`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(20))
        pair.isCutTo[0] = true
        let lostAt = pair.now
        pair.send([2], from: 0)
        try pair.run(for: .seconds(14))
        #expect(pair.messages(ofType: 1).count == 1)
        try pair.run(for: .seconds(2))
        #expect(pair.messages(ofType: 1).count == 2)
        #expect(pair.log.last { $0.message[0] == 1 }?.at == lostAt + .seconds(15))
        pair.isCutTo[0] = false
        pair.send([3], from: 0)
        try pair.run(for: .seconds(10))
        #expect(pair.sides[1].received == [[1], [2], [3]])
    }

    @Test func `a persistent keepalive fills every silence and starts a session by itself`() throws {
        var pair = try Pair()
        pair.sides[0].tunnel.setPersistentKeepalive(.seconds(25), at: .zero)
        try pair.run(until: .zero + .seconds(101))
        #expect(pair.sides[1].keepalivesReceived == 5)  // One confirms the session, then every 25 s.
        #expect(pair.messages(ofType: 1).count == 1)
        pair.sides[0].tunnel.setPersistentKeepalive(nil, at: pair.now)
        try pair.run(for: .seconds(60))
        #expect(pair.sides[1].keepalivesReceived == 5)
    }

    @Test func `a persistent keepalive tries again after a failed attempt`() throws {
        var pair = try Pair()
        pair.link.isCut = true
        pair.sides[0].tunnel.setPersistentKeepalive(.seconds(25), at: .zero)
        try pair.run(for: .seconds(500))
        #expect(pair.sides[0].failures >= 3)
        pair.link.isCut = false
        try pair.run(for: .seconds(120))
        #expect(pair.sides[1].keepalivesReceived > 0)
    }

    @Test func `closing gives every index back`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(121))
        pair.send([2], from: 0)
        #expect(pair.sides[0].liveIndices.count == 2)
        pair.carryOut(pair.sides[0].tunnel.close(), on: 0)
        #expect(pair.sides[0].liveIndices.isEmpty)
        #expect(pair.sides[0].tunnel.nextDeadline == nil)
    }

    @Test func `packets are padded to sixteen bytes, and keepalives not`() throws {
        var pair = try Pair()
        pair.connect(from: 0)
        try pair.run(for: .seconds(1))
        #expect(pair.messages(ofType: 4).map(\.count) == [32])
        for length in [1, 14, 15, 16] { pair.send(Array(repeating: 9, count: length), from: 0) }
        #expect(pair.messages(ofType: 4).dropFirst().map(\.count) == [48, 48, 48, 64])
    }

    @Test func `a peer's key that yields no secret is refused at once`() throws {
        var random = SeededRandom(seed: 1)
        let key = try Pair.agreementKey(using: &random)
        #expect(throws: CryptoError.weakPublicKey) { try Tunnel(key: key, peer: .zero) }
    }

    @Test func `material that is no longer needed is given back`() throws {
        var pair = try Pair()
        let (localIndex, ephemeral) = try pair.freshMaterial(for: 0)
        let timestamp = Timestamp(unixTime: .seconds(1))
        let actions = pair.sides[0].tunnel.initiate(
            localIndex: localIndex, ephemeral: ephemeral, timestamp: timestamp, at: .zero)
        #expect(actions.retired == [localIndex])
        #expect(actions.messages.isEmpty)
    }
}
