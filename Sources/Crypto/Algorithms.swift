import COpenSSL

/// Implementations looked up once: OpenSSL's implicit lookup costs as much as the hash itself.
///
/// OpenSSL shares these objects between threads without locks; contexts made from them are not shared.
@safe enum Algorithms {
    nonisolated(unsafe) static let blake2s = unsafe required(EVP_MD_fetch(nil, "BLAKE2S-256", nil))
    nonisolated(unsafe) static let blake2sMAC = unsafe required(EVP_MAC_fetch(nil, "BLAKE2SMAC", nil))
    nonisolated(unsafe) static let chachaPoly = unsafe required(EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil))
    nonisolated(unsafe) static let chacha = unsafe required(EVP_CIPHER_fetch(nil, "ChaCha20", nil))

    private static func required(_ algorithm: OpaquePointer?) -> OpaquePointer {
        guard let algorithm = unsafe algorithm else {
            preconditionFailure("libcrypto lacks an algorithm of its default provider; reinstall OpenSSL 3")
        }
        return unsafe algorithm
    }
}

/// Stops on a failed call that only lack of memory or a broken libcrypto can cause.
func require(_ result: Int32, _ call: StaticString) {
    precondition(result == 1, "\(call) failed")
}

/// Unwraps an object of libcrypto, which is absent only when memory has run out.
func require(_ object: OpaquePointer?, _ call: StaticString) -> OpaquePointer {
    guard let object = unsafe object else { preconditionFailure("\(call) failed") }
    return unsafe object
}
