import Crypto
import Identity
import Wire

/// The outcome of each signature's check, which all nodes of a simulation share: two hundred of them check the same records, and
/// the outcome is the same for all.
///
/// One thread runs a simulation, and nothing of it leaves that thread.
final class SharedSignatures: @unchecked Sendable {
    /// Checks remembered at once; then all are forgotten.
    private static let limit = 1 << 16

    private struct Outcome {
        let message: [UInt8]
        let publicKey: Bytes32
        let isValid: Bool
    }

    private var outcomes: [[UInt8]: Outcome] = [:]
    /// Signatures that were checked indeed.
    private(set) var checkedCount = 0

    var check: SignatureCheck { SignatureCheck { self.isValid($0, for: $1, by: $2) } }

    private func isValid(_ signature: [UInt8], for message: [UInt8], by publicKey: Bytes32) -> Bool {
        if let known = outcomes[signature], known.publicKey == publicKey, known.message == message {
            return known.isValid
        }
        let isValid = Ed25519.isValid(signature, for: message, by: publicKey)
        if outcomes.count >= Self.limit { outcomes = [:] }
        outcomes[signature] = Outcome(message: message, publicKey: publicKey, isValid: isValid)
        checkedCount += 1
        return isValid
    }
}
