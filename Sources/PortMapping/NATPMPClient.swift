import SansIO
import Wire

/// Asks one gateway by NAT-PMP for one mapping (RFC 6886 §3): its external address first, then the port.
struct NATPMPClient: Sendable {
    private enum State: Sendable {
        case idle
        case asking(NATPMPRequest, Attempt)
    }

    private static let requestCount = 4
    private static let releaseCount = 2
    private static let lifetimeLimit: UInt32 = 86_400

    let target: MappingTarget
    private var state = State.idle
    private var epoch = GatewayEpoch()
    /// As the gateway last said.
    private var externalAddress: IPv4Address?

    init(_ target: MappingTarget) {
        self.target = target
    }

    var nextDeadline: Instant? {
        if case .asking(_, let attempt) = state { attempt.nextDeadline } else { nil }
    }

    // MARK: asking

    /// Asks whether the gateway speaks NAT-PMP, and for its address.
    mutating func probe(at now: Instant, _ outbox: inout MappingOutbox) {
        ask(.externalAddress, count: Self.requestCount, at: now, &outbox)
    }

    /// Asks for the mapping, or for it to last longer.
    mutating func claim(_ suggestedPort: UInt16, at now: Instant, _ outbox: inout MappingOutbox) {
        let request = NATPMPRequest.mapUDP(
            internalPort: target.local.port, suggestedPort: suggestedPort, lifetimeSeconds: Mapping.lifetimeSeconds)
        ask(request, count: Self.requestCount, at: now, &outbox)
    }

    /// Asks for the mapping to be deleted.
    mutating func release(at now: Instant, _ outbox: inout MappingOutbox) {
        let request = NATPMPRequest.mapUDP(
            internalPort: target.local.port, suggestedPort: 0, lifetimeSeconds: 0)
        ask(request, count: Self.releaseCount, at: now, &outbox)
    }

    mutating func stop() {
        state = .idle
    }

    mutating func advance(to now: Instant, _ outbox: inout MappingOutbox) -> MethodEvent? {
        guard case .asking(let request, var attempt) = state else { return nil }
        switch attempt.advance(to: now, using: &outbox.random) {
        case .ask:
            send(request, &outbox)
            state = .asking(request, attempt)
            return nil
        case .giveUp:
            state = .idle
            return request.isDeletion ? .released : .unanswered
        case nil: return nil
        }
    }

    private mutating func ask(
        _ request: NATPMPRequest, count: Int, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        state = .asking(request, Attempt(count: count, at: now, using: &outbox.random))
        send(request, &outbox)
    }

    private func send(_ request: NATPMPRequest, _ outbox: inout MappingOutbox) {
        outbox.send(request.bytes, to: target.gateway.endpoint(port: NATPMP.serverPort), for: target)
    }

    // MARK: answers

    /// Whether a gateway's seconds show that it has started anew since it was last heard.
    mutating func hasRestarted(_ response: NATPMPResponse, at now: Instant) -> Bool {
        !epoch.isContinued(by: response.epochSeconds, at: now)
    }

    /// Whether the gateway says, asked or unasked, that its address outside is another than before.
    mutating func hasNewAddress(_ response: NATPMPResponse) -> Bool {
        guard case .externalAddress(let address) = response.content else { return false }
        defer { externalAddress = address }
        return externalAddress.map { $0 != address } ?? false
    }

    mutating func receive(_ response: NATPMPResponse) -> MethodEvent? {
        guard case .asking(let request, _) = state else { return nil }
        switch (request, response.content) {
        case (.externalAddress, .externalAddress(let address)):
            state = .idle
            externalAddress = address
            return IPAddress.v4(address).isUnicast
                ? .available : .refused(.noExternalAddress, retryAfter: .zero)
        case (.mapUDP(let asked, _, let lifetime), .mapUDP(let answered, let externalPort, let granted))
        where asked == answered && (lifetime == 0) == (granted == 0):
            state = .idle
            if request.isDeletion { return .released }
            let external = Endpoint(.v4(externalAddress ?? .any), port: externalPort)
            guard external.isUsable(forIPv4: true) else { return .refused(.unusableAnswer, retryAfter: .zero) }
            return .granted(external: external, lifetime: .seconds(Int64(min(granted, Self.lifetimeLimit))))
        case (_, .refusal(let result, let opcode)) where opcode == request.opcode:
            state = .idle
            return request.isDeletion ? .released : .refused(.natPMP(result), retryAfter: .zero)
        default: return nil
        }
    }
}

extension NATPMPRequest {
    fileprivate var isDeletion: Bool {
        if case .mapUDP(_, _, lifetimeSeconds: 0) = self { true } else { false }
    }

    fileprivate var opcode: UInt8 {
        switch self {
        case .externalAddress: NATPMP.externalAddressOpcode
        case .mapUDP: NATPMP.mapUDPOpcode
        }
    }
}
