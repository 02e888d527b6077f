import SansIO
import Traversal

/// How many datagrams a second the control thread is asked to look at: of each sort so many, so that a flood of one leaves the
/// others what they had.
///
/// ```
///   from where a peer is, or along a circuit or link   20,000    rekeying, and what others send in a peer's name
///   initiation with a cookie of ours                    5,000    its sender receives where it says it is
///   initiation without, repeated                        2,000    its sender has waited and is still there
///   initiation without                                 10,000    from strangers, some of whom are asked for a cookie
///   response, cookie reply                              5,000
///   STUN from where a peer is                           1,000    that is easily forged, and nobody sends more
///   STUN                                                5,000    the server has limits of its own for each source
/// ```
/// An initiation without a cookie takes the control thread some 20 µs at most (it answers with a cookie), so that a flood of
/// them has a fifth of a core. The sender of one that is not looked at repeats it after 0.3 s, and is then let in before others.
struct UpcallBudget {
    private var known: TokenBucket
    private var cookies: TokenBucket
    private var repeated: TokenBucket
    private var strangers: TokenBucket
    private var answers: TokenBucket
    private var stun: TokenBucket
    private var knownSTUN: TokenBucket
    private var callers = Callers()

    init(now: Instant) {
        known = TokenBucket(rate: 20_000, burst: 2000, now: now)
        cookies = TokenBucket(rate: 5000, burst: 1000, now: now)
        repeated = TokenBucket(rate: 2000, burst: 500, now: now)
        strangers = TokenBucket(rate: 10_000, burst: 1000, now: now)
        answers = TokenBucket(rate: 5000, burst: 1000, now: now)
        stun = TokenBucket(rate: 5000, burst: 1000, now: now)
        knownSTUN = TokenBucket(rate: 1000, burst: 500, now: now)
    }

    /// Who sent a datagram, as far as that can be told, if it may be handed up; else why not.
    mutating func admit(
        _ kind: DatagramKind, along path: Path, isKnown: Bool, at now: Instant
    ) -> Result<Upcall.Sender, Refusal> {
        if isKnown {
            let isSTUN = kind == .stun
            return (isSTUN ? knownSTUN.take(at: now) : known.take(at: now))
                ? .success(.peer) : .failure(Refusal(reason: isSTUN ? .stunLimit : .upcallLimit))
        }
        switch kind {
        case .initiation(false):
            if case .direct(let endpoint) = path, callers.note(endpoint, at: now), repeated.take(at: now) {
                return .success(.newcomer)
            }
            return strangers.take(at: now) ? .success(.stranger) : .failure(Refusal(reason: .handshakeLimit))
        case .initiation(true): return Self.take(&cookies, else: .handshakeLimit, at: now)
        case .answer: return Self.take(&answers, else: .handshakeLimit, at: now)
        case .stun: return Self.take(&stun, else: .stunLimit, at: now)
        }
    }

    struct Refusal: Error {
        let reason: DropReason
    }

    private static func take(
        _ bucket: inout TokenBucket, else reason: DropReason, at now: Instant
    ) -> Result<Upcall.Sender, Refusal> {
        bucket.take(at: now) ? .success(.newcomer) : .failure(Refusal(reason: reason))
    }
}
