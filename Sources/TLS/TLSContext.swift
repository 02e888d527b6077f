import CTLS
package import Crypto
import Wire

/// What every TLS connection of a host shares: the mesh's certificate and the keys that are accepted of others.
///
/// TLS 1.3 alone, without resumption. The certificate is made here, with a subject that says nothing. While the mesh secret
/// changes it is signed by the key of the secret before, so that who knows only that one accepts it too.
///
/// Immutable once made, so threads may share it.
@safe package final class TLSContext: Sendable {
    nonisolated(unsafe) private let context: OpaquePointer
    private let accepted: [Bytes32]

    /// - Parameter secrets: the mesh secrets that are accepted, the current one first. Precondition: there is one.
    package init(secrets: [Secret]) {
        precondition(!secrets.isEmpty)
        let keys = secrets.map(StreamKey.init)
        accepted = keys.map(\.publicKey)
        let context = unsafe required(SSL_CTX_new(TLS_method()), "SSL_CTX_new")
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_3_VERSION), nil)
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
        unsafe SSL_CTX_set_num_tickets(context, 0)
        // Whose key it is is looked at when the handshake is done: no authority and no name has a say in it.
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        let own = unsafe Self.privateKey(keys[0])
        let issuer = unsafe Self.privateKey(keys[keys.count - 1])
        let certificate = unsafe Self.certificate(of: own, signedBy: issuer)
        unsafe SSL_CTX_use_certificate(context, certificate)
        unsafe SSL_CTX_use_PrivateKey(context, own)
        unsafe X509_free(certificate)
        unsafe EVP_PKEY_free(own)
        unsafe EVP_PKEY_free(issuer)
        unsafe self.context = context
    }

    deinit { unsafe SSL_CTX_free(context) }

    /// The side that was connected to.
    package func server() -> TLSSession {
        unsafe TLSSession(SSL_new(context), isServer: true, accepted: [])
    }

    /// The side that connected. `serverName` is shown to the network (SNI) and means nothing else.
    package func client(serverName: String?) -> TLSSession {
        let session = unsafe SSL_new(context)
        if let serverName, let session = unsafe session {
            unsafe serverName.withCString { name in
                _ = unsafe SSL_ctrl(
                    session, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name),
                    UnsafeMutableRawPointer(mutating: name))
            }
        }
        return unsafe TLSSession(session, isServer: false, accepted: accepted)
    }

    private static func privateKey(_ key: StreamKey) -> OpaquePointer {
        let bytes = key.key.secret.bytes
        return unsafe required(
            EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, bytes, bytes.count), "EVP_PKEY_new_raw_private_key")
    }

    /// A certificate that any host might have made for itself, valid beyond what clocks say.
    private static func certificate(of key: OpaquePointer, signedBy issuer: OpaquePointer) -> OpaquePointer {
        let certificate = unsafe required(X509_new(), "X509_new")
        unsafe X509_set_version(certificate, Int(X509_VERSION_3))
        unsafe ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1)
        unsafe ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20200101000000Z")
        unsafe ASN1_TIME_set_string(X509_getm_notAfter(certificate), "20491231235959Z")
        let name = unsafe X509_get_subject_name(certificate)
        unsafe X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, "localhost", -1, -1, 0)
        unsafe X509_set_issuer_name(certificate, name)
        unsafe X509_set_pubkey(certificate, key)
        precondition(unsafe X509_sign(certificate, issuer, nil) > 0, "X509_sign failed")
        return unsafe certificate
    }
}

/// Unwraps an object of the library, which is absent only when memory has run out.
func required(_ object: OpaquePointer?, _ call: StaticString) -> OpaquePointer {
    guard let object = unsafe object else { preconditionFailure("\(call) failed") }
    return unsafe object
}
