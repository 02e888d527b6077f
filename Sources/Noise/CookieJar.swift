import Crypto
import SansIO

/// The sender's side of the cookies (WireGuard paper §5.4.4 and §5.4.7): ends handshake messages to one peer with their
/// MACs, and keeps the cookie that the peer may ask for.
struct CookieJar: Sendable {
    private let keys: MACKeys
    /// mac1 of the last message, to which a cookie reply must answer; `nil` once one has.
    private var sentMAC1: [UInt8]?
    private var cookie: (value: [UInt8], expiresAt: Instant)?

    init(keys: MACKeys) {
        self.keys = keys
    }

    /// The message whose fields are `body`: with mac1, and with mac2 if there is a cookie.
    mutating func finish(_ body: [UInt8], at now: Instant) -> [UInt8] {
        let mac1 = keys.mac1(over: body.span)
        sentMAC1 = mac1
        let message = body + mac1
        guard let cookie, now < cookie.expiresAt else { return message + Array(repeating: 0, count: MACKeys.size) }
        return message + BLAKE2s.mac16(key: cookie.value, message.span)
    }

    /// Keeps the cookie of a reply to the last message. It is used from the next message on.
    mutating func take(_ reply: CookieReplyMessage, lifetime: Duration, at now: Instant) throws(NoiseError) {
        guard let sentMAC1 else { throw .unexpectedCookie }
        let value: [UInt8]
        do {
            value = try XChaChaPoly.open(
                reply.sealedCookie, key: keys.cookie, nonce: reply.nonce, authenticating: sentMAC1)
        } catch {
            throw .authenticationFailed
        }
        cookie = (value, now + lifetime)
        self.sentMAC1 = nil
    }
}
