import SansIO

/// How many datagrams a second the control thread is asked to look at: of each sort so many, so that a flood of one leaves the
/// others what they had.
///
/// ```
///   from where a peer is, or along a circuit or link   20,000    rekeying, and what others send in a peer's name
///   initiation with a cookie                            5,000    its sender has been heard of before
///   initiation without                                 10,000    from strangers, some of whom are asked for a cookie
///   response, cookie reply                              5,000
///   STUN                                                5,000    the server has limits of its own for each source
/// ```
/// An initiation without a cookie takes the control thread some 20 µs at most (it answers with a cookie), so that a flood of
/// them has a fifth of a core; the sender of one that is not looked at repeats it after 0.3 s.
struct UpcallBudget {
    private var known: TokenBucket
    private var cookies: TokenBucket
    private var strangers: TokenBucket
    private var answers: TokenBucket
    private var stun: TokenBucket

    init(now: Instant) {
        known = TokenBucket(rate: 20_000, burst: 2000, now: now)
        cookies = TokenBucket(rate: 5000, burst: 1000, now: now)
        strangers = TokenBucket(rate: 10_000, burst: 1000, now: now)
        answers = TokenBucket(rate: 5000, burst: 1000, now: now)
        stun = TokenBucket(rate: 5000, burst: 1000, now: now)
    }

    /// Whether one more may be handed up; else why not.
    mutating func refusal(of kind: DatagramKind, isKnown: Bool, at now: Instant) -> DropReason? {
        if isKnown { return known.take(at: now) ? nil : .upcallLimit }
        switch kind {
        case .initiation(true): return cookies.take(at: now) ? nil : .handshakeLimit
        case .initiation(false): return strangers.take(at: now) ? nil : .handshakeLimit
        case .answer: return answers.take(at: now) ? nil : .handshakeLimit
        case .stun: return stun.take(at: now) ? nil : .stunLimit
        }
    }
}
