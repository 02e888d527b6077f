import SansIO
import Wire

/// When TLS streams are wanted, and to which relays: none while anybody that we keep a tunnel with answers over UDP, else two,
/// to different relays, so that one is ready when the other fails.
///
/// ```
///   nobody answers over UDP ── 3 s ──▶ streams are opened ── UDP answers ── 30 s ──▶ those not in use are closed
/// ```
/// UDP is tried all the while, by the tunnels and paths themselves. A relay that failed is left alone for a while, longer
/// each time.
struct StreamPlan: Sendable {
    /// A relay, and where it takes streams.
    struct Target: Hashable, Sendable {
        let peer: Int
        let endpoint: Endpoint
    }

    enum Action: Equatable, Sendable {
        case open(link: UInt32, Target)
        case close(link: UInt32)
    }

    /// What is the case at this moment, as the node sees it.
    struct Situation {
        /// There are nodes to keep a tunnel with.
        var isTrying: Bool
        /// One of them is reached by datagrams.
        var isAnswered: Bool
        /// Relays to open streams to, best first; needed only while nobody is reached by datagrams.
        var targets: [Target]
        /// Links along which their relay was heard, and whose relay is reached at this moment, this way or another.
        var proven: Set<UInt32>
        /// Links along which packets go.
        var used: Set<UInt32>
    }

    private struct Attempt {
        let link: UInt32
        let target: Target
        let since: Instant
        var isOpen = false
        /// When it was seen to lead to its relay last; `nil` until it is open.
        var provenAt: Instant?
    }

    private struct Pause {
        var until: Instant
        var length: Duration
    }

    /// How long UDP is waited for: the second initiation has gone out by then.
    static let patience: Duration = .seconds(3)
    static let wanted = 2
    /// How long the first stream may take before a second one is opened beside it.
    static let headStart: Duration = .seconds(1)
    /// An open stream that does not lead to its relay, or no longer, is given up.
    static let silence: Duration = .seconds(5)
    /// How long UDP has to answer before streams are given up.
    static let grace: Duration = .seconds(30)
    static let firstPause: Duration = .seconds(2)
    static let longestPause: Duration = .seconds(60)
    /// While anything is under way.
    private static let interval: Duration = .seconds(1)

    private var silentSince: Instant?
    private var answeredSince: Instant?
    private var attempts: [Attempt] = []
    private var pauses: [Target: Pause] = [:]
    private(set) var nextDeadline: Instant?

    /// Nobody has answered over UDP for so long that streams are wanted.
    private(set) var isUDPSilent = false

    /// Whom a link of ours leads to; `nil` for others' links, and while it is not open.
    func peer(of link: UInt32) -> Int? { attempts.first { $0.link == link && $0.isOpen }?.target.peer }
    /// Links that stand to a relay.
    func links(to peer: Int) -> [UInt32] { attempts.filter { $0.isOpen && $0.target.peer == peer }.map(\.link) }
    /// Whether this plan asked for a link.
    func isAttempting(_ link: UInt32) -> Bool { attempts.contains { $0.link == link } }

    mutating func opened(_ link: UInt32, at now: Instant) {
        guard let index = attempts.firstIndex(where: { $0.link == link }) else { return }
        attempts[index].isOpen = true
        attempts[index].provenAt = now
        nextDeadline = now + Self.interval
    }

    /// A stream could not be opened, or ended: its relay is left alone for a while.
    mutating func closed(_ link: UInt32, at now: Instant) {
        guard let index = attempts.firstIndex(where: { $0.link == link }) else { return }
        pause(attempts.remove(at: index).target, at: now)
        nextDeadline = now
    }

    /// The host's network is another one: what failed before may work now.
    mutating func networkChanged(at now: Instant) {
        pauses = [:]
        nextDeadline = now
    }

    /// Follows the situation. `allocate` makes the number of a new link.
    mutating func update(_ situation: Situation, at now: Instant, allocate: () -> UInt32) -> [Action] {
        nextDeadline = nil
        follow(situation, at: now)
        var actions = closeFailing(situation, at: now)
        if isUDPSilent {
            actions += open(situation.targets, at: now, allocate: allocate)
            nextDeadline = now + Self.interval
        } else {
            actions += closeUnneeded(situation, at: now)
            if !attempts.isEmpty { nextDeadline = now + Self.interval }
            if let silentSince { nextDeadline = silentSince + Self.patience }
        }
        return actions
    }

    private mutating func follow(_ situation: Situation, at now: Instant) {
        if situation.isAnswered {
            answeredSince = answeredSince ?? now
            silentSince = nil
            isUDPSilent = false
        } else {
            answeredSince = nil
            silentSince = situation.isTrying ? silentSince ?? now : nil
            isUDPSilent = silentSince.map { now - $0 >= Self.patience } ?? false
        }
        for index in attempts.indices where situation.proven.contains(attempts[index].link) {
            attempts[index].provenAt = now
            // It works: the next failure is a new one.
            pauses[attempts[index].target] = nil
        }
    }

    /// Streams that stand and lead nowhere.
    private mutating func closeFailing(_ situation: Situation, at now: Instant) -> [Action] {
        guard !situation.isAnswered else { return [] }
        let failing = attempts.filter { $0.provenAt.map { now - $0 >= Self.silence } ?? false }
        for attempt in failing { pause(attempt.target, at: now) }
        return close(failing)
    }

    /// Streams that nothing has gone along since UDP answered.
    private mutating func closeUnneeded(_ situation: Situation, at now: Instant) -> [Action] {
        guard let answeredSince, now - answeredSince >= Self.grace else { return [] }
        return close(attempts.filter { !situation.used.contains($0.link) })
    }

    private mutating func close(_ closing: [Attempt]) -> [Action] {
        attempts.removeAll { attempt in closing.contains { $0.link == attempt.link } }
        return closing.map { .close(link: $0.link) }
    }

    private mutating func open(_ targets: [Target], at now: Instant, allocate: () -> UInt32) -> [Action] {
        var actions: [Action] = []
        while attempts.count < Self.wanted, attempts.allSatisfy({ $0.isOpen || now - $0.since >= Self.headStart }) {
            let busy = Set(attempts.map(\.target.peer))
            let free = targets.first { target in
                !busy.contains(target.peer) && pauses[target].map { $0.until <= now } ?? true
            }
            guard let free else { break }
            let attempt = Attempt(link: allocate(), target: free, since: now)
            attempts.append(attempt)
            actions.append(.open(link: attempt.link, free))
        }
        return actions
    }

    private mutating func pause(_ target: Target, at now: Instant) {
        // What has not failed for long is forgotten.
        pauses = pauses.filter { now - $0.value.until < Self.longestPause }
        let length = min(pauses[target].map { $0.length * 2 } ?? Self.firstPause, Self.longestPause)
        pauses[target] = Pause(until: now + length, length: length)
    }
}
