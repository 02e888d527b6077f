import SansIO
import Wire

/// How many handshakes each source may start while we are under load: a token bucket for an IPv4 address or an IPv6 /64.
///
/// A bucket that was left alone for a second is full and need not be kept: buckets live in two generations of a second
/// each, and a bucket that is used moves to the younger. Both are bounded; when the younger is full, new sources wait
/// for the next second. Only sources that returned a cookie come here, so forged addresses cannot fill it.
struct SourceLimiter: Sendable {
    static let rate = 20
    static let burst = 5
    private static let generationTime: Duration = .seconds(1)

    private let sourceLimit: Int
    private var young: [IPPrefix: TokenBucket] = [:]
    private var old: [IPPrefix: TokenBucket] = [:]
    private var turnsAt: Instant

    /// Remembers twice `sourceLimit` sources at most.
    init(sourceLimit: Int = 4096, at now: Instant) {
        self.sourceLimit = sourceLimit
        turnsAt = now + Self.generationTime
    }

    /// Takes one of the source's tokens; `false` when it has none left or there is no room for the source.
    mutating func admit(_ source: IPAddress, at now: Instant) -> Bool {
        if now >= turnsAt { turn(at: now) }
        let source = Self.group(of: source)
        guard young[source] != nil || young.count < sourceLimit else { return false }
        var bucket = young[source] ?? old[source] ?? TokenBucket(rate: Self.rate, burst: Self.burst, now: now)
        let isAdmitted = bucket.take(at: now)
        young[source] = bucket
        return isAdmitted
    }

    private mutating func turn(at now: Instant) {
        old = now < turnsAt + Self.generationTime ? young : [:]
        young = [:]
        turnsAt = now + Self.generationTime
    }

    private static func group(of address: IPAddress) -> IPPrefix {
        let address = address.unmapped
        return IPPrefix(address, length: address.isIPv4 ? 32 : 64) ?? IPPrefix(address)
    }
}
