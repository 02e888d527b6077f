import COpenSSL

/// ChaCha20-Poly1305 (RFC 8439) for a stream of numbered packets: one key, one direction, one thread.
///
/// The context is keyed once; a packet sets only its nonce, four zero bytes and the counter, little-endian
/// (WireGuard paper §5.4.6). Re-keying for each packet would cost a fifth more.
@safe package struct PacketCipher: ~Copyable {
    package enum Direction: Sendable { case sealing, opening }

    package static let tagSize = 16

    private let context: OpaquePointer
    private let direction: Direction

    /// Precondition: `key` has 32 bytes.
    package init(key: Secret, direction: Direction) {
        precondition(key.count == 32)
        self.direction = direction
        unsafe context = require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        let encrypts: Int32 = direction == .sealing ? 1 : 0
        unsafe key.withBytes { key in
            let start = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe require(
                EVP_CipherInit_ex(context, Algorithms.chachaPoly, nil, start, nil, encrypts), "EVP_CipherInit_ex")
        }
    }

    deinit { unsafe EVP_CIPHER_CTX_free(context) }

    /// Encrypts `count` bytes from `source` to `destination` and writes the 16-byte tag behind them.
    ///
    /// `destination` has room for `count + 16` bytes and either equals `source` or does not overlap it.
    /// A counter is used once in the life of the key. Precondition: the cipher seals, and `count` fits an `Int32`.
    @unsafe package func seal(
        _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutableRawPointer, counter: UInt64
    ) {
        precondition(direction == .sealing)
        setNonce(counter)
        let output = unsafe destination.assumingMemoryBound(to: UInt8.self)
        var written: Int32 = 0
        if count > 0 {
            let input = unsafe source.assumingMemoryBound(to: UInt8.self)
            unsafe require(EVP_EncryptUpdate(context, output, &written, input, Int32(count)), "EVP_EncryptUpdate")
        }
        unsafe require(EVP_EncryptFinal_ex(context, output + count, &written), "EVP_EncryptFinal_ex")
        unsafe require(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagSize), output + count),
            "EVP_CIPHER_CTX_ctrl")
    }

    /// Checks and decrypts `count` bytes, the last 16 of them the tag, from `source` to `destination`.
    ///
    /// `destination` has room for `count - 16` bytes and either equals `source` or does not overlap it. When the
    /// result is `false` what was written there is not authentic and must not be used.
    @unsafe package func open(
        _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutableRawPointer, counter: UInt64
    ) -> Bool {
        precondition(direction == .opening)
        guard count >= Self.tagSize, count <= Int(Int32.max) else { return false }
        setNonce(counter)
        let length = count - Self.tagSize
        let tag = unsafe UnsafeMutableRawPointer(mutating: source + length)  // Read only, in spite of its type.
        unsafe require(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagSize), tag), "EVP_CIPHER_CTX_ctrl")
        let output = unsafe destination.assumingMemoryBound(to: UInt8.self)
        var written: Int32 = 0
        if length > 0 {
            let input = unsafe source.assumingMemoryBound(to: UInt8.self)
            guard unsafe EVP_DecryptUpdate(context, output, &written, input, Int32(length)) == 1 else { return false }
        }
        return unsafe EVP_DecryptFinal_ex(context, output + length, &written) == 1
    }

    private func setNonce(_ counter: UInt64) {
        // A UInt32 before the UInt64 would be padded; three UInt32 lie as the twelve bytes of the nonce.
        var nonce = (
            UInt32(0), UInt32(truncatingIfNeeded: counter).littleEndian,
            UInt32(truncatingIfNeeded: counter >> 32).littleEndian
        )
        unsafe withUnsafeBytes(of: &nonce) { nonce in
            let start = unsafe nonce.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe require(EVP_CipherInit_ex(context, nil, nil, nil, start, -1), "EVP_CipherInit_ex")
        }
    }
}

// MARK: arrays, for the control thread and the simulator

extension PacketCipher {
    /// The sealed form of `packet`: its ciphertext, then the tag.
    package func seal(_ packet: [UInt8], counter: UInt64) -> [UInt8] {
        var message = packet + Array(repeating: 0, count: Self.tagSize)
        unsafe message.withUnsafeMutableBytes { message in
            guard let start = message.baseAddress else { return }
            unsafe seal(start, count: packet.count, into: start, counter: counter)
        }
        return message
    }

    /// The packet in `message`, or `nil` when it is not authentic.
    package func open(_ message: [UInt8], counter: UInt64) -> [UInt8]? {
        var packet = message
        let isAuthentic = unsafe packet.withUnsafeMutableBytes { packet in
            guard let start = packet.baseAddress else { return false }
            return unsafe open(start, count: packet.count, into: start, counter: counter)
        }
        guard isAuthentic else { return nil }
        packet.removeLast(Self.tagSize)
        return packet
    }
}
