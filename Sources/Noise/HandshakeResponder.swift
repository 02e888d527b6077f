package import Crypto
package import SansIO
package import Wire

/// A node's door for handshake messages: cheap checks before any expensive one (WireGuard paper §5.3 and §5.4.7).
///
/// For each message of type 1 or 2, `examine` first:
///
///     mac1 wrong ──────────────────────────────▶ drop      the sender does not know us; costs one hash
///     a response ──────────────────────────────▶ accept    see below
///     not under load ──────────────────────────▶ accept
///     under load, mac2 wrong or absent ────────▶ reply     with a cookie, smaller than the message it answers
///     under load, mac2 right, source too busy ─▶ drop
///     under load, mac2 right ──────────────────▶ accept
///
/// An accepted initiation then goes through `open`, which costs one Diffie–Hellman and names the peer; an accepted
/// response goes to the tunnel that its receiver index names. Responses need no cookie and are no load, since nobody who
/// has not seen our initiation guesses that index; so a node that starts a thousand sessions at once is not its own flood.
package struct HandshakeResponder: Sendable {
    package enum Verdict: Equatable, Sendable {
        case accept
        /// Send this cookie reply to the source.
        case reply([UInt8])
        case drop(Reason)
    }

    package enum Reason: Equatable, Sendable {
        case malformed
        case wrongMAC1
        case sourceTooBusy
    }

    package static let cookieSecretLifetime: Duration = .seconds(120)
    /// Being under load lasts this long beyond the last moment of too many handshakes.
    private static let loadTime: Duration = .seconds(1)

    private let key: AgreementKey
    private let macKeys: MACKeys
    private var cookies: CookieIssuer
    private var secretExpiresAt: Instant
    private var load: TokenBucket
    private var underLoadUntil = Instant.zero
    private var sources: SourceLimiter

    /// More than `handshakeRate` initiations a second, after a burst of half as many, is load. One costs about a
    /// fifth of a millisecond, so the default leaves most of the control thread to other work.
    ///
    /// Preconditions: `cookieSecret` has 32 random bytes, `handshakeRate` is at least 2.
    package init(key: AgreementKey, cookieSecret: Secret, handshakeRate: Int = 1000, at now: Instant) {
        self.key = key
        macKeys = MACKeys(receiver: key.publicKey)
        cookies = CookieIssuer(keys: macKeys, secret: cookieSecret)
        secretExpiresAt = now + Self.cookieSecretLifetime
        load = TokenBucket(rate: handshakeRate, burst: handshakeRate / 2, now: now)
        sources = SourceLimiter(at: now)
    }

    /// What initiations are judged by before they come here; another with every cookie secret.
    package var macs: HandshakeMACs { HandshakeMACs(keys: macKeys, cookies: cookies) }

    /// When the cookie secret must be replaced.
    package var nextDeadline: Instant { secretExpiresAt }

    /// Replaces the secret that cookies are made with. Precondition: 32 random bytes.
    package mutating func replaceCookieSecret(_ secret: Secret, at now: Instant) {
        cookies.replaceSecret(secret)
        secretExpiresAt = now + Self.cookieSecretLifetime
    }

    package func isUnderLoad(at now: Instant) -> Bool { now < underLoadUntil }

    /// Judges a handshake message, of type 1 or 2, by its MACs and by how busy we and its source are.
    package mutating func examine(_ message: [UInt8], from source: Endpoint, at now: Instant) -> Verdict {
        guard let sender = Self.sender(of: message) else { return .drop(.malformed) }
        guard macKeys.hasValidMAC1(message) else { return .drop(.wrongMAC1) }
        guard message.first == InitiationMessage.type else { return .accept }
        if !load.take(at: now) { underLoadUntil = now + Self.loadTime }
        guard isUnderLoad(at: now) else { return .accept }
        guard cookies.hasValidMAC2(message, from: source) else {
            return .reply(cookies.reply(to: message, sender: sender, from: source))
        }
        return sources.admit(source.address, at: now) ? .accept : .drop(.sourceTooBusy)
    }

    /// Opens an accepted initiation as far as the initiator's static key.
    package func open(_ message: [UInt8]) throws(NoiseError) -> ReceivedInitiation {
        let initiation: InitiationMessage
        do {
            initiation = try InitiationMessage(parsing: message.span)
        } catch {
            throw .malformed(error)
        }
        return try ReceivedInitiation(opening: initiation, with: key)
    }

    /// The sender index of a message that has the type and size of an initiation or a response.
    private static func sender(of message: [UInt8]) -> UInt32? {
        switch (message.first, message.count) {
        case (InitiationMessage.type, InitiationMessage.size), (ResponseMessage.type, ResponseMessage.size):
            var reader = ByteReader(message.span)
            // Cannot fail: the size was checked.
            guard (try? reader.skip(4)) != nil else { return nil }
            return try? reader.readLittleEndianUInt32()
        default:
            return nil
        }
    }
}
