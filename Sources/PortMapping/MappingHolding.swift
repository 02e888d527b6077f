import SansIO
import Wire

// A mapping that there is: renewed in time, lost, or given back.
extension Mapping {
    mutating func hold(
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

    mutating func renew(at now: Instant, _ outbox: inout MappingOutbox) {
        guard case .held(let lease, let renewAt, _) = state else { return }
        lastAsked = now
        state = .held(lease, renewAt: renewAt, isRenewing: true)
        if let event = clients.probe(lease.method, for: suggestion, at: now, &outbox) {
            take(event, from: lease.method, at: now, &outbox)
        }
    }

    /// A renewal is under way, and its method has said something other than yes.
    mutating func followUp(
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

    mutating func lose(
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

    mutating func finishRelease(_ outbox: inout MappingOutbox) {
        guard case .releasing = state else { return }
        stopAsking(&outbox)
        state = .released
    }
}
