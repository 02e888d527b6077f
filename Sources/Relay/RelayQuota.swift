import SansIO
import Synchronization

/// How much this node relays: a rate for all members together and one for each, both in bytes a second.
///
/// Who sends too much is held back by dropping, as a link of that rate would. The total is shared fairly by max-min: nobody
/// gets less than the others unless it asks for less.
/// ```
///   every 100 ms:   share = the level L at which  Σ min(asked of i, L)  is the total rate
///   each frame:     within the member's share ─────────────────────────────▶ goes on
///                   beyond it, and more than half of 100 ms' total is left ─▶ goes on
///                   else ──────────────────────────────────────────────────▶ dropped
/// ```
/// So members above their share lose first, and what others leave unused is not wasted. A bucket holds what 100 ms bring in.
///
/// The rates may be set by any thread; the rest is the inbound packet thread's, which is why `Sendable` is unchecked.
package final class RelayQuota: @unchecked Sendable {
    private static let period: Duration = .milliseconds(100)
    private static let debtTime: Duration = .milliseconds(500)
    /// Members that are told apart in one period; more of them share what is left.
    private static let memberLimit = 4096

    let counters = RelayCounters()
    private let totalRate = Atomic<Int>(0)
    private let memberRate = Atomic<Int>(0)

    private var total: ByteBucket?
    private var share = 0.0
    private var members: [RelayMeter] = []
    private var periodNumber: UInt64 = 1
    private var periodStart = Instant.zero
    private var asked: [Double] = []

    package init() {}

    /// Sets the rates in bytes a second; 0 is no limit.
    package func setRates(total: Int, perMember: Int) {
        precondition(total >= 0 && perMember >= 0)
        totalRate.store(total, ordering: .relaxed)
        memberRate.store(perMember, ordering: .relaxed)
    }

    /// What was relayed for all members, those included that are gone.
    package var counts: RelayCounters.Counts { counters.counts }

    package var isLimited: Bool {
        totalRate.load(ordering: .relaxed) > 0 || memberRate.load(ordering: .relaxed) > 0
    }

    /// Whether a frame of `count` bytes may go on, sent by the member that `meter` belongs to.
    func admits(_ count: Int, of meter: RelayMeter, at now: Instant) -> Bool {
        let memberRate = Double(memberRate.load(ordering: .relaxed))
        if now - periodStart >= Self.period { turn(memberRate: memberRate, at: now) }
        if meter.period != periodNumber, members.count < Self.memberLimit {
            meter.period = periodNumber
            meter.offered = 0
            members.append(meter)
        }
        meter.offered &+= count
        let isWithinOwn = memberRate == 0 || Self.has(count, in: &meter.own, rate: memberRate, at: now)
        guard isWithinOwn, isWithinTotal(count, of: meter, at: now) else { return false }
        meter.own?.take(count)
        meter.share?.take(count)
        total?.take(count)
        return true
    }

    private func isWithinTotal(_ count: Int, of meter: RelayMeter, at now: Instant) -> Bool {
        let rate = Double(totalRate.load(ordering: .relaxed))
        guard rate > 0 else { return true }
        let isLeft = Self.has(count, in: &total, rate: rate, at: now)
        let isWithinShare = Self.has(count, in: &meter.share, rate: max(share, 1), at: now)
        guard let total else { return true }
        // Shares together are the total, but newcomers count only from the next period on: hence the bound below.
        return isWithinShare ? total.level > -total.limit : isLeft && total.level > total.limit / 2
    }

    private static func has(_ count: Int, in bucket: inout ByteBucket?, rate: Double, at now: Instant) -> Bool {
        if bucket == nil { bucket = ByteBucket(rate: rate, at: now) }
        if bucket?.rate != rate { bucket?.setRate(rate, at: now) }
        bucket?.fill(at: now)
        return bucket.map { $0.level >= Double(count) } ?? true
    }

    /// Ends the period: what each member asked for in it decides the share in the next.
    private func turn(memberRate: Double, at now: Instant) {
        let seconds = (now - periodStart).seconds
        let limit = memberRate == 0 ? Double.infinity : memberRate
        asked.removeAll(keepingCapacity: true)
        for member in members { asked.append(min(limit, Double(member.offered) / seconds)) }
        // What newcomers took beyond the total is made good over the next half second.
        let debt = min(0, total?.level ?? 0)
        let rate = max(0, Double(totalRate.load(ordering: .relaxed)) + debt / Self.debtTime.seconds)
        share = Self.share(of: rate, asked: &asked)
        members.removeAll(keepingCapacity: true)
        periodNumber &+= 1
        periodStart = now
    }

    /// The level up to which everybody gets what it asks for. What nobody asked for is everybody's to grow into.
    static func share(of rate: Double, asked: inout [Double]) -> Double {
        asked.sort()
        var left = rate
        for (index, demand) in asked.enumerated() {
            let level = left / Double(asked.count - index)
            if demand > level { return level }
            left -= demand
        }
        return (asked.last ?? 0) + left
    }
}
