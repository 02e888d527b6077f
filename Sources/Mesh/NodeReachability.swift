import Datapath
import Identity
import STUN
import SansIO
import Traversal
package import Wire

// Whether strangers can reach us, tried by others; and trying it for them.
extension Node {
    /// Errands of others under way at a time, and how long one is remembered.
    static let errandLimit = 256
    static let errandTime: Duration = .seconds(5)

    /// A request that we passed on.
    struct Errand: Sendable {
        var asker: Int
        var dialler: Int
        var at: Instant
    }

    package var reachabilityTargets: [Reachability.Target] { reachability.targets }

    /// Endpoints that the operator advertises and that nobody could reach.
    package var refutedAdvertised: [Endpoint] {
        configuration.advertised.filter { if case .refuted = reachability.standing(of: $0) { true } else { false } }
    }

    // MARK: being tested

    /// Follows our candidates: those that the world outside may reach are tested.
    mutating func updateReachabilityTargets(at now: Instant) {
        let targets = candidates.filter { !$0.endpoint.address.isPrivate && $0.endpoint.scope == 0 }.map(\.endpoint)
        reachability.setTargets(targets, at: now)
        deadlines.set(reachability.nextRound, for: .reachability)
        settleReachability(at: now)
    }

    /// The host's network changed, or a member that may help came: test anew soon.
    mutating func testReachabilitySoon(at now: Instant) {
        reachability.testSoon(at: now)
        deadlines.set(reachability.nextRound, for: .reachability)
    }

    /// Tests every target now, unless a test is under way.
    mutating func testReachability(at now: Instant) {
        let plan = reachability.targets.map { target in
            (target: target.endpoint, helpers: helpers(for: target.endpoint, at: now))
        }
        for question in reachability.begin(plan, at: now) {
            carryOut(dialBacks.ask(question, at: now, using: &random), at: now)
        }
        deadlines.set(reachability.nextRound, for: .reachability)
    }

    /// Who may test an endpoint, strangers first, in an order of chance so that not always the same are asked.
    ///
    /// What comes from an address that we have sent to passes a NAT that filters by address: towards an endpoint that a NAT made
    /// that proves nothing, unless the NAT is known not to filter.
    private mutating func helpers(for target: Endpoint, at now: Instant) -> [DialBackClient.Helper] {
        let others = peers.all.filter { $0.isMember && $0.hasSession && $0.paths.current != nil }
        let strangers = others.filter { isStranger($0, at: now) }
            .map { DialBackClient.Helper(peer: $0.number, dialler: nil, isStranger: true) }
        let named = namedDiallers(through: others, at: now)
        let known = others.filter { !isStranger($0, at: now) }
            .map { DialBackClient.Helper(peer: $0.number, dialler: nil, isStranger: false) }
        let outside = (strangers + named).shuffled(using: &random)
        if !outside.isEmpty { return outside }
        return acquaintancesProve(target) ? known.shuffled(using: &random) : []
    }

    /// Whether an endpoint of ours is known to be open to all when somebody gets in that we have sent to: not where a NAT
    /// made it, unless that NAT does not filter.
    private func acquaintancesProve(_ target: Endpoint) -> Bool {
        candidates.first { $0.endpoint == target }?.kind != .reflexive
            || discovery.report?.ipv4.filtering == .known(.endpointIndependent)
    }

    /// Whether what came of a question shows how strangers fare. Who was one when it was asked may not be one any more when its
    /// nonce arrives.
    private func isProof(
        _ result: DialBackClient.Result, of question: DialBackClient.Question, at now: Instant
    ) -> Bool {
        guard case .arrived(_, let source) = result else { return true }
        return acquaintancesProve(question.target) || !wasContacted(source.address, at: now)
    }

