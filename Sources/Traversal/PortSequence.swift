/// The order in which the ports of somebody's NAT are probed: first where they are likely to be, then everywhere, no port twice
/// within one pass.
package struct PortSequence: Sendable {
    /// Numbers `0 ..< count` in an order that jumps about: a step that has no divisor in common with `count` meets each once.
    private struct Pass: Sendable {
        let first: Int
        let count: Int
        let step: Int
        let start: Int
        var taken = 0

        mutating func next() -> UInt16? {
            guard taken < count else { return nil }
            defer { taken += 1 }
            return UInt16(first + (start + taken * step) % count)
        }
    }

    /// Ports beyond the last one seen that a NAT which counts upwards may have reached.
    package static let window = 256
    /// Ports of blocks up to this size are probed twice before any others: probes get lost.
    private static let likelyPasses = 2

    private var likely: [UInt16] = []
    private var nextLikely = 0
    private var passes: [Pass]

    package init(_ allocation: PortAllocation, using random: inout some RandomNumberGenerator) {
        passes = []
        switch allocation {
        case .any: break
        case .block(let ports):
            for _ in 0..<Self.likelyPasses { passes.append(Self.pass(over: ports, using: &random)) }
        case .sequential(let last, let stride):
            let range = PortAllocation.wholeRange
            let near = (1...Self.window).map { number in
                let offset = Int(last) + Int(stride) * number - Int(range.lowerBound)
                let count = range.count
                return UInt16(Int(range.lowerBound) + ((offset % count) + count) % count)
            }
            for _ in 0..<Self.likelyPasses { likely += near }
        }
        passes.append(Self.pass(over: PortAllocation.wholeRange, using: &random))
    }

    /// `nil` when every port has been named.
    package mutating func next() -> UInt16? {
        if nextLikely < likely.count {
            defer { nextLikely += 1 }
            return likely[nextLikely]
        }
        while !passes.isEmpty {
            if let port = passes[0].next() { return port }
            passes.removeFirst()
        }
        return nil
    }

    private static func pass(over ports: ClosedRange<UInt16>, using random: inout some RandomNumberGenerator) -> Pass {
        let count = ports.count
        var step = Int.random(in: 1...count, using: &random)
        while greatestCommonDivisor(step, count) != 1 { step = step % count + 1 }
        return Pass(
            first: Int(ports.lowerBound), count: count, step: step, start: Int.random(in: 0..<count, using: &random))
    }

    private static func greatestCommonDivisor(_ one: Int, _ other: Int) -> Int {
        other == 0 ? one : greatestCommonDivisor(other, one % other)
    }
}
