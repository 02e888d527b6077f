import SansIO
import Wire

/// A token bucket for each source, an IPv4 address or an IPv6 /64, of a bounded number of sources.
///
/// A bucket that was left alone until it was full again need not be kept: buckets live in two generations of that time each, and
/// one that is used moves to the younger. When the younger is full, new sources wait for the next generation.
struct SourceBuckets: Sendable {
    private let rate: Int
    private let burst: Int
    private let limit: Int
    private let generationTime: Duration
    private var young: [IPPrefix: TokenBucket] = [:]
    private var old: [IPPrefix: TokenBucket] = [:]
    private var turnsAt = Instant.zero

    /// Remembers twice `limit` sources at most.
    init(rate: Int, burst: Int, limit: Int) {
        self.rate = rate
        self.burst = burst
        self.limit = limit
        generationTime = .seconds(1 + burst / rate)
    }

    var count: Int { young.count + old.count }

    /// Takes one of the source's tokens; `false` when it has none left or there is no room for the source.
    mutating func take(from source: IPAddress, at now: Instant) -> Bool {
        if now >= turnsAt {
            old = now < turnsAt + generationTime ? young : [:]
            young = [:]
            turnsAt = now + generationTime
        }
        let address = source.unmapped
        let group = IPPrefix(address, length: address.isIPv4 ? 32 : 64) ?? IPPrefix(address)
        guard young[group] != nil || young.count < limit else { return false }
        var bucket = young[group] ?? old[group] ?? TokenBucket(rate: rate, burst: burst, now: now)
        let isThere = bucket.take(at: now)
        young[group] = bucket
        return isThere
    }
}
