/// Why key material or a sealed message was refused.
package enum CryptoError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A private key that is not 32 bytes.
    case invalidKey
    /// An X25519 result of all zeros: the public key has low order (RFC 7748 §6.1).
    case weakPublicKey
    /// The tag does not match: wrong key, nonce or associated data, or altered bytes.
    case authenticationFailed

    package var description: String {
        switch self {
        case .invalidKey: "a private key must have exactly 32 bytes"
        case .weakPublicKey: "the peer's public key is one of the few that yield no secret"
        case .authenticationFailed: "the message was not sealed with this key, or was altered"
        }
    }
}
