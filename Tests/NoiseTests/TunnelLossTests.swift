import SansIO
import Testing

@testable import Noise

/// A link that loses, repeats and reorders.
@Suite struct TunnelLossTests {
    @Test(arguments: 0..<12 as Range<UInt64>)
    func `packets arrive once each, whatever the link does`(_ seed: UInt64) throws {
        let limits: Limits = seed.isMultiple(of: 2) ? .kubeMesh : .wireGuard
        var pair = try Pair(seed: seed, limits: [limits, limits])
        pair.link.loss = 0.2
        pair.link.duplication = 0.2
        pair.link.latency = 1...400
        var sent: Set<[UInt8]> = []
        var random = SeededRandom(seed: seed)
        while pair.now < .zero + .seconds(400) {
            let packet = Pair.bytes(12, using: &random)
            sent.insert(packet)
            pair.send(packet, from: Int.random(in: 0..<2, using: &random))
            try pair.run(for: .milliseconds(Int.random(in: 1...500, using: &random)))
        }
        pair.link = Pair.Link()
        try pair.run(for: .seconds(30))
        let received = pair.sides.flatMap(\.received)
        #expect(received.count == Set(received).count, "nothing arrives twice, seed \(seed)")
        #expect(sent.isSuperset(of: received), "nothing arrives that was not sent, seed \(seed)")
        #expect(received.count > sent.count * 7 / 10, "what the link carries arrives, seed \(seed)")
        for side in 0..<2 {
            let last: [UInt8] = [UInt8(side)]
            pair.send(last, from: side)
            try pair.run(for: .seconds(10))
            #expect(pair.sides[1 - side].received.last == last, "once healed, the tunnel works, seed \(seed)")
            #expect(pair.leakedIndices(of: side).isEmpty)
            #expect(pair.sides[side].liveIndices.count <= 4)
        }
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func `a session comes about in seconds over a link that loses a third`(_ seed: UInt64) throws {
        var pair = try Pair(seed: seed, limits: [.kubeMesh, .kubeMesh])
        pair.link.loss = 0.33
        pair.link.latency = 20...60
        pair.send([1], from: 0)
        try pair.run(for: .seconds(30))
        #expect(pair.sides[0].tunnel.lastSessionAt != nil, "seed \(seed)")
        #expect(pair.sides[0].failures == 0)
    }
}
