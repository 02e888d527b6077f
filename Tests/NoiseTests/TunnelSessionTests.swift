import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

/// Sessions: renewal, expiry, erasure, and both sides starting at once.
@Suite struct TunnelSessionTests {
    /// One numbered packet each way every `interval`, until `end`.
    private func exchange(_ pair: inout Pair, every interval: Duration, until end: Instant) throws -> [[UInt8]] {
        var sent: [[UInt8]] = []
        while pair.now < end {
            let packet = [UInt8(sent.count >> 8 & 255), UInt8(sent.count & 255)]
            pair.send(packet, from: 0)
            pair.send(packet, from: 1)
            sent.append(packet)
            try pair.run(for: interval)
        }
        try pair.run(for: .seconds(1))
        return sent
    }

    @Test(arguments: [Limits.wireGuard, .kubeMesh], [0, 1] as [UInt64])
    func `sessions are renewed every two minutes without losing a packet`(_ limits: Limits, _ seed: UInt64) throws {
        var pair = try Pair(seed: seed, limits: [limits, limits])
        pair.link.latency = 5...25
        let sent = try exchange(&pair, every: .milliseconds(100), until: .zero + .seconds(900))
        #expect(pair.sides[0].received.count == sent.count)
        #expect(pair.sides[1].received.count == sent.count)
        #expect(Set(pair.sides[0].received) == Set(sent))
        // Where both began and a packet of one session overtakes the response of the other, that one is not needed.
        for side in pair.sides { #expect(side.errors.allSatisfy { $0 == .unknownIndex } && side.errors.count <= 1) }
        // Both sides start at once here, and soon only one of them renews.
        #expect((7...16).contains(pair.messages(ofType: 1).count))
        #expect(pair.leakedIndices(of: 0).isEmpty)
        #expect(pair.leakedIndices(of: 1).isEmpty)
    }

    @Test func `sessions are renewed by count`() throws {
        var limits = Limits.wireGuard
        limits.rekeyAfterMessages = 20
        limits.rejectAfterMessages = 30
        var pair = try Pair(limits: [limits, limits])
        pair.connect(from: 0)
        try pair.run(for: .seconds(1))
        let sent = try exchange(&pair, every: .seconds(1), until: .zero + .seconds(110))
        #expect(pair.sides[1].received == sent)
        #expect(pair.sides[0].received == sent)
        #expect((4...7).contains(pair.messages(ofType: 1).count))
    }

    @Test func `an initiator that only receives renews at 165 seconds`() throws {
        var pair = try Pair()
        pair.connect(from: 0)
        try pair.run(for: .seconds(1))
        var count = 0
        while pair.now < .zero + .seconds(175) {
            pair.send([1], from: 1)
            count += 1
            try pair.run(for: .seconds(4))
        }
        let initiations = pair.log.filter { $0.message[0] == 1 }
        #expect(initiations.count == 2)
        let renewedAfter = try #require(initiations.last).at - Instant.zero
        // At 120 seconds it sends a keepalive, but a keepalive renews nothing.
        #expect((Duration.seconds(165)...Duration.seconds(170)).contains(renewedAfter))
        #expect(pair.sides[0].received.count == count)
    }

    @Test func `a renewal that fails is not tried again until there is data`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(until: .zero + .seconds(121))
        pair.link.isCut = true
        pair.send([2], from: 0)
        try pair.run(until: .zero + .seconds(500))
        #expect(pair.sides[0].failures == 1)
        #expect(!pair.sides[0].tunnel.isHandshaking)
        #expect((18...19).contains(pair.messages(ofType: 1).count))
    }

