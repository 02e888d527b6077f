import Crypto
import Wire

/// The chaining key and the hash that both sides of a handshake carry along (WireGuard paper §5.4; Noise §5.2).
///
/// A value: a copy tries one continuation and leaves the original to try another.
struct SymmetricState: Sendable {
    private static let construction = BLAKE2s.hash(Array("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s".utf8))
    private static let prologue = BLAKE2s.hash(
        construction.bytes, Array("WireGuard v1 zx2c4 Jason@zx2c4.com".utf8))

    private var chainingKey: Secret
    private var hash: Bytes32

    init(responder publicKey: Bytes32) {
        chainingKey = Secret(Self.construction.bytes)
        hash = BLAKE2s.hash(Self.prologue.bytes, publicKey.bytes)
    }

    /// Takes in an ephemeral public key, into the hash and, since this is a PSK handshake, into the chaining key.
    mutating func mix(ephemeral: Bytes32) {
        mixHash(ephemeral.bytes)
        mixKey(Secret(ephemeral.bytes))
    }

    mutating func mixKey(_ input: Secret) {
        chainingKey = BLAKE2s.kdf1(chainingKey, input)
    }

    /// Takes in a shared secret and returns the key of the next sealed field.
    mutating func mixKeyForField(_ input: Secret) -> Secret {
        let fieldKey: Secret
        (chainingKey, fieldKey) = BLAKE2s.kdf2(chainingKey, input)
        return fieldKey
    }

    /// Takes in the preshared key and returns the key of the next sealed field.
    mutating func mix(presharedKey: Secret) -> Secret {
        let (nextChainingKey, hashInput, fieldKey) = BLAKE2s.kdf3(chainingKey, presharedKey)
        chainingKey = nextChainingKey
        mixHash(hashInput.bytes)
        return fieldKey
    }

    mutating func seal(_ field: [UInt8], key: Secret) -> [UInt8] {
        let sealed = ChaChaPoly.seal(
            field, key: key, nonce: ChaChaPoly.nonce(counter: 0), authenticating: hash.bytes)
        mixHash(sealed)
        return sealed
    }

    mutating func open(_ sealed: [UInt8], key: Secret) throws(CryptoError) -> [UInt8] {
        let field = try ChaChaPoly.open(
            sealed, key: key, nonce: ChaChaPoly.nonce(counter: 0), authenticating: hash.bytes)
        mixHash(sealed)
        return field
    }

    /// The transport keys: the one the initiator sends with, then the one the responder sends with.
    func split() -> (initiator: Secret, responder: Secret) {
        let (initiator, responder) = BLAKE2s.kdf2(chainingKey, Secret([]))
        return (initiator, responder)
    }

    private mutating func mixHash(_ data: [UInt8]) {
        hash = BLAKE2s.hash(hash.bytes, data)
    }
}
