import COpenSSL

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): a 24-byte nonce, so random ones do not collide.
///
/// libcrypto lacks it; HChaCha20 is taken from its ChaCha20 block function.
package enum XChaChaPoly {
    package static let nonceSize = 24

    /// The ciphertext of `message`, then the 16-byte tag. Preconditions: 32 bytes of key, 24 of nonce.
    package static func seal(
        _ message: [UInt8], key: Secret, nonce: [UInt8], authenticating data: [UInt8] = []
    ) -> [UInt8] {
        precondition(nonce.count == nonceSize)
        return ChaChaPoly.seal(
            message, key: subkey(key, nonce), nonce: [0, 0, 0, 0] + nonce.suffix(8), authenticating: data)
    }

    /// The message that `seal` took. Throws `authenticationFailed`. Preconditions: 32 bytes of key, 24 of nonce.
    package static func open(
        _ sealed: [UInt8], key: Secret, nonce: [UInt8], authenticating data: [UInt8] = []
    ) throws(CryptoError) -> [UInt8] {
        precondition(nonce.count == nonceSize)
        return try ChaChaPoly.open(
            sealed, key: subkey(key, nonce), nonce: [0, 0, 0, 0] + nonce.suffix(8), authenticating: data)
    }

    /// HChaCha20 (draft §2.2) of the first 16 bytes of `nonce`.
    ///
    /// A ChaCha20 block is the permuted state plus the initial state, and HChaCha20 is words 0–3 and 12–15 of the
    /// permuted state alone: so run the block over zeros and subtract the initial words.
    static func subkey(_ key: Secret, _ nonce: [UInt8]) -> Secret {
        let input = Array(nonce.prefix(16))
        let block = keyStreamBlock(key, input)
        let constants = Array("expand 32-byte k".utf8)
        return unsafe Secret(count: 32) { output in
            for word in 0..<4 {
                unsafe write(difference(block, word, constants, word), at: word, to: output)
                unsafe write(difference(block, word + 12, input, word), at: word + 4, to: output)
            }
        }
    }

    /// ChaCha20 over 64 zero bytes with `input` as block counter and nonce.
    private static func keyStreamBlock(_ key: Secret, _ input: [UInt8]) -> Secret {
        let context = unsafe require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        return unsafe Secret(count: 64) { block in
            unsafe key.withBytes { key in
                let start = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
                unsafe require(
                    EVP_EncryptInit_ex(context, Algorithms.chacha, nil, start, input), "EVP_EncryptInit_ex")
            }
            var written: Int32 = 0
            let start = unsafe block.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe require(EVP_EncryptUpdate(context, start, &written, start, 64), "EVP_EncryptUpdate")
        }
    }

    private static func difference(_ block: Secret, _ blockWord: Int, _ initial: [UInt8], _ word: Int) -> UInt32 {
        let sum = unsafe block.withBytes { block in
            unsafe UInt32(littleEndian: block.load(fromByteOffset: 4 * blockWord, as: UInt32.self))
        }
        let start = (0..<4).reduce(UInt32(0)) { $0 | UInt32(initial[4 * word + $1]) << (8 * UInt32($1)) }
        return sum &- start
    }

    private static func write(_ value: UInt32, at word: Int, to output: UnsafeMutableRawBufferPointer) {
        unsafe output.storeBytes(of: value.littleEndian, toByteOffset: 4 * word, as: UInt32.self)
    }
}
