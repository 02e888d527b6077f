package import SansIO

/// One search for a way from a node behind a symmetric NAT to one behind a port-restricted cone, as either side runs it.
///
/// The symmetric side's NAT gives every destination another port, which nobody can know. So it opens many sockets towards the
/// other's one endpoint, and the other probes ports until it meets one of them:
///
///     opener (symmetric)                                       prober (cone)
///       │ ── offer ─────────────────────────────────────────────▶ │  both ask a third node where the other one is
///       │ ◀──────────────────────────────────────────── accept ── │
///       │ ── a brief ping from each of 256 sockets ─▷             │  each makes a mapping at the opener's NAT
///       │ ── go ────────────────────────────────────────────────▶ │
///       │                       ◁─ pings to ports, 200 a second ── │  from its one socket, so from its one endpoint
///       │ ◀═ the one that hits a mapping ═════════════════════════ │
///       │ ══ pong ════════════════════════════════════════════════▶│  passes, for the ping has opened the cone
///       │ ── found ─────────────────────────────────────────────▶ │
///
/// With 256 sockets among 64,512 ports 1158 probes, 5.8 s, find one in 99 of 100 runs, and 1737, 8.7 s, in 999 of 1000.
/// Where the NAT takes ports from a block 64 sockets and a second or two do, where it takes them in a row a second.
///
/// Polite by construction, whatever the other side asks for: at most `socketLimit` sockets, `probeRate` probes a second,
/// `probeLimit` in all, `searchTime`. Both sides count on their own. Who may search with whom and how often is `SearchBudget`'s.
package struct PortSearch: Sendable {
    package enum Role: String, Equatable, Sendable {
        case opener, prober
    }

    package enum Action: Equatable, Sendable {
        /// Over the path that stands.
        case tell(SearchMessage)
        /// Open so many more sockets towards the prober's endpoint; each sends a brief ping at once.
        case openSockets(Int)
        /// Ping from all sockets again, all the way.
        case pingFromSockets
        /// Ping this port of the opener's address from the main socket.
        case probe(UInt16)
        case ended(Outcome)
    }

    package enum Outcome: Equatable, Sendable {
        case found
        case refused(SearchMessage.Refusal)
        /// The other side stopped or stayed silent, or nobody said where it is.
        case abandoned
        case exhausted
        /// The host or the network does not permit it.
        case notPermitted
    }

    private enum Phase: Sendable {
        /// Waiting for the other side's word, and for a third node's on where it is.
        case agreeing(isAccepted: Bool, isAttested: Bool)
        case waitingForGo
        case opening(next: Instant)
        case open(pingAt: Instant)
        case probing(PortSequence, next: Instant)
        /// All probes are sent; the last may still be answered.
        case listening
        case ended
    }

    package static let socketLimit = 256
    /// Sockets when it is known where among the ports theirs will be.
    package static let fewSockets = 64
    private static let socketBatch = 32
    private static let socketInterval: Duration = .milliseconds(50)
    package static let probeRate = 200
    package static let probeLimit = 3000
    private static let probeBatch = 4
    private static let probeInterval: Duration = .milliseconds(20)
    package static let searchTime: Duration = .seconds(16)
    /// Waiting for a word of the other side or of a third node.
    static let agreementTime: Duration = .seconds(3)
    /// The first pings die behind the opener's own router, for the sake of NATs that give away a port at which a stranger knocked
    /// (see `HolePunch`). A NAT further away makes its mapping only now.
    package static let fullPingTime: Duration = .seconds(6)

    package let run: UInt64
    package let role: Role
    package let startedAt: Instant
    private let allocation: PortAllocation
    private var phase: Phase
    private var endsAt: Instant
    private var repeatAt: Instant?
    package private(set) var socketCount = 0
    package private(set) var probeCount = 0

    /// Begins as the opener.
    package static func offer(
        run: UInt64, allocation: PortAllocation, at now: Instant
    ) -> (search: PortSearch, actions: [Action]) {
        let search = PortSearch(run: run, role: .opener, allocation: allocation, at: now)
        return (search, [.tell(.offer(run: run, allocation: allocation))])
    }

    /// Begins as the prober, on an offer; says yes once it is known where the opener is.
    package static func answer(run: UInt64, allocation: PortAllocation, at now: Instant) -> PortSearch {
        PortSearch(run: run, role: .prober, allocation: allocation, at: now)
    }

    private init(run: UInt64, role: Role, allocation: PortAllocation, at now: Instant) {
        self.run = run
        self.role = role
        self.allocation = allocation
        startedAt = now
        phase = .agreeing(isAccepted: role == .prober, isAttested: false)
        endsAt = now + Self.agreementTime
        repeatAt = role == .opener ? now + .seconds(1) : nil
    }

    package var hasEnded: Bool { if case .ended = phase { true } else { false } }

    package var nextDeadline: Instant? {
        switch phase {
        // An offer that was accepted is not repeated.
        case .agreeing(let isAccepted, _): isAccepted ? endsAt : min(endsAt, repeatAt ?? endsAt)
        case .waitingForGo, .listening: endsAt
        case .opening(let next), .open(let next), .probing(_, let next): min(next, endsAt)
        case .ended: nil
        }
    }

    // MARK: what comes in

    /// A third node said where the other side is.
    package mutating func attested(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard case .agreeing(let isAccepted, false) = phase else { return [] }
        phase = .agreeing(isAccepted: isAccepted, isAttested: true)
        return beginIfAgreed(at: now)
    }

    package mutating func receive(
        _ message: SearchMessage, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        switch (message, phase) {
        case (.offer(run, _), .waitingForGo):
            // Our yes was lost.
            return [.tell(.accept(run: run))]
        case (.accept(run), .agreeing(false, let isAttested)):
            phase = .agreeing(isAccepted: true, isAttested: isAttested)
            return beginIfAgreed(at: now)
        case (.go(run), .waitingForGo):
            phase = .probing(PortSequence(allocation, using: &random), next: now)
            endsAt = now + Self.searchTime
            return advance(to: now)
        case (.refuse(run, let refusal), .agreeing) where role == .opener: return end(.refused(refusal))
        case (.found(run), .opening), (.found(run), .open), (.found(run), .probing), (.found(run), .listening):
            return end(.found)
        case (.stop(run), _): return end(.abandoned)
        default: return []
        }
    }

    /// The other side was heard through a socket of ours, or at a port that we probed.
    package mutating func heard(at now: Instant) -> [Action] {
        switch phase {
        case .opening, .open, .probing, .listening: [.tell(.found(run: run))] + end(.found)
        case .agreeing, .waitingForGo, .ended: []
        }
    }

    /// Sending was refused by the host's firewall or by a router that said so.
    package mutating func refused() -> [Action] { stop(.notPermitted) }

    /// There is no more reason to search.
    package mutating func abandon() -> [Action] { stop(.abandoned) }

    package mutating func advance(to now: Instant) -> [Action] {
        guard now < endsAt else { return timeOut() }
        switch phase {
        case .agreeing(false, _):
            guard let due = repeatAt, due <= now else { return [] }
            repeatAt = due + .seconds(1)
            return [.tell(.offer(run: run, allocation: allocation))]
        case .opening(let next) where next <= now: return openMore(at: now)
        case .open(let due) where due <= now:
            phase = .listening
            return [.pingFromSockets]
        case .probing(let sequence, let next) where next <= now: return probe(sequence, at: now)
        default: return []
        }
    }

    // MARK: steps

    private var wantedSockets: Int {
        // Where ports come in a row, others may have taken some meanwhile: the more are ours, the surer one is within reach.
        if case .block = allocation { Self.fewSockets } else { Self.socketLimit }
    }

    private mutating func beginIfAgreed(at now: Instant) -> [Action] {
        guard case .agreeing(true, true) = phase else { return [] }
        switch role {
        case .prober:
            phase = .waitingForGo
            endsAt = now + Self.agreementTime
            return [.tell(.accept(run: run))]
        case .opener:
            phase = .opening(next: now)
            endsAt = now + Self.searchTime
            return openMore(at: now) + [.tell(.go(run: run))]
        }
    }

    private mutating func openMore(at now: Instant) -> [Action] {
        let count = min(Self.socketBatch, wantedSockets - socketCount)
        socketCount += count
        phase =
            socketCount < wantedSockets
            ? .opening(next: now + Self.socketInterval) : .open(pingAt: startedAt + Self.fullPingTime)
        // A word gets lost now and then; saying it twice costs nothing.
        let again = socketCount >= wantedSockets ? [Action.tell(.go(run: run))] : []
        return [.openSockets(count)] + again
    }

    private mutating func probe(_ sequence: PortSequence, at now: Instant) -> [Action] {
        var sequence = sequence
        var actions: [Action] = []
        while actions.count < Self.probeBatch, probeCount < Self.probeLimit, let port = sequence.next() {
            probeCount += 1
            actions.append(.probe(port))
        }
        // A late timer makes the search longer, never faster.
        phase = actions.isEmpty ? .listening : .probing(sequence, next: now + Self.probeInterval)
        return actions
    }

    private mutating func timeOut() -> [Action] {
        switch phase {
        case .agreeing(_, let isAttested) where role == .prober && !isAttested:
            return [.tell(.refuse(run: run, .unattested))] + end(.refused(.unattested))
        case .agreeing, .waitingForGo: return stop(.abandoned)
        case .opening, .open, .probing, .listening: return stop(.exhausted)
        case .ended: return []
        }
    }

    private mutating func stop(_ outcome: Outcome) -> [Action] {
        hasEnded ? [] : [.tell(.stop(run: run))] + end(outcome)
    }

    private mutating func end(_ outcome: Outcome) -> [Action] {
        guard !hasEnded else { return [] }
        phase = .ended
        return [.ended(outcome)]
    }
}
