import SansIO
import Wire

/// One wish for a session: initiations sent until the peer answers or it is given up (WireGuard paper §6.4).
struct HandshakeAttempt: Sendable {
    private let limits: Limits
    private var giveUpAt: Instant
    private var initiationsSent = 0
    /// The last initiation, whose response is awaited; `nil` before the first.
    private(set) var initiation: SentInitiation?
    /// When the initiation is repeated; `nil` while a new one is being made.
    private(set) var retryAt: Instant?

    init(limits: Limits, at now: Instant) {
        self.limits = limits
        giveUpAt = now + limits.rekeyAttemptTime
    }

    mutating func note(_ initiation: SentInitiation, at now: Instant) {
        self.initiation = initiation
        retryAt = now + retryDelay(of: initiation)
        initiationsSent += 1
    }

    /// The time for the attempt starts again.
    mutating func extend(at now: Instant) {
        giveUpAt = now + limits.rekeyAttemptTime
    }

    /// Whether a new initiation is to be sent; otherwise the attempt is over. Call it when `retryAt` has come.
    mutating func retry(at now: Instant) -> Bool {
        guard now < giveUpAt else { return false }
        retryAt = nil
        return true
    }

    /// Jitter comes from the ephemeral public key, which is random and no secret.
    private func retryDelay(of initiation: SentInitiation) -> Duration {
        guard initiationsSent >= limits.firstRetries.count else { return limits.firstRetries[initiationsSent] }
        let jitter = initiation.message.ephemeral.leadingUInt64 % UInt64(limits.retryJitter.nanoseconds + 1)
        return limits.rekeyTimeout + .nanoseconds(Int64(jitter))
    }
}
