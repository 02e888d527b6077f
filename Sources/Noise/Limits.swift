/// The constants of the WireGuard paper §6.1 and Linux's `messages.h`, as one value.
///
/// Both sides of a tunnel keep their own; they need not agree.
package struct Limits: Equatable, Sendable {
    /// The initiator renews a session after this many messages.
    package var rekeyAfterMessages: UInt64 = 1 << 60
    /// Nobody sends on a session after this many messages.
    package var rejectAfterMessages: UInt64 = .max - 1 << 13
    /// The initiator renews a session of this age when it sends.
    package var rekeyAfterTime: Duration = .seconds(120)
    /// Nobody sends or receives on a session of this age.
    package var rejectAfterTime: Duration = .seconds(180)
    /// How long a handshake is tried.
    package var rekeyAttemptTime: Duration = .seconds(90)
    /// How long a handshake initiation waits for its response, and the least time between two handshakes.
    package var rekeyTimeout: Duration = .seconds(5)
    /// The greatest random addition to each wait for a response.
    package var retryJitter: Duration = .milliseconds(333)
    /// Waits before the first retries, in place of `rekeyTimeout`. Empty for a peer that is a stock WireGuard.
    package var firstRetries: [Duration] = []
    /// How long data received may stay unanswered before an empty packet answers it.
    package var keepaliveTimeout: Duration = .seconds(10)
    /// Initiations of one peer closer together than this are dropped.
    package var initiationInterval: Duration = .milliseconds(20)
    /// How long a cookie is used (the paper's two minutes) less the time it may have travelled.
    package var cookieLifetime: Duration = .seconds(115)
    /// Packets that wait for a session; the oldest makes room.
    package var queueLimit = 128

    /// What every WireGuard implementation does.
    package static let wireGuard = Limits()
    /// Between our own nodes: the first packet waits for the handshake, so a lost message is repeated soon.
    package static let kubeMesh = {
        var limits = Limits()
        limits.firstRetries = [.milliseconds(300), .milliseconds(600), .milliseconds(1200)]
        return limits
    }()

    /// An initiator that only receives renews a session of this age, in time for a keepalive and a handshake.
    package var rekeyAfterTimeReceiving: Duration { rejectAfterTime - keepaliveTimeout - rekeyTimeout }
    /// Data sent that nothing came back for, not even a keepalive, means the session is lost.
    package var newHandshakeTime: Duration { keepaliveTimeout + rekeyTimeout }
    /// Keys are erased when no session was made for this long.
    package var eraseAfterTime: Duration { rejectAfterTime * 3 }
}
