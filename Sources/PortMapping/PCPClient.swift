import SansIO
import Wire

/// Asks one gateway by PCP for one mapping (RFC 6887 §11). Its first request already asks for the mapping: there is nothing
/// to find out before.
struct PCPClient: Sendable {
    private enum State: Sendable {
        case idle
        case asking(Attempt, PCPMapRequest)
        case releasing(Attempt, PCPMapRequest)
    }

    private static let requestCount = 4
    private static let releaseCount = 2
    /// A server may say any time; longer ones are renewed in a day all the same (RFC 6887 §15).
    private static let lifetimeLimit: UInt32 = 86_400

    let target: MappingTarget
    private let nonce: [UInt8]
    private var state = State.idle
    private var epoch = GatewayEpoch()

    init(_ target: MappingTarget, nonce: [UInt8]) {
        self.target = target
        self.nonce = nonce
    }

    var isAsking: Bool { if case .asking = state { true } else { false } }

    var nextDeadline: Instant? {
        switch state {
        case .idle: nil
        case .asking(let attempt, _), .releasing(let attempt, _): attempt.nextDeadline
        }
    }

    // MARK: asking

    /// Asks for the mapping, or for it to last longer; `suggestion` is the endpoint that it had or should have.
    mutating func ask(_ suggestion: Endpoint, at now: Instant, _ outbox: inout MappingOutbox) {
        let request = request(suggestion, lifetimeSeconds: Mapping.lifetimeSeconds)
        state = .asking(Attempt(count: Self.requestCount, at: now, using: &outbox.random), request)
        send(request, &outbox)
    }

    /// Asks for the mapping to be deleted.
    mutating func release(at now: Instant, _ outbox: inout MappingOutbox) {
        let request = deletion
        state = .releasing(Attempt(count: Self.releaseCount, at: now, using: &outbox.random), request)
        send(request, &outbox)
    }

    /// Waits for no answer any more.
    mutating func stop() {
        state = .idle
    }

    mutating func advance(to now: Instant, _ outbox: inout MappingOutbox) -> MethodEvent? {
        switch state {
        case .idle: return nil
        case .asking(var attempt, let request):
            switch attempt.advance(to: now, using: &outbox.random) {
            case .ask:
                send(request, &outbox)
                state = .asking(attempt, request)
            case .giveUp:
                state = .idle
                return .unanswered
            case nil: break
            }
        case .releasing(var attempt, let request):
            switch attempt.advance(to: now, using: &outbox.random) {
            case .ask:
                send(request, &outbox)
                state = .releasing(attempt, request)
            case .giveUp:
                state = .idle
                return .released
            case nil: break
            }
        }
        return nil
    }

    private func request(_ suggestion: Endpoint, lifetimeSeconds: UInt32) -> PCPMapRequest {
        PCPMapRequest(
            nonce: nonce, client: target.local.address, internalPort: target.local.port,
            suggestedPort: suggestion.port,
            suggestedAddress: suggestion.address.isUnspecified ? nil : suggestion.address,
            lifetimeSeconds: lifetimeSeconds)
    }

    private var deletion: PCPMapRequest {
        request(Endpoint(target.isIPv4 ? .v4(.any) : .v6(.any), port: 0), lifetimeSeconds: 0)
    }

    private func send(_ request: PCPMapRequest, _ outbox: inout MappingOutbox) {
        outbox.send(request.bytes, to: target.gateway.endpoint(port: NATPMP.serverPort), for: target)
    }

    // MARK: answers

    /// Whether a server's seconds show that it has started anew since it was last heard.
    mutating func hasRestarted(_ response: PCPResponse, at now: Instant) -> Bool {
        !epoch.isContinued(by: response.epochSeconds, at: now)
    }

    /// Whether an answer is to a request of this client, and no one else's.
    func isOurs(_ response: PCPResponse) -> Bool {
        if case .map(nonce, target.local.port, _) = response.content { true } else { false }
    }

    /// Takes an answer that `isOurs`.
    mutating func receive(_ response: PCPResponse, at now: Instant, _ outbox: inout MappingOutbox) -> MethodEvent? {
        guard case .map(_, _, let external) = response.content else { return nil }
        switch state {
        case .releasing:
            state = .idle
            return .released
        case .asking:
            state = .idle
            guard response.result == .success else {
                return .refused(.pcp(response.result), retryAfter: .seconds(Int64(response.lifetimeSeconds)))
            }
            guard external.isUsable(forIPv4: target.isIPv4) else {
                return .refused(.unusableAnswer, retryAfter: .zero)
            }
            return .granted(
                external: external,
                lifetime: .seconds(Int64(min(response.lifetimeSeconds, Self.lifetimeLimit))))
        case .idle:
            // It comes after another method was chosen: what is not used is given back.
            if response.result == .success, response.lifetimeSeconds > 0 { send(deletion, &outbox) }
            return nil
        }
    }

    /// The server does not speak this version: NAT-PMP's refusal of a PCP request says so too (RFC 6887, appendix A).
    mutating func receiveUnsupportedVersion() -> MethodEvent? {
        guard isAsking else { return nil }
        state = .idle
        return .refused(.pcp(.unsupportedVersion), retryAfter: .zero)
    }
}

extension Endpoint {
    /// Whether another host could send to it.
    func isUsable(forIPv4 isIPv4: Bool) -> Bool {
        port != 0 && address.isIPv4 == isIPv4 && address.isUnicast
    }
}
