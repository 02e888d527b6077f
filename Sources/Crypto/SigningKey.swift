import COpenSSL
package import Wire

/// An Ed25519 private key (RFC 8032) and its public key. Immutable, so threads may share it.
@safe package final class SigningKey: Sendable {
    package let secret: Secret
    package let publicKey: Bytes32
    nonisolated(unsafe) private let key: OpaquePointer

    /// Takes the 32 random bytes that RFC 8032 §5.1.5 calls the private key. Throws `invalidKey` for any other count.
    package init(secret: Secret) throws(CryptoError) {
        guard secret.count == 32 else { throw .invalidKey }
        self.secret = secret
        unsafe key = RawKey.makePrivate(EVP_PKEY_ED25519, secret)
        unsafe publicKey = RawKey.publicKey(of: key)
    }

    deinit { unsafe EVP_PKEY_free(key) }

    /// 64 bytes, the same for the same message every time.
    package func signature(for message: [UInt8]) -> [UInt8] {
        let context = unsafe require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
        defer { unsafe EVP_MD_CTX_free(context) }
        unsafe require(EVP_DigestSignInit(context, nil, nil, nil, key), "EVP_DigestSignInit")
        var signature: [UInt8] = Array(repeating: 0, count: Ed25519.signatureSize)
        var count = signature.count
        unsafe require(EVP_DigestSign(context, &signature, &count, message, message.count), "EVP_DigestSign")
        return signature
    }
}

package enum Ed25519 {
    package static let signatureSize = 64

    /// Whether `signature` is `publicKey`'s over `message`. A malformed signature or key is simply not valid.
    package static func isValid(_ signature: [UInt8], for message: [UInt8], by publicKey: Bytes32) -> Bool {
        guard signature.count == signatureSize else { return false }
        let key = unsafe RawKey.makePublic(EVP_PKEY_ED25519, publicKey)
        defer { unsafe EVP_PKEY_free(key) }
        let context = unsafe require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
        defer { unsafe EVP_MD_CTX_free(context) }
        unsafe require(EVP_DigestVerifyInit(context, nil, nil, nil, key), "EVP_DigestVerifyInit")
        return unsafe EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}
