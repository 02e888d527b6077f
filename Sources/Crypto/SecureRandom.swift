/// A generator of unpredictable numbers for a node, seeded once with 32 bytes from the system.
///
/// ChaCha20 with fast key erasure (Bernstein, 2017): each refill spends the first half of a block of keystream on the next
/// key and hands out the rest, so what was handed out cannot be computed from a later state. The same seed gives the same
/// numbers, which is what simulations want.
package struct SecureRandom: RandomNumberGenerator, Sendable {
    private static let outputSize = 480

    private var key: Secret
    private var output: [UInt8] = []

    /// Precondition: `seed` has 32 bytes.
    package init(seed: Secret) {
        precondition(seed.count == 32)
        key = seed
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            if output.isEmpty { refill() }
            let taken = min(count - result.count, output.count)
            result.append(contentsOf: output.suffix(taken))
            output.removeLast(taken)
        }
        return result
    }

    package mutating func secret(_ count: Int) -> Secret { Secret(bytes(count)) }

    package mutating func next() -> UInt64 {
        bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func refill() {
        // The key is used once, so the nonce may be constant.
        let zeros = [UInt8](repeating: 0, count: 32 + Self.outputSize)
        let stream = ChaChaPoly.seal(zeros, key: key, nonce: ChaChaPoly.nonce(counter: 0))
        key = Secret(Array(stream[..<32]))
        output = Array(stream[32..<(32 + Self.outputSize)])
    }
}
