import SansIO
import Wire

/// Bounds the streams of hosts that have not shown yet that they belong to the mesh: in all, by source, and by time.
struct StrangerLimiter {
    static let limit = 256
    /// Many hosts of one site come from one address, after a relay's restart all at once.
    static let limitPerSource = 64
    /// Handshakes cost us a signature each.
    static let handshakesPerSecond = 100
    static let handshakeBurst = 256

    private var counts: [IPAddress: Int] = [:]
    private var total = 0
    private var handshakes: TokenBucket

    init(at now: Instant) {
        handshakes = TokenBucket(rate: Self.handshakesPerSecond, burst: Self.handshakeBurst, now: now)
    }

    /// Whether one more may come from here; if so it counts until `remove`.
    mutating func admit(_ source: IPAddress, at now: Instant) -> Bool {
        let key = Self.key(source)
        guard total < Self.limit, counts[key, default: 0] < Self.limitPerSource, handshakes.take(at: now) else {
            return false
        }
        total += 1
        counts[key, default: 0] += 1
        return true
    }

    /// One is gone, or has shown itself to be a member.
    mutating func remove(_ source: IPAddress) {
        let key = Self.key(source)
        guard let count = counts[key] else { return }
        total -= 1
        counts[key] = count > 1 ? count - 1 : nil
    }

    /// A host has a whole /64 of IPv6 to itself.
    private static func key(_ source: IPAddress) -> IPAddress {
        switch source {
        case .v4: source
        case .v6(let address): .v6(IPv6Address(high: address.high, low: 0))
        }
    }
}
