package import Crypto
package import Wire

/// What tells by hashes alone who sent a handshake message: somebody who knows this node (mac1), and somebody who received a
/// cookie of ours where it says it is (mac2). For those who judge messages before the responder does.
package struct HandshakeMACs: Sendable {
    private let keys: MACKeys
    private let cookies: CookieIssuer

    /// Precondition: `cookieSecret` has 32 bytes.
    package init(keys: MACKeys, cookieSecret: Secret) {
        self.init(keys: keys, cookies: CookieIssuer(keys: keys, secret: cookieSecret))
    }

    init(keys: MACKeys, cookies: CookieIssuer) {
        self.keys = keys
        self.cookies = cookies
    }

    package func hasValidMAC1(_ message: [UInt8]) -> Bool { keys.hasValidMAC1(message) }

    /// Whether `message` ends with the mac2 that a cookie of now makes for a sender at `source`.
    package func hasValidMAC2(_ message: [UInt8], from source: Endpoint) -> Bool {
        cookies.hasValidMAC2(message, from: source)
    }

    /// The mac2 over a message that ends with its mac1.
    package func mac2(over message: [UInt8], from source: Endpoint) -> [UInt8] {
        cookies.mac2(over: message, from: source)
    }
}
