import Crypto
import Wire

/// A fingerprint of everything that happened in a run, in order: two runs of one seed have the same.
struct RunDigest: Sendable {
    private static let blockSize = 64 * 1024

    private var state: [UInt8] = []
    private var pending = ByteWriter(capacity: blockSize)

    mutating func add(_ numbers: UInt64..., bytes: [UInt8] = []) {
        for number in numbers { pending.append(bigEndian: number) }
        pending.append(bigEndian: UInt64(bytes.count))
        pending.append(bytes)
        guard pending.bytes.count >= Self.blockSize else { return }
        state = BLAKE2s.hash(state, pending.bytes).bytes
        pending = ByteWriter(capacity: Self.blockSize)
    }

    /// Of all that was added so far.
    var value: Bytes32 { BLAKE2s.hash(state, pending.bytes) }
}
