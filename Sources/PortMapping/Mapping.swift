import SansIO
import Wire

/// Gets one local endpoint mapped by its gateway and keeps it so: asks by all methods at once, uses the one that answers, renews
/// at half life, and starts over when the gateway or its word is gone.
struct Mapping: Sendable {
    private enum State: Sendable {
        /// `decideAt`: when an answer is used although better methods have not answered.
        case seeking(decideAt: Instant?)
        case claiming(MappingMethod)
        case held(MappingLease, renewAt: Instant, isRenewing: Bool)
        /// No method has given a mapping.
        case waiting(until: Instant)
        case releasing(until: Instant)
        case released
    }

    /// What is known of a method at this gateway.
    private enum Standing: Sendable {
        case unknown
        case asking
        case available(at: Instant)
        case failed
    }

    /// Asked for, and taken for the lifetime of mappings that have none (RFC 6886 §3.3 recommends it).
    static let lifetimeSeconds: UInt32 = 7200
    /// How much later than a less liked method a better one may answer.
    static let preferenceWindow: Duration = .milliseconds(250)
    /// For how long an answer to a probe lets a method be used without another.
    static let availabilityTrust: Duration = .seconds(600)
    static let retryDelays: ClosedRange<Duration> = .seconds(30)...(.seconds(600))
    /// A gateway's word on how long not to ask is taken within these bounds.
    private static let refusalDelays: ClosedRange<Duration> = .seconds(30)...(.seconds(1800))
    /// Requests for renewal are at least so far apart (RFC 6887 §11.2.1).
    private static let renewalGap: Duration = .seconds(4)
    /// A gateway that starts anew says so by PCP and NAT-PMP, but not by UPnP.
    private static let upnpRenewalLimit: Duration = .seconds(600)
    /// When several hosts hear that a gateway has started anew, not all ask at once.
    private static let restartSpread: Duration = .seconds(1)
    static let releaseTimeout: Duration = .seconds(1)

    let target: MappingTarget
    private var state = State.waiting(until: .zero)
    private var clients: GatewayClients
    private var standings: [MappingMethod: Standing] = [:]
    private var retryDelay = retryDelays.lowerBound
    /// What was said in this round of asking, and until when it is of no use to ask again.
    private var refusals: [MappingMethod: MappingRefusal] = [:]
    private var refusalUntil: Instant?
    private var lastAsked: Instant?
    /// The endpoint that the mapping had last, or should have.
    private var suggestion: Endpoint
    /// The last failure; `nil` once there is a lease.
    private(set) var problem: MappingProblem?
    private(set) var counts = MappingCounts()

    init(_ target: MappingTarget, nonce: [UInt8], suggestedPort: UInt16?) {
        self.target = target
        clients = GatewayClients(target, nonce: nonce)
        let any: IPAddress = target.isIPv4 ? .v4(.any) : .v6(.any)
        suggestion = Endpoint(any, port: suggestedPort ?? target.local.port)
    }

    var lease: MappingLease? { if case .held(let lease, _, _) = state { lease } else { nil } }
    /// The external port that it had last; `nil` if it never had one.
    var lastPort: UInt16? { suggestion.address.isUnspecified ? nil : suggestion.port }
    var isReleased: Bool { if case .released = state { true } else { false } }

    // MARK: time

    var nextDeadline: Instant? {
        let own: Instant? =
            switch state {
            case .seeking(let decideAt): decideAt
            case .claiming, .released: nil
            case .held(let lease, let renewAt, let isRenewing): isRenewing ? lease.expiresAt : renewAt
            case .waiting(let until), .releasing(let until): until
            }
        return [own, clients.nextDeadline].compactMap { $0 }.min()
    }

    mutating func advance(to now: Instant, _ outbox: inout MappingOutbox) {
        for method in clients.methods {
            if let event = clients.advance(method, to: now, &outbox) { take(event, from: method, at: now, &outbox) }
        }
        switch state {
        case .seeking(let decideAt?) where decideAt <= now: decide(at: now, &outbox)
        case .waiting(let until) where until <= now: seek(at: now, &outbox)
        case .held(let lease, _, _) where lease.expiresAt <= now: lose(lease, .unanswered, at: now, &outbox)
        case .held(_, let renewAt, false) where renewAt <= now: renew(at: now, &outbox)
        case .releasing(let until) where until <= now: finishRelease(&outbox)
        default: break
        }
    }

    // MARK: what happened elsewhere

    /// The gateway has started anew and may have forgotten everything.
    mutating func gatewayRestarted(at now: Instant, _ outbox: inout MappingOutbox) {
        let spread = Int64.random(in: 0...Self.restartSpread.nanoseconds, using: &outbox.random)
        let moment = now + .nanoseconds(spread)
        switch state {
        case .held: bringRenewalForward(to: moment)
        case .waiting(let until):
            state = .waiting(until: min(until, max(moment, (lastAsked ?? .zero) + Self.renewalGap)))
        case .seeking, .claiming, .releasing, .released: break
        }
    }

