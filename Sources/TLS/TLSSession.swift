import CTLS
import Wire

/// One TLS connection as a value between two byte streams: what came from the network goes in, what is to go there comes out.
///
/// ```
///   network ── receive ──▶ ┌─────────┐ ── read ──▶ plain bytes
///   network ◀─ takeOutput ─└─────────┘ ◀─ write ── plain bytes
/// ```
/// The side that connected is established only when the other has proven a key of the mesh.
@safe package final class TLSSession {
    /// Plain bytes of one record (RFC 8446 §5.1).
    package static let recordLimit = 16_384

    private let session: OpaquePointer
    /// Owned by `session`.
    private let input: OpaquePointer
    private let output: OpaquePointer
    private let accepted: [Bytes32]
    private let isServer: Bool
    package private(set) var isEstablished = false
    /// The other side said that it sends no more.
    package private(set) var hasEnded = false

    init(_ session: OpaquePointer?, isServer: Bool, accepted: [Bytes32]) {
        unsafe self.session = required(session, "SSL_new")
        unsafe input = required(BIO_new(BIO_s_mem()), "BIO_new")
        unsafe output = required(BIO_new(BIO_s_mem()), "BIO_new")
        self.isServer = isServer
        self.accepted = accepted
        unsafe SSL_set_bio(self.session, input, output)
        if isServer { unsafe SSL_set_accept_state(self.session) } else { unsafe SSL_set_connect_state(self.session) }
    }

    deinit { unsafe SSL_free(session) }

    /// Takes what came from the network.
    package func receive(_ bytes: ArraySlice<UInt8>) {
        guard !bytes.isEmpty else { return }
        let taken = unsafe bytes.withUnsafeBytes { unsafe BIO_write(input, $0.baseAddress, Int32($0.count)) }
        precondition(Int(taken) == bytes.count, "a BIO in memory takes everything")
    }

    /// Goes on with the handshake as far as what was received allows.
    package func advance() throws(TLSError) {
        guard !isEstablished else { return }
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(session)
        guard result == 1 else {
            try checkWaits(result)
            return
        }
        guard isServer || isAccepted else { throw .foreignKey }
        isEstablished = true
    }

    /// Writes plain bytes to the beginning of `buffer` and returns how many; 0 when more must be received first.
    ///
    /// Precondition: established, and `buffer` has room for a record.
    package func read(toStartOf buffer: inout [UInt8]) throws(TLSError) -> Int {
        precondition(isEstablished && buffer.count >= Self.recordLimit)
        ERR_clear_error()
        let count = unsafe SSL_read(session, &buffer, Int32(Self.recordLimit))
        if count > 0 { return Int(count) }
        try checkWaits(count)
        return 0
    }

    /// Seals plain bytes. Precondition: established, and there are bytes.
    package func write(_ bytes: [UInt8]) throws(TLSError) {
        precondition(isEstablished && !bytes.isEmpty)
        ERR_clear_error()
        let count = unsafe SSL_write(session, bytes, Int32(bytes.count))
        if count <= 0 { try checkWaits(count) }
    }

    /// Says that no more will be sent.
    package func close() {
        if isEstablished { unsafe _ = SSL_shutdown(session) }
    }

    /// What is to go to the network.
    package func takeOutput() -> [UInt8] {
        let count = unsafe Int(BIO_ctrl_pending(output))
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = unsafe max(0, Int(BIO_read(output, buffer.baseAddress, Int32(count))))
        }
    }

    /// Passes when the library only waits for more; an end in good order is noted.
    private func checkWaits(_ result: Int32) throws(TLSError) {
        switch unsafe SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
        case SSL_ERROR_ZERO_RETURN: hasEnded = true
        default:
            let code = ERR_get_error()
            let reason = unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
            throw .refused(reason ?? "error \(code)")
        }
    }

    /// Whether the other side's key is the mesh's, or is vouched for by one.
    private var isAccepted: Bool {
        guard let certificate = unsafe SSL_get0_peer_certificate(session),
            let key = unsafe X509_get0_pubkey(certificate)
        else { return false }
        var bytes: [UInt8] = Array(repeating: 0, count: 32)
        var count = bytes.count
        if unsafe EVP_PKEY_get_id(key) == EVP_PKEY_ED25519,
            unsafe EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1,
            let shown = Bytes32(bytes), accepted.contains(shown)
        {
            return true
        }
        return accepted.contains { pin in
            let pinned = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, pin.bytes, 32)
            defer { unsafe EVP_PKEY_free(pinned) }
            return unsafe X509_verify(certificate, pinned) == 1
        }
    }
}
