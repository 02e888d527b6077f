import SansIO
import Traversal

/// Where peers were heard apart from their own paths, so that the control thread is not told of each message.
struct Appearances {
    private struct Appearance: Hashable {
        let peer: Int
        let path: Path
    }

    /// A peer is reported when it appears somewhere, since the answer to the very next packet depends on it, and again while its
    /// own path may have failed meanwhile.
    private static let interval: Duration = .milliseconds(50)
    /// Those that are remembered; beyond them some are reported more often.
    private static let limit = 4096

    private var reported: [Appearance: Instant] = [:]

    /// Whether the control thread is to be told.
    mutating func areNews(of peer: Int, along path: Path, at now: Instant) -> Bool {
        let appearance = Appearance(peer: peer, path: path)
        if let last = reported[appearance], now < last + Self.interval { return false }
        if reported.count >= Self.limit { reported.removeAll(keepingCapacity: true) }
        reported[appearance] = now
        return true
    }
}