    private mutating func bringRenewalForward(to moment: Instant) {
        guard case .held(let lease, let renewAt, false) = state else { return }
        let earliest = max(moment, (lastAsked ?? .zero) + Self.renewalGap)
        state = .held(lease, renewAt: min(renewAt, earliest), isRenewing: false)
    }

    // MARK: answers

    /// Whether an answer is to a request of this mapping.
    func isAnswered(by response: PCPResponse) -> Bool { clients.pcp.isOurs(response) }

    /// Whether the gateway turns out to have started anew.
    mutating func receive(_ response: PCPResponse, at now: Instant, _ outbox: inout MappingOutbox) -> Bool {
        if case .announcement = response.content { return clients.pcp.hasRestarted(response, at: now) }
        guard clients.pcp.isOurs(response) else {
            counts[.strangeAnswer] += 1
            return false
        }
        let hasRestarted = clients.pcp.hasRestarted(response, at: now)
        if let event = clients.pcp.receive(response, at: now, &outbox) { take(event, from: .pcp, at: now, &outbox) }
        return hasRestarted
    }

    /// Whether the gateway turns out to have started anew, or to have another address.
    mutating func receive(_ response: NATPMPResponse, at now: Instant, _ outbox: inout MappingOutbox) -> Bool {
        guard target.isIPv4 else { return false }
        if case .refusal(.unsupportedVersion, let opcode) = response.content, opcode == PCP.mapOpcode,
            let event = clients.pcp.receiveUnsupportedVersion()
        {
            take(event, from: .pcp, at: now, &outbox)
            return false
        }
        let hasRestarted = clients.natPMP.hasRestarted(response, at: now)
        let hasNewAddress = clients.natPMP.hasNewAddress(response)
        if let event = clients.natPMP.receive(response) { take(event, from: .natPMP, at: now, &outbox) }
        return hasRestarted || hasNewAddress
    }

    mutating func receive(
        _ answer: SSDPAnswer, from source: Endpoint, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        clients.upnp.receive(answer, from: source, at: now, &outbox)
    }

    mutating func receive(
        _ bytes: [UInt8], on number: UInt32, isClosed: Bool, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        let event = clients.upnp.receive(bytes, on: number, isClosed: isClosed, at: now, &outbox)
        if let event { take(event, from: .upnp, at: now, &outbox) }
    }

    // MARK: seeking

    private mutating func seek(at now: Instant, _ outbox: inout MappingOutbox) {
        lastAsked = now
        (refusals, refusalUntil) = ([:], nil)
        state = .seeking(decideAt: nil)
        for method in clients.methods {
            if method != .pcp, case .available(let at)? = standings[method], now - at < Self.availabilityTrust {
                continue
            }
            standings[method] = .asking
            // A known service may answer at once.
            if let event = clients.probe(method, for: suggestion, at: now, &outbox) {
                take(event, from: method, at: now, &outbox)
            }
        }
        decide(at: now, &outbox)
    }

    /// Uses the best method that has answered, unless a better one may still do so in time; gives up when none is left.
    private mutating func decide(at now: Instant, _ outbox: inout MappingOutbox) {
        guard case .seeking(let decideAt) = state else { return }
        var isAnyAsked = false
        for method in clients.methods {
            switch standings[method] ?? .unknown {
            case .asking: isAnyAsked = true
            case .available:
                let waitsUntil = decideAt ?? now + Self.preferenceWindow
                if isAnyAsked, now < waitsUntil {
                    state = .seeking(decideAt: waitsUntil)
                    return
                }
                stopAsking(&outbox)
                state = .claiming(method)
                clients.claim(method, for: suggestion, at: now, &outbox)
                return
            case .unknown, .failed: break
            }
        }
        if isAnyAsked {
            state = .seeking(decideAt: nil)
        } else {
            wait(at: now, &outbox)
        }
    }

    private mutating func stopAsking(_ outbox: inout MappingOutbox) {
        clients.stop(&outbox)
        for method in clients.methods { if case .asking? = standings[method] { standings[method] = .unknown } }
    }

    private mutating func wait(at now: Instant, _ outbox: inout MappingOutbox) {
        // What the best method said counts.
        let refusal = clients.methods.compactMap { method in refusals[method].map { (method, $0) } }.first
        let found = refusal.map { MappingProblem.refused($0.0, $0.1) } ?? .unanswered
        problem = found
        state = .waiting(until: max(now + retryDelay, refusalUntil ?? .zero))
        retryDelay = min(retryDelay * 2, Self.retryDelays.upperBound)
        if found != toldProblem { outbox.append(.event(.failed(target, found))) }
        toldProblem = found
    }

    /// The failure that the log has; it is told once.
    private var toldProblem: MappingProblem?

    // MARK: what a method came to

