package import SansIO

/// What became of the paths to a peer: the last changes with their reasons, and how often what happened.
package struct PathHistory: Equatable, Sendable {
    package static let limit = 16

    package struct Change: Equatable, Sendable {
        package var at: Instant
        package var from: Path?
        package var to: Path?
        package var reason: PeerPaths.Reason
    }

    package struct Counters: Equatable, Sendable {
        /// Moves away from a path that had stopped answering.
        package var failovers = 0
        package var doubts = 0
        /// How long packets were sent on two paths.
        package var duplicated: Duration = .zero
        package var moves: [PeerPaths.Reason: Int] = [:]

        package init() {}
    }

    /// Newest last.
    package private(set) var changes: [Change] = []
    package private(set) var counters = Counters()

    mutating func note(_ change: Change) {
        if changes.count == Self.limit { changes.removeFirst() }
        changes.append(change)
        counters.moves[change.reason, default: 0] += 1
        if change.reason == .unanswered { counters.failovers += 1 }
    }

    mutating func noteDoubt() { counters.doubts += 1 }
    mutating func noteDuplicated(_ time: Duration) { counters.duplicated += time }
}

/// One path to a peer, as it is shown to operators.
package struct PathReport: Equatable, Sendable {
    package enum State: String, Equatable, Sendable {
        case inUse = "in use"
        case inDoubt = "in doubt"
        case standby = "standby"
        case usable = "usable"
        case unproven = "unproven"
        case silent = "silent"
        case leaving = "relay is leaving"
    }

    package var path: Path
    /// Peer number of the relay.
    package var relay: Int?
    package var state: State
    package var since: Instant
    package var roundTripTime: Duration?
    package var smoothedRoundTripTime: Duration?
    package var variation: Duration
    package var loss: Double
    package var lastHeard: Instant?
    package var lastAnswered: Instant?
}

extension PeerPaths {
    /// Every path that is known, the one in use first, then the standby, then as they became known.
    package var report: [PathReport] {
        let order = { (path: Path) in path == self.current ? 0 : path == self.standby ? 1 : 2 }
        return known.enumerated()
            .sorted { (order($0.element.path), $0.offset) < (order($1.element.path), $1.offset) }
            .map { _, known in
                PathReport(
                    path: known.path, relay: known.relay?.peer, state: state(of: known), since: known.since,
                    roundTripTime: known.measure.roundTripTime, smoothedRoundTripTime: known.measure.smoothed,
                    variation: known.measure.variation, loss: known.measure.loss, lastHeard: known.lastHeard,
                    lastAnswered: known.lastAnswered)
            }
    }

    private func state(of known: KnownPath) -> PathReport.State {
        if known.path == current { return doubt == nil ? .inUse : .inDoubt }
        if known.isLeaving { return .leaving }
        if known.isSilent { return .silent }
        if known.path == standby { return .standby }
        return known.isProven ? .usable : .unproven
    }
}
