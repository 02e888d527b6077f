import Crypto
import SansIO
import Testing

@testable import Noise

@Suite struct PresharedKeysTests {
    private static let old = Secret(Array(repeating: 1, count: 32))
    private static let new = Secret(Array(repeating: 2, count: 32))

    @Test func `different preshared keys make no session, however often it is tried`() throws {
        var pair = try Pair(
            limits: [.kubeMesh, .kubeMesh],
            presharedKeys: [PresharedKeys(preferred: Self.old), PresharedKeys(preferred: Self.new)])
        pair.send([1], from: 0)
        pair.send([2], from: 1)
        try pair.run(for: .seconds(120))
        for side in pair.sides {
            #expect(side.received.isEmpty)
            #expect(side.usedIndices.isEmpty)
            #expect(side.failures == 1)
            #expect(side.errors.contains(.authenticationFailed))
        }
    }

    @Test func `a preshared key on one side only makes no session`() throws {
        var pair = try Pair(presharedKeys: [PresharedKeys(preferred: Self.old), PresharedKeys()])
        pair.send([1], from: 0)
        try pair.run(for: .seconds(30))
        #expect(pair.sides[1].received.isEmpty)
    }

    // Every two states that may meet while the mesh replaces its secret; see `PresharedKeys`.
    @Test(arguments: [
        (PresharedKeys(preferred: old), PresharedKeys(preferred: old, other: new), 1),
        (PresharedKeys(preferred: old, other: new), PresharedKeys(preferred: old), 1),
        (PresharedKeys(preferred: old, other: new), PresharedKeys(preferred: new, other: old), 1),
        (PresharedKeys(preferred: new, other: old), PresharedKeys(preferred: old, other: new), 1),
        (PresharedKeys(preferred: new, other: old), PresharedKeys(preferred: new), 1),
        (PresharedKeys(preferred: new), PresharedKeys(preferred: new, other: old), 1),
        // The responder prefers a key that the initiator lacks, and offers the other when its response is not taken up.
        (PresharedKeys(preferred: old), PresharedKeys(preferred: new, other: old), 2),
        (PresharedKeys(preferred: new), PresharedKeys(preferred: old, other: new), 2),
    ])
    func `while the secret is replaced every pair of nodes connects`(
        _ initiator: PresharedKeys, _ responder: PresharedKeys, _ initiations: Int
    ) throws {
        var pair = try Pair(limits: [.kubeMesh, .kubeMesh], presharedKeys: [initiator, responder])
        pair.send([1], from: 0)
        try pair.run(for: .seconds(2))
        #expect(pair.sides[1].received == [[1]])
        #expect(pair.messages(ofType: 1).count == initiations)
    }

    @Test func `the secret is replaced while sessions go on`() throws {
        let steps = [
            PresharedKeys(preferred: Self.old), PresharedKeys(preferred: Self.old, other: Self.new),
            PresharedKeys(preferred: Self.new, other: Self.old), PresharedKeys(preferred: Self.new),
        ]
        var pair = try Pair(limits: [.kubeMesh, .kubeMesh], presharedKeys: [steps[0], steps[0]])
        var count = 0
        for step in steps {
            for side in 0..<2 {
                pair.sides[side].tunnel.presharedKeys = step
                for _ in 0..<140 {
                    pair.send([UInt8(count & 255)], from: count % 2)
                    count += 1
                    try pair.run(for: .seconds(1))
                }
            }
        }
        #expect(pair.sides[0].received.count + pair.sides[1].received.count == count)
        #expect(pair.messages(ofType: 1).count >= 8)
    }
}
