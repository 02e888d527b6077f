import Crypto
package import Wire

/// How signatures are checked: every one anew, or, where many nodes in one process check the same ones, each once for all.
package struct SignatureCheck: Sendable {
    /// Whether a signature (Ed25519) over a message is a public key's.
    package let isValid: @Sendable (_ signature: [UInt8], _ message: [UInt8], _ publicKey: Bytes32) -> Bool

    package init(_ isValid: @escaping @Sendable ([UInt8], [UInt8], Bytes32) -> Bool) {
        self.isValid = isValid
    }

    package static let direct = SignatureCheck { Ed25519.isValid($0, for: $1, by: $2) }
}
