import Crypto
import Wire

/// The receiver's side of the cookies (WireGuard paper §5.4.7): a cookie is a MAC of the sender's address under a secret
/// that changes every two minutes, so it takes no memory here and shows that the sender receives at that address.
struct CookieIssuer: Sendable {
    private let keys: MACKeys
    private var secret: [UInt8]
    private var repliesIssued: UInt64 = 0

    /// Precondition: `secret` has 32 bytes.
    init(keys: MACKeys, secret: Secret) {
        self.keys = keys
        self.secret = secret.bytes
    }

    /// Makes all cookies given out so far worthless. Precondition: `secret` has 32 bytes.
    mutating func replaceSecret(_ secret: Secret) {
        precondition(secret.count == 32)
        self.secret = secret.bytes
        repliesIssued = 0
    }

    /// Whether `message` ends with the mac2 of a sender at `source`.
    func hasValidMAC2(_ message: [UInt8], from source: Endpoint) -> Bool {
        MACKeys.hasValidMAC2(message, cookie: cookie(for: source))
    }

    /// The mac2 of a sender at `source` over a message that ends with its mac1.
    func mac2(over message: [UInt8], from source: Endpoint) -> [UInt8] {
        BLAKE2s.mac16(key: cookie(for: source), message.span)
    }

    /// The reply that tells the sender of `message` its cookie. `sender` is the index in that message.
    ///
    /// Nonces are pseudorandom under the secret: the receiver draws no randomness while it is flooded.
    mutating func reply(to message: [UInt8], sender: UInt32, from source: Endpoint) -> [UInt8] {
        var counter = ByteWriter(capacity: 16)
        counter.append(Array("nonce---".utf8))
        counter.append(bigEndian: repliesIssued)
        repliesIssued += 1
        let nonce = Array(BLAKE2s.mac32(key: secret, counter.bytes.span).bytes.prefix(XChaChaPoly.nonceSize))
        let sealed = XChaChaPoly.seal(
            cookie(for: source), key: keys.cookie, nonce: nonce, authenticating: MACKeys.mac1(of: message))
        return CookieReplyMessage(receiver: sender, nonce: nonce, sealedCookie: sealed).bytes
    }

    private func cookie(for source: Endpoint) -> [UInt8] {
        var address = ByteWriter(capacity: 18)
        address.append(source.address.unmapped.bytes)
        address.append(bigEndian: source.port)
        return BLAKE2s.mac16(key: secret, address.bytes.span)
    }
}