    /// Members without a session with us, which a relay is asked to pass the request to.
    private func namedDiallers(through others: [Peer], at now: Instant) -> [DialBackClient.Helper] {
        let messengers = others.filter { $0.paths.current?.isDirect == true }
        guard let messenger = messengers.first(where: { canRelay($0.number) }) ?? messengers.first else { return [] }
        return peers.all.filter { peer in
            peer.nodeID != nil && !peer.hasSession && !peer.isClient && isStranger(peer, at: now)
        }
        .prefix(Reachability.helperLimit)
        .map { DialBackClient.Helper(peer: messenger.number, dialler: $0.nodeID, isStranger: true) }
    }

    /// Whether nothing of ours has gone to a peer's address for so long that no NAT remembers it.
    private func isStranger(_ peer: Peer, at now: Instant) -> Bool {
        let addresses = Set((peer.candidates + [peer.lastEndpoint].compactMap { $0 }).map(\.address))
            .filter { !$0.isPrivate }
        return !addresses.isEmpty && addresses.allSatisfy { !wasContacted($0, at: now) }
    }

    mutating func carryOut(_ dialBackActions: [DialBackClient.Action], at now: Instant) {
        for action in dialBackActions {
            switch action {
            case .ask(let nonce, let question):
                let message = ReachabilityMessage.request(
                    nonce: nonce, target: question.target, origin: question.origin, dialler: question.helper.dialler)
                send(.extended(.reachability, message.encoded), to: question.helper.peer, at: now)
            case .done(let question, let result):
                switch question.purpose {
                case .discovery(let test, let isIPv4): dialled(test, isIPv4: isIPv4, result.outcome, at: now)
                case .lifetime: dialledForLifetime(result.outcome, at: now)
                case .reachability:
                    let finding = isProof(result, of: question, at: now) ? result : .notSent(nil)
                    if reachability.finished(question, finding, at: now) { settleReachability(at: now) }
                    deadlines.set(reachability.nextRound, for: .reachability)
                }
            }
        }
        deadlines.set(dialBacks.nextDeadline, for: .dialBacks)
    }

    /// An indication came in: a nonce that we wait for, or nothing to anybody.
    mutating func receiveIndication(_ datagram: [UInt8], from source: Endpoint, on socket: Int, at now: Instant) {
        guard let nonce = DialBackNonce(in: datagram),
            let dialBackActions = dialBacks.arrived(nonce, on: socket, from: source)
        else {
            counters.stunUnexpected += 1
            return
        }
        carryOut(dialBackActions, at: now)
    }

    /// Draws the conclusion from what is known by now: who confirms, what the operator states, who came unasked.
    mutating func settleReachability(at now: Instant) {
        if reachability.isRefuted { cameUnasked = false }
        let isStated = configuration.advertised.contains { endpoint in
            if case .refuted = reachability.standing(of: endpoint) { false } else { true }
        }
        let isNowReachable = reachability.isConfirmed || isStated || cameUnasked
        guard isNowReachable != isReachable else { return }
        isReachable = isNowReachable
        actions.append(.save(.reachable(isNowReachable)))
        if isNowReachable {
            events(.reachable)
        } else {
            events(.unreachable(tried: reachability.targets.map(\.endpoint)))
        }
        refreshRecord(at: now)
    }

    /// What is known of the NAT has changed. One that filters lets in whom we have called before a restart, say, which is then no
    /// sign of being reachable; through one that does not filter others can prove that we are.
    mutating func reconsiderReachability(at now: Instant) {
        if filtersStrangers { cameUnasked = false }
        settleReachability(at: now)
        if !reachability.isConfirmed { testReachability(at: now) }
    }

    private var filtersStrangers: Bool {
        guard let report = discovery.report?.ipv4, report.mapping != .known(.none) else { return false }
        return switch report.filtering.value {
        case .addressDependent, .addressAndPortDependent, .endpointDependent: true
        case .endpointIndependent, .notPortDependent, nil: false
        }
    }

    /// A member came without being asked. From outside: no NAT or firewall keeps strangers out, as far as that shows; others are
    /// asked to confirm it. From a network of ours: we are reached there.
    mutating func noteUnsolicited(from endpoint: Endpoint, at now: Instant) {
        if endpoint.address.isPrivate {
            guard configuration.localPrefixes.contains(where: { $0.contains(endpoint.address) }) else { return }
            isReachableLocally = true
            refreshRecord(at: now)
        } else if !isReachable {
            cameUnasked = !(endpoint.address.isIPv4 && filtersStrangers)
            settleReachability(at: now)
            testReachabilitySoon(at: now)
        }
    }

