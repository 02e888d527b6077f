package import SansIO

/// How often a host takes part in port searches, in whichever role: routers suffer from many mappings, and networks take probes for
/// an attack.
package struct SearchBudget: Sendable {
    /// Between two searches with one peer, unless the network changed.
    package static let peerInterval: Duration = .seconds(600)
    /// Searches with whomever in `peerInterval`.
    package static let hostLimit = 6

    /// When searches were begun, and with whom, within `peerInterval`.
    private var recent: [(peer: Int, at: Instant)] = []
    private var forgivenAt = Instant.zero

    package init() {}

    /// Why there may be no search with `peer` now; `nil`: there may, and it counts from now on.
    package mutating func begin(with peer: Int, at now: Instant) -> SearchMessage.Refusal? {
        recent.removeAll { now - $0.at >= Self.peerInterval }
        if recent.contains(where: { $0.peer == peer && $0.at >= forgivenAt }) { return .tooSoon }
        guard recent.count < Self.hostLimit else { return .busy }
        recent.append((peer, now))
        return nil
    }

    /// A search came to nothing before it began.
    package mutating func forgive(_ peer: Int) { recent.removeAll { $0.peer == peer } }

    /// On another network the searches of before say nothing. What this host has sent still counts.
    package mutating func networkChanged(at now: Instant) { forgivenAt = now }
}
