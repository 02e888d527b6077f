import Identity
import SansIO

/// What was refused, or not told, of who is alive.
package struct LivenessCounts: Equatable, Sendable {
    /// Nodes that wanted to be watched by this one beyond what it can do.
    package var watchesRefused = 0
    /// Silent nodes that our statement had no room for, and silences that were not told because there had been many.
    package var silencesUnreported = 0
    package var silencesDamped = 0
    /// Watchers that were given up because they call us silent while they answer us.
    package var watchersDisputed = 0
}

/// What a node knows of who is alive, and what it does for others to know.
struct LivenessState: Sendable {
    /// Services of this node are used by others; this node uses others'.
    var offersServices = false
    var usesServices = false
    /// What other nodes say, by author.
    var statements: [NodeID: LivenessStatement] = [:]
    /// Authors whose statements came from disk, and from nobody since: that they have watchers is known, who is silent is not.
    var unconfirmed: Set<NodeID> = []
    /// When the node began to run, or a statement came that it had not had since.
    var confirmedAt: Instant
    /// Our watchers, or those that would be: nodes that this one keeps asking.
    var contacts: [NodeID] = []
    /// Nodes that have named this one as a watcher.
    var watched: Set<NodeID> = []
    /// By the number of the peer.
    var ears: [Int: Ear] = [:]
    /// Peers that are listened for although they are no contacts and not watched, until when.
    var suspects: [Int: Instant] = [:]
    /// Watched nodes that our statement calls silent, and how often it has said so lately.
    var stated: Set<NodeID> = []
    var dampers: [NodeID: Damper] = [:]
    /// Of our statement before this start: nodes that have not been heard of since.
    var inherited: Set<UInt64> = []
    /// Contacts that call us silent while they answer us, since when; and those that went on, until when they are not chosen.
    var accusedAt: [NodeID: Instant] = [:]
    var disputes: [NodeID: Instant] = [:]
    var publications = TokenBucket(rate: 5, burst: 10, now: .zero)
    var unwitnessedSince: [NodeID: Instant] = [:]
    var dead: Set<NodeID> = []
    /// When the last digest went to a peer that was silent before.
    var digestSentAt: [Int: Instant] = [:]

    init(at now: Instant) { confirmedAt = now }

    /// Bounds how often one node is said to be silent: three times at once, then once in ten seconds. What has been said is taken
    /// back without delay.
    struct Damper: Sendable {
        private static let refillTime: Duration = .seconds(10)
        private static let burst = 3
        /// When nothing of what was said counts any more.
        private(set) var fullAt = Instant.zero

        mutating func take(at now: Instant) -> Bool {
            guard max(fullAt, now) - now <= Self.refillTime * (Self.burst - 1) else { return false }
            fullAt = max(fullAt, now) + Self.refillTime
            return true
        }
    }
}
