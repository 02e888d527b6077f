import COpenSSL
package import Wire

/// An X25519 private key (RFC 7748) and its public key.
///
/// Immutable, so threads may share it; every agreement has a context of its own.
@safe package final class AgreementKey: Sendable {
    package let secret: Secret
    package let publicKey: Bytes32
    nonisolated(unsafe) private let key: OpaquePointer

    /// Takes 32 random bytes; X25519 itself clamps them. Throws `invalidKey` for any other count.
    package init(secret: Secret) throws(CryptoError) {
        guard secret.count == 32 else { throw .invalidKey }
        self.secret = secret
        unsafe key = RawKey.makePrivate(EVP_PKEY_X25519, secret)
        unsafe publicKey = RawKey.publicKey(of: key)
    }

    deinit { unsafe EVP_PKEY_free(key) }

    /// The Diffie–Hellman result with another party's public key, 32 bytes.
    ///
    /// Throws `weakPublicKey` when it is all zeros.
    package func sharedSecret(with publicKey: Bytes32) throws(CryptoError) -> Secret {
        let peer = unsafe RawKey.makePublic(EVP_PKEY_X25519, publicKey)
        defer { unsafe EVP_PKEY_free(peer) }
        let context = unsafe require(EVP_PKEY_CTX_new(key, nil), "EVP_PKEY_CTX_new")
        defer { unsafe EVP_PKEY_CTX_free(context) }
        unsafe require(EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
        unsafe require(EVP_PKEY_derive_set_peer_ex(context, peer, 0), "EVP_PKEY_derive_set_peer_ex")
        var isDerived = false
        let result = unsafe Secret(count: 32) { output in
            var count = output.count
            let start = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            isDerived = unsafe EVP_PKEY_derive(context, start, &count) == 1
        }
        guard isDerived, result != Secret(Array(repeating: 0, count: 32)) else { throw .weakPublicKey }
        return result
    }
}

/// libcrypto's key objects from and to their 32 raw bytes.
@safe enum RawKey {
    /// Precondition: `secret` has 32 bytes. The caller frees the result.
    static func makePrivate(_ type: Int32, _ secret: Secret) -> OpaquePointer {
        unsafe secret.withBytes { secret in
            let start = unsafe secret.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return unsafe require(
                EVP_PKEY_new_raw_private_key(type, nil, start, secret.count), "EVP_PKEY_new_raw_private_key")
        }
    }

    /// The caller frees the result.
    static func makePublic(_ type: Int32, _ publicKey: Bytes32) -> OpaquePointer {
        unsafe require(
            EVP_PKEY_new_raw_public_key(type, nil, publicKey.bytes, 32), "EVP_PKEY_new_raw_public_key")
    }

    static func publicKey(of key: OpaquePointer) -> Bytes32 {
        var bytes: [UInt8] = Array(repeating: 0, count: 32)
        var count = bytes.count
        unsafe require(EVP_PKEY_get_raw_public_key(key, &bytes, &count), "EVP_PKEY_get_raw_public_key")
        guard let value = Bytes32(bytes) else { preconditionFailure("a raw public key has 32 bytes") }
        return value
    }
}