    @Test func `a keepalive that is due on a session too old to send it is left out`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(until: .zero + .seconds(175))
        pair.isCutTo = [true, true]
        let late = pair.sides[0].tunnel.send([1, 2], at: pair.now).messages[0]
        try pair.deliver(late, to: 1)
        let sent = pair.messages(ofType: 4, to: 0).count
        try pair.run(until: .zero + .seconds(186))
        #expect(pair.sides[1].received == [[1], [2]])
        #expect(pair.sides[1].tunnel.activity.unansweredSince == nil)
        #expect(pair.messages(ofType: 4, to: 0).count == sent)
    }

    @Test func `a session that the peer made ends our own attempt`() throws {
        var pair = try Pair()
        pair.isCutTo[1] = true
        pair.connect(from: 0)
        try pair.run(for: .seconds(1))
        pair.isCutTo[1] = false
        pair.send([2], from: 1)
        try pair.run(for: .seconds(1))
        #expect(pair.sides[0].received == [[2]])
        #expect(!pair.sides[0].tunnel.isHandshaking)
        #expect(pair.leakedIndices(of: 0).isEmpty)
        try pair.run(for: .seconds(60))
        #expect(pair.messages(ofType: 1).count == 2)
    }

    @Test func `a late wish to renew a session that has been replaced is ignored`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(until: .zero + .seconds(121))
        pair.send([2], from: 0)
        try pair.run(for: .seconds(1))
        #expect(pair.messages(ofType: 1).count == 2)
        pair.carryOut(pair.sides[0].tunnel.rekeyWanted(at: pair.now), on: 0)
        #expect(pair.messages(ofType: 1).count == 2)
    }

    @Test func `a session of three minutes is neither sent nor received on`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(1))
        let late = pair.sides[0].tunnel.send([1, 2], at: pair.now).messages[0]
        try pair.run(until: .zero + .seconds(181))
        try pair.deliver(late, to: 1)
        #expect(pair.sides[1].errors == [.expiredSession])
        let before = pair.messages(ofType: 1).count
        pair.send([3], from: 1)
        #expect(pair.messages(ofType: 1).count == before + 1)
        #expect(pair.sides[1].received == [[1]])
        try pair.run(for: .seconds(1))
        #expect(pair.sides[0].received == [[3]])
    }

    @Test func `keys are erased nine minutes after the last session was made`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(1))
        let now = pair.now
        weak let keypair = pair.sides[0].tunnel.currentSession(at: now)
        weak let sendKey = keypair?.sendKey
        #expect(keypair != nil)
        try pair.run(until: .zero + .seconds(539))
        #expect(sendKey != nil)
        try pair.run(until: .zero + .seconds(541))
        #expect(keypair == nil)
        #expect(sendKey == nil)
        #expect(pair.sides[0].liveIndices.isEmpty)
        #expect(pair.sides[1].liveIndices.isEmpty)
        #expect(pair.sides[0].tunnel.nextDeadline == nil)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `both sides may start at once`(_ seed: UInt64) throws {
        var pair = try Pair(seed: seed)
        pair.link.latency = 8...30
        pair.send([1], from: 0)
        pair.send([2], from: 1)
        try pair.run(for: .milliseconds(100))
        #expect(pair.sides[1].received == [[1]], "no retry was needed")
        #expect(pair.sides[0].received == [[2]])
        #expect(pair.messages(ofType: 1).count == 2)
        for side in 0..<2 {
            pair.send([3], from: side)
            try pair.run(for: .seconds(20))
        }
        #expect(pair.sides[0].received == [[2], [3]])
        #expect(pair.sides[1].received == [[1], [3]])
        #expect(pair.messages(ofType: 1).count == 2)
        #expect(pair.leakedIndices(of: 0).isEmpty)
        #expect(pair.leakedIndices(of: 1).isEmpty)
    }

    @Test func `a peer that forgot its sessions is reached again by either side`() throws {
        for starter in 0..<2 {
            var pair = try Pair()
            pair.send([1], from: 0)
            try pair.run(for: .seconds(1))
            // Side 1 restarts: same key, no sessions, no memory of timestamps.
            pair.carryOut(pair.sides[1].tunnel.close(), on: 1)
            pair.sides[1].tunnel = try Tunnel(key: pair.sides[1].key, peer: pair.sides[0].key.publicKey)
            pair.send([2], from: starter)
            try pair.run(for: .seconds(20))
            if starter == 0 {
                #expect(pair.sides[1].errors == [.unknownIndex])
                pair.send([2], from: 0)
                try pair.run(for: .seconds(1))
            }
            #expect(pair.sides[1 - starter].received.last == [2])
        }
    }

    @Test func `traffic may move to another address at any time`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(1))
        pair.sides[0].endpoint = Endpoint(.v4(IPv4Address(203, 0, 113, 9)), port: 4000)
        pair.send([2], from: 0)
        pair.send([3], from: 1)
        try pair.run(for: .seconds(1))
        #expect(pair.sides[1].received == [[1], [2]])
        #expect(pair.sides[0].received == [[3]])
        #expect(pair.messages(ofType: 1).count == 1)
    }
}
