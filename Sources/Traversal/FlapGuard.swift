import SansIO

/// Keeps a choice from swinging to and fro between two ways: after a move, the same two are left alone for a while, and for ever
/// longer when they are moved between again soon after.
///
/// Moves away from a path that has stopped answering need no leave, but they count.
struct FlapGuard: Sendable {
    static let firstWait: Duration = .seconds(8)
    static let longestWait: Duration = .seconds(600)
    private static let limit = 8

    /// What is swung between: all circuits through one relay are one way.
    enum Way: Equatable, Sendable {
        case relay(peer: Int)
        case path(Path)
    }

    private struct Pair: Sendable {
        var one: Way
        var other: Way
        var lastMove: Instant
        var wait: Duration

        func joins(_ left: Way, _ right: Way) -> Bool {
            (one == left && other == right) || (one == right && other == left)
        }
    }

    /// Most recent last.
    private var pairs: [Pair] = []

    func allows(_ from: Way, _ to: Way, at now: Instant) -> Bool {
        pairs.first { $0.joins(from, to) }.map { now >= $0.lastMove + $0.wait } ?? true
    }

    /// How long the same two paths are left alone from a move at `now` on.
    mutating func noteMove(_ from: Way, _ to: Way, at now: Instant) {
        var pair = Pair(one: from, other: to, lastMove: now, wait: Self.firstWait)
        if let index = pairs.firstIndex(where: { $0.joins(from, to) }) {
            let old = pairs.remove(at: index)
            if now < old.lastMove + old.wait + old.wait / 4 { pair.wait = min(old.wait * 2, Self.longestWait) }
        }
        if pairs.count >= Self.limit { pairs.removeFirst() }
        pairs.append(pair)
    }
}
