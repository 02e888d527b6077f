package import SansIO

/// What one member had this node relay: all circuits of the member share it. A frame counts for the member that sent it.
///
/// The counts may be read by any thread; everything else is the inbound packet thread's, which is why `Sendable` is unchecked.
package final class RelayMeter: @unchecked Sendable {
    package let quota: RelayQuota
    private let counters = RelayCounters()
    /// The member's share of the total rate, and its own rate.
    var share: ByteBucket?
    var own: ByteBucket?
    /// Bytes that came to be relayed in the quota's present period, and which one that was.
    var offered = 0
    var period: UInt64 = 0

    package init(_ quota: RelayQuota = RelayQuota()) {
        self.quota = quota
    }

    package var counts: RelayCounters.Counts { counters.counts }

    /// Whether one more frame may be relayed; what may not is counted. What may is yet to be told by `noteRelayed`.
    package func admits(_ count: Int, at now: Instant) -> Bool {
        guard quota.isLimited, !quota.admits(count, of: self, at: now) else { return true }
        counters.noteDropped(bytes: count)
        quota.counters.noteDropped(bytes: count)
        return false
    }

    /// Counts frames that were relayed, once for each run of them.
    package func noteRelayed(packets: Int, bytes: Int) {
        counters.noteRelayed(packets: packets, bytes: bytes)
        quota.counters.noteRelayed(packets: packets, bytes: bytes)
    }
}
