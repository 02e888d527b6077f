/// A whole run: who lives where, what goes wrong meanwhile, and what must hold at the end.
///
/// ```
///   joining ─ settling ─ disturbances, one after the other ─ everything mended ─ recovery ─ steady: checked
/// ```
package struct Scenario: Equatable, Sendable {
    package enum Disturbance: String, CaseIterable, Sendable {
        /// Hosts die without a word and come back with what is on their disks.
        case churn
        /// The relay that carries most dies, and the next one with it.
        case relays
        /// A third of the sites is parted from the rest.
        case partition
        /// NATs forget their mappings, or get another address outside.
        case rebinding
        /// Hosts stop for a minute and go on.
        case suspension
        /// Wall clocks jump.
        case clocks
        /// Copies of datagrams: replayed, cut, changed, reflected, from elsewhere.
        case mischief
    }

    package var nodes = 50
    /// Further hosts that join under names which are taken: nothing may pass to or from them.
    package var impostors = 0
    package var seed: UInt64 = 1
    /// Dealt to the hosts in turn; the first host is always open.
    package var dwellings = Dwelling.allCases
    package var disturbances: Set<Disturbance> = []
    /// How long disturbances go on.
    package var duration: Duration = .seconds(120)
    package var flows = 20
    package var flowInterval: Duration = .milliseconds(500)
    package var joinInterval: Duration = .milliseconds(100)
    package var lineDelay: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(20))
    package var jitter: Duration = .zero
    package var loss = 0.0

    /// After joining, before anything is disturbed.
    package var settling: Duration = .seconds(20)
    /// Within this after the last disturbance every pair that wants to talk does.
    package var recovery: Duration = .seconds(60)
    /// At the end, undisturbed.
    package var steady: Duration = .seconds(60)
    /// Changes of path to one peer that are allowed in any minute of `steady`.
    package var pathChangesPerMinute = 2

    package init() {}
}

/// What came of a run.
package struct Report: Sendable {
    package var scenario: Scenario
    package var digest: String
    package var violations: [Violation]
    package var virtualTime: Duration
    package var datagrams: Fabric.Counters
    /// Hosts that were answered, or answered, in the steady part.
    package var hostsTalking: Int
    package var packetsSent: Int
    package var packetsAnswered: Int
    /// Of the flows, in the steady part.
    package var longestGap: Duration
    package var medianDelay: Duration?
    package var directPairs: Int
    package var relayedPairs: Int
    package var mostPathChanges: Int
    package var disturbances: Int
    package var hostileCopies: Int

    package var isGood: Bool { violations.isEmpty }
}