    // MARK: testing others

    mutating func receiveReachability(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let message = try? ReachabilityMessage(parsing: payload), let sender = peers[number]?.nodeID else {
            counters.malformedFrames += 1
            return
        }
        switch message {
        case .request(let nonce, let target, let origin, nil):
            let outcome = dial(target, nonce, from: origin, for: sender, askedBy: number, at: now)
            answer(nonce, outcome, to: number, at: now)
        case .request(let nonce, let target, _, let dialler?):
            if let outcome = passOn(nonce, target, to: dialler, for: sender, askedBy: number, at: now) {
                answer(nonce, outcome, to: number, at: now)
            }
        case .errand(let nonce, let target, let asker):
            answer(nonce, dial(target, nonce, from: .fresh, for: asker, askedBy: number, at: now), to: number, at: now)
        case .answer(let nonce, let outcome):
            if let errand = errands[nonce], errand.dialler == number {
                answer(nonce, outcome, to: errand.asker, at: now)
            } else {
                carryOut(dialBacks.answered(nonce, outcome, by: number), at: now)
            }
        }
    }

    private mutating func answer(_ nonce: DialBackNonce, _ outcome: DialBackOutcome, to number: Int, at now: Instant) {
        let message = ReachabilityMessage.answer(nonce: nonce, outcome)
        send(.extended(.reachability, message.encoded), to: number, at: now)
    }

    /// Sends one datagram for a member, if the target is the member's and a stranger may send to it.
    private mutating func dial(
        _ target: Endpoint, _ nonce: DialBackNonce, from origin: DialBackOrigin, for asker: NodeID,
        askedBy number: Int, at now: Instant
    ) -> DialBackOutcome {
        guard mayDial(target, for: asker) else {
            counters.dialBacksRefused += 1
            return .refused
        }
        guard peers[number]?.dialBacks.take(at: now) == true, dialBackBudget.take(at: now) else {
            counters.dialBacksRefused += 1
            return .overLimit
        }
        counters.dialBacks += 1
        noteSent(to: target, at: now)
        switch origin {
        case .fresh: actions.append(.dialBack(nonce.datagram, to: target))
        case .own: actions.append(.send(nonce.datagram, to: Destination(target)))
        }
        return .sent
    }

    /// Only to an address that the asker is seen at or has signed for, never to private ones, into the mesh or to ourselves.
    private func mayDial(_ target: Endpoint, for asker: NodeID) -> Bool {
        guard isDialable(target), !target.address.isPrivate,
            !ownCandidates.contains(where: { $0.address == target.address })
        else { return false }
        if let number = peers.number(ofNode: asker), case .direct(let endpoint)? = peers[number]?.paths.current,
            endpoint.address == target.address
        {
            return true
        }
        return directory.record(of: asker)?.candidates.contains { $0.address == target.address } ?? false
    }

    /// Passes a request on to the member it names; the outcome when that cannot be done.
    private mutating func passOn(
        _ nonce: DialBackNonce, _ target: Endpoint, to dialler: NodeID, for asker: NodeID, askedBy number: Int,
        at now: Instant
    ) -> DialBackOutcome? {
        errands = errands.filter { now - $0.value.at < Self.errandTime }
        guard let other = peers.number(ofNode: dialler), other != number, peers[other]?.isMember == true,
            peers[other]?.hasSession == true
        else { return .noDialler }
        guard errands[nonce] != nil || errands.count < Self.errandLimit, peers[number]?.dialBacks.take(at: now) == true
        else { return .overLimit }
        errands[nonce] = Errand(asker: number, dialler: other, at: now)
        let message = ReachabilityMessage.errand(nonce: nonce, target: target, asker: asker)
        send(.extended(.reachability, message.encoded), to: other, at: now)
        return nil
    }
}
