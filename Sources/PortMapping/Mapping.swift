import SansIO
import Wire

/// Gets one local endpoint mapped by its gateway and keeps it so: asks by all methods at once, uses the one that answers, renews
/// at half life, and starts over when the gateway or its word is gone.
struct Mapping: Sendable {
    enum State: Sendable {
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
    enum Standing: Sendable {
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
    static let renewalGap: Duration = .seconds(4)
    /// A gateway that starts anew says so by PCP and NAT-PMP, but not by UPnP.
    static let upnpRenewalLimit: Duration = .seconds(600)
    /// When several hosts hear that a gateway has started anew, not all ask at once.
    private static let restartSpread: Duration = .seconds(1)
    static let releaseTimeout: Duration = .seconds(1)

    let target: MappingTarget
    var state = State.waiting(until: .zero)
    var clients: GatewayClients
    var standings: [MappingMethod: Standing] = [:]
    var retryDelay = retryDelays.lowerBound
    /// What was said in this round of asking, and until when it is of no use to ask again.
    private var refusals: [MappingMethod: MappingRefusal] = [:]
    private var refusalUntil: Instant?
    var lastAsked: Instant?
    /// The endpoint that the mapping had last, or should have.
    var suggestion: Endpoint
    /// The last failure; `nil` once there is a lease.
    var problem: MappingProblem?
    /// The failure that the log has; it is told once.
    var toldProblem: MappingProblem?
    var counts = MappingCounts()

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

    mutating func seek(at now: Instant, _ outbox: inout MappingOutbox) {
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

    mutating func stopAsking(_ outbox: inout MappingOutbox) {
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

    // MARK: what a method came to

    mutating func take(
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
}