    private mutating func take(
        _ event: MethodEvent, from method: MappingMethod, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        switch event {
        case .available: standings[method] = .available(at: now)
        case .granted(let external, let lifetime):
            standings[method] = .available(at: now)
            hold(external, by: method, for: lifetime, at: now, &outbox)
            return
        case .refused(let refusal, let retryAfter):
            standings[method] = .failed
            refuse(refusal, by: method, for: retryAfter, at: now)
        case .unanswered:
            standings[method] = .failed
            counts[.unanswered] += 1
        case .released:
            counts[.released] += 1
            finishRelease(&outbox)
            return
        }
        switch state {
        case .seeking: decide(at: now, &outbox)
        case .claiming(method):
            if case .available = event { return }
            // The others may have answered meanwhile or before; whoever was not asked to the end is asked again.
            state = .seeking(decideAt: nil)
            for other in clients.methods { if case .unknown? = standings[other] { reprobe(other, at: now, &outbox) } }
            decide(at: now, &outbox)
        case .held(let lease, _, true) where lease.method == method:
            followUp(event, of: lease, at: now, &outbox)
        default: break
        }
    }

    private mutating func reprobe(_ method: MappingMethod, at now: Instant, _ outbox: inout MappingOutbox) {
        standings[method] = .asking
        if case .available? = clients.probe(method, for: suggestion, at: now, &outbox) {
            standings[method] = .available(at: now)
        }
    }

    private mutating func refuse(
        _ refusal: MappingRefusal, by method: MappingMethod, for delay: Duration, at now: Instant
    ) {
        counts[.refused] += 1
        if refusal == .pcp(.unsupportedVersion) || refusal == .natPMP(.unsupportedVersion) { return }
        refusals[method] = refusal
        guard delay > .zero else { return }
        let bounded = min(max(delay, Self.refusalDelays.lowerBound), Self.refusalDelays.upperBound)
        refusalUntil = max(refusalUntil ?? .zero, now + bounded)
    }

    // MARK: holding

    private mutating func hold(
        _ external: Endpoint, by method: MappingMethod, for lifetime: Duration, at now: Instant,
        _ outbox: inout MappingOutbox
    ) {
        // A tiny lifetime would have us ask all the time.
        let lifetime = max(lifetime, Self.renewalGap * 2)
        let half = Duration.nanoseconds(lifetime.nanoseconds / 2)
        let renewal = method == .upnp ? min(half, Self.upnpRenewalLimit) : half
        let new = MappingLease(external: external, method: method, expiresAt: now + lifetime)
        let old = lease
        switch state {
        case .releasing, .released: return
        case .seeking, .claiming, .waiting, .held: break
        }
        stopAsking(&outbox)
        state = .held(new, renewAt: now + renewal, isRenewing: false)
        suggestion = external
        problem = nil
        toldProblem = nil
        retryDelay = Self.retryDelays.lowerBound
        counts[old == nil ? .mapped : .renewed] += 1
        if old?.external != new.external || old?.method != new.method { outbox.append(.event(.mapped(target, new))) }
        outbox.append(.changed)
    }

    private mutating func renew(at now: Instant, _ outbox: inout MappingOutbox) {
        guard case .held(let lease, let renewAt, _) = state else { return }
        lastAsked = now
        state = .held(lease, renewAt: renewAt, isRenewing: true)
        if let event = clients.probe(lease.method, for: suggestion, at: now, &outbox) {
            take(event, from: lease.method, at: now, &outbox)
        }
    }

    /// A renewal is under way, and its method has said something other than yes.
    private mutating func followUp(
        _ event: MethodEvent, of lease: MappingLease, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        switch event {
        case .available: clients.claim(lease.method, for: suggestion, at: now, &outbox)
        case .unanswered:
            // Again when half of what remains has passed: the gateway may be starting anew.
            let remaining = Duration.nanoseconds((lease.expiresAt - now).nanoseconds / 2)
            state = .held(lease, renewAt: now + max(remaining, Self.renewalGap), isRenewing: false)
        case .refused(let refusal, _): lose(lease, .refused(lease.method, refusal), at: now, &outbox)
        case .granted, .released: break
        }
    }

    private mutating func lose(
        _ lease: MappingLease, _ reason: MappingProblem, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        counts[.lost] += 1
        stopAsking(&outbox)
        standings[lease.method] = .unknown
        problem = reason
        state = .waiting(until: now)
        outbox.append(.event(.lost(target, lease, reason)))
        outbox.append(.changed)
        seek(at: now, &outbox)
    }

    // MARK: ending

    /// Has the mapping deleted. What was asked for but not answered is given back too, without waiting for it.
    mutating func release(at now: Instant, _ outbox: inout MappingOutbox) {
        let wasAskingPCP = clients.pcp.isAsking
        let used: MappingMethod? =
            switch state {
            case .held(let lease, _, _): lease.method
            case .claiming(let method): method
            case .seeking, .waiting: nil
            case .releasing, .released: nil
            }
        switch state {
        case .releasing, .released: return
        case .held: outbox.append(.changed)
        case .seeking, .claiming, .waiting: break
        }
        stopAsking(&outbox)
        state = .releasing(until: now + Self.releaseTimeout)
        if let used {
            if case .released? = clients.release(used, at: now, &outbox) { finishRelease(&outbox) }
        } else {
            if wasAskingPCP { clients.pcp.release(at: now, &outbox) }
            finishRelease(&outbox)
        }
    }

    private mutating func finishRelease(_ outbox: inout MappingOutbox) {
        guard case .releasing = state else { return }
        stopAsking(&outbox)
        state = .released
    }
}
