import COpenSSL

/// ChaCha20-Poly1305 (RFC 8439) on whole messages with associated data: the handshake's cipher.
package enum ChaChaPoly {
    package static let tagSize = 16

    /// The ciphertext of `message`, then the 16-byte tag. Preconditions: 32 bytes of key, 12 of nonce.
    package static func seal(
        _ message: [UInt8], key: Secret, nonce: [UInt8], authenticating data: [UInt8] = []
    ) -> [UInt8] {
        let context = CipherContext(key: key, nonce: nonce, direction: .sealing)
        context.authenticate(data)
        var sealed = context.transform(message)
        sealed.append(contentsOf: context.tag())
        return sealed
    }

    /// The message that `seal` took. Throws `authenticationFailed`. Preconditions: 32 bytes of key, 12 of nonce.
    package static func open(
        _ sealed: [UInt8], key: Secret, nonce: [UInt8], authenticating data: [UInt8] = []
    ) throws(CryptoError) -> [UInt8] {
        guard sealed.count >= tagSize else { throw .authenticationFailed }
        let context = CipherContext(key: key, nonce: nonce, direction: .opening)
        context.authenticate(data)
        let message = context.transform(Array(sealed.dropLast(tagSize)))
        guard context.isAuthentic(tag: Array(sealed.suffix(tagSize))) else { throw .authenticationFailed }
        return message
    }

    /// WireGuard's nonce: four zero bytes, then the counter, little-endian.
    package static func nonce(counter: UInt64) -> [UInt8] {
        [0, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: counter >> (8 * UInt64($0))) }
    }
}

/// One message's pass through the cipher.
@safe private struct CipherContext: ~Copyable {
    private let context: OpaquePointer

    init(key: Secret, nonce: [UInt8], direction: PacketCipher.Direction) {
        precondition(key.count == 32 && nonce.count == 12)
        unsafe context = require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        unsafe key.withBytes { key in
            let start = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe require(
                EVP_CipherInit_ex(
                    context, Algorithms.chachaPoly, nil, start, nonce, direction == .sealing ? 1 : 0),
                "EVP_CipherInit_ex")
        }
    }

    deinit { unsafe EVP_CIPHER_CTX_free(context) }

    func authenticate(_ data: [UInt8]) {
        guard !data.isEmpty else { return }
        var written: Int32 = 0
        unsafe require(EVP_CipherUpdate(context, nil, &written, data, Int32(data.count)), "EVP_CipherUpdate")
    }

    func transform(_ input: [UInt8]) -> [UInt8] {
        guard !input.isEmpty else { return [] }
        var output: [UInt8] = Array(repeating: 0, count: input.count)
        var written: Int32 = 0
        unsafe require(
            EVP_CipherUpdate(context, &output, &written, input, Int32(input.count)), "EVP_CipherUpdate")
        return output
    }

    /// Ends sealing.
    func tag() -> [UInt8] {
        var tag: [UInt8] = Array(repeating: 0, count: ChaChaPoly.tagSize)
        var written: Int32 = 0
        unsafe require(EVP_CipherFinal_ex(context, &tag, &written), "EVP_CipherFinal_ex")
        unsafe require(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), &tag), "EVP_CIPHER_CTX_ctrl")
        return tag
    }

    /// Ends opening.
    func isAuthentic(tag: [UInt8]) -> Bool {
        var tag = tag
        var written: Int32 = 0
        unsafe require(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag), "EVP_CIPHER_CTX_ctrl")
        return unsafe EVP_CipherFinal_ex(context, &tag, &written) == 1
    }
}
