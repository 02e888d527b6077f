import COpenSSL
package import Wire

/// BLAKE2s-256 (RFC 7693) and what WireGuard builds from it (paper §5.4): MAC, HMAC and KDF1 to KDF3.
package enum BLAKE2s {
    static let blockSize = 64

    package static func hash(_ parts: [UInt8]...) -> Bytes32 {
        let context = DigestContext()
        for part in parts { unsafe part.withUnsafeBytes { part in unsafe context.update(part) } }
        var output: [UInt8] = Array(repeating: 0, count: 32)
        unsafe output.withUnsafeMutableBytes { output in unsafe context.finish(into: output) }
        return value(output)
    }

    /// The keyed hash with 16 bytes of output, WireGuard's `Mac`. The key has 1 to 32 bytes.
    package static func mac16(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] {
        mac(key: key, message, outputCount: 16)
    }

    /// The keyed hash with 32 bytes of output. The key has 1 to 32 bytes.
    package static func mac32(key: [UInt8], _ message: Span<UInt8>) -> Bytes32 {
        value(mac(key: key, message, outputCount: 32))
    }

    /// HMAC (RFC 2104) with BLAKE2s-256 as its hash; keys longer than a block are hashed first.
    package static func hmac(key: Secret, _ message: [UInt8]) -> Secret {
        unsafe message.withUnsafeBytes { message in unsafe hmac(key: key, message, suffix: nil) }
    }

    private static func mac(key: [UInt8], _ message: Span<UInt8>, outputCount: Int) -> [UInt8] {
        precondition((1...32).contains(key.count))
        let context = unsafe require(EVP_MAC_CTX_new(Algorithms.blake2sMAC), "EVP_MAC_CTX_new")
        defer { unsafe EVP_MAC_CTX_free(context) }
        var size = outputCount
        unsafe OSSL_MAC_PARAM_SIZE.withCString { name in
            var parameters = unsafe [OSSL_PARAM_construct_size_t(name, &size), OSSL_PARAM_construct_end()]
            unsafe require(EVP_MAC_init(context, key, key.count, &parameters), "EVP_MAC_init")
        }
        unsafe message.withUnsafeBytes { message in
            let start = unsafe message.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe require(EVP_MAC_update(context, start, message.count), "EVP_MAC_update")
        }
        var output: [UInt8] = Array(repeating: 0, count: outputCount)
        var written = 0
        unsafe require(EVP_MAC_final(context, &output, &written, outputCount), "EVP_MAC_final")
        return output
    }

    private static func hmac(key: Secret, _ message: UnsafeRawBufferPointer, suffix: UInt8?) -> Secret {
        let inner = unsafe Secret(count: 32) { output in
            startHMAC(key: key, pad: 0x36) { context in
                unsafe context.update(message)
                if var suffix { unsafe withUnsafeBytes(of: &suffix) { suffix in unsafe context.update(suffix) } }
                unsafe context.finish(into: output)
            }
        }
        return unsafe Secret(count: 32) { output in
            startHMAC(key: key, pad: 0x5c) { context in
                unsafe inner.withBytes { inner in unsafe context.update(inner) }
                unsafe context.finish(into: output)
            }
        }
    }

    /// Hands `body` a digest that has taken the block of `key` exclusive-or `pad`.
    private static func startHMAC(key: Secret, pad: UInt8, _ body: (borrowing DigestContext) -> Void) {
        let block = unsafe Secret(count: blockSize) { block in
            unsafe key.withBytes { key in
                if key.count > blockSize {
                    let context = DigestContext()
                    unsafe context.update(key)
                    unsafe context.finish(into: UnsafeMutableRawBufferPointer(rebasing: block[..<32]))
                } else {
                    unsafe block.copyMemory(from: key)
                }
            }
            for index in block.indices { unsafe block[index] ^= pad }
        }
        let context = DigestContext()
        unsafe block.withBytes { block in unsafe context.update(block) }
        body(context)
    }

    private static func value(_ bytes: [UInt8]) -> Bytes32 {
        guard let value = Bytes32(bytes) else { preconditionFailure("a BLAKE2s-256 digest has 32 bytes") }
        return value
    }
}

// MARK: key derivation

extension BLAKE2s {
    /// WireGuard's `Kdf1(key, input)`: HKDF (RFC 5869) without `info`, one block of output.
    package static func kdf1(_ key: Secret, _ input: Secret) -> Secret {
        expand(extract(key, input), previous: nil, number: 1)
    }

    package static func kdf2(_ key: Secret, _ input: Secret) -> (Secret, Secret) {
        let extracted = extract(key, input)
        let first = expand(extracted, previous: nil, number: 1)
        return (first, expand(extracted, previous: first, number: 2))
    }

    package static func kdf3(_ key: Secret, _ input: Secret) -> (Secret, Secret, Secret) {
        let extracted = extract(key, input)
        let first = expand(extracted, previous: nil, number: 1)
        let second = expand(extracted, previous: first, number: 2)
        return (first, second, expand(extracted, previous: second, number: 3))
    }

    private static func extract(_ key: Secret, _ input: Secret) -> Secret {
        unsafe input.withBytes { input in unsafe hmac(key: key, input, suffix: nil) }
    }

    private static func expand(_ key: Secret, previous: Secret?, number: UInt8) -> Secret {
        guard let previous else { return hmac(key: key, [number]) }
        return unsafe previous.withBytes { previous in unsafe hmac(key: key, previous, suffix: number) }
    }
}

/// One BLAKE2s computation; its state is erased by libcrypto when the value ends.
@safe private struct DigestContext: ~Copyable {
    private let context: OpaquePointer

    init() {
        unsafe context = require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
        unsafe require(EVP_DigestInit_ex(context, Algorithms.blake2s, nil), "EVP_DigestInit_ex")
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    func update(_ bytes: UnsafeRawBufferPointer) {
        unsafe require(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count), "EVP_DigestUpdate")
    }

    /// Precondition: `output` has room for 32 bytes.
    func finish(into output: UnsafeMutableRawBufferPointer) {
        precondition(output.count >= 32)
        let start = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe require(EVP_DigestFinal_ex(context, start, nil), "EVP_DigestFinal_ex")
    }
}
