package import SansIO
package import Wire

/// How a gateway is asked, the preferred one first: PCP proves its answers with a nonce, UPnP is the slowest.
package enum MappingMethod: String, CaseIterable, Comparable, Sendable {
    case pcp = "PCP"
    case natPMP = "NAT-PMP"
    case upnp = "UPnP"

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    package static func < (left: MappingMethod, right: MappingMethod) -> Bool { left.rank < right.rank }
}

/// Why a gateway that answered gives no mapping.
package enum MappingRefusal: Hashable, Sendable {
    case pcp(PCPResult)
    case natPMP(NATPMPResult)
    case upnp(code: Int)
    /// The gateway has no address outside now.
    case noExternalAddress
    /// It says that it mapped a port, but not which, or to an address that cannot be.
    case unusableAnswer
}

extension MappingRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .pcp(.notAuthorized), .natPMP(.notAuthorized): "the gateway does not allow it"
        case .pcp(.addressMismatch): "another NAT stands between this host and the gateway"
        case .pcp(.networkFailure), .natPMP(.networkFailure), .noExternalAddress:
            "the gateway has no address outside"
        case .pcp(.noResources), .natPMP(.noResources), .pcp(.quotaExceeded): "the gateway has no room for more"
        case .pcp(.cannotProvideExternal): "the gateway has no port to give"
        case .pcp(let result): "the gateway refused (PCP result \(result.rawValue))"
        case .natPMP(let result): "the gateway refused (NAT-PMP result \(result.rawValue))"
        case .upnp(let code): "the gateway refused (UPnP error \(code))"
        case .unusableAnswer: "the gateway's answer names no usable address and port"
        }
    }
}

/// Why there is no mapping.
package enum MappingProblem: Hashable, Sendable, CustomStringConvertible {
    /// No gateway answered by any method.
    case unanswered
    case refused(MappingMethod, MappingRefusal)

    package var description: String {
        switch self {
        case .unanswered: "the gateway offers neither PCP nor NAT-PMP nor UPnP"
        case .refused(let method, let refusal): "\(method.rawValue): \(refusal)"
        }
    }
}

/// A mapping that a gateway has granted.
package struct MappingLease: Equatable, Sendable {
    /// Where others reach the local endpoint.
    package var external: Endpoint
    package var method: MappingMethod
    package var expiresAt: Instant

    package init(external: Endpoint, method: MappingMethod, expiresAt: Instant) {
        self.external = external
        self.method = method
        self.expiresAt = expiresAt
    }

    /// The gateway itself is behind a NAT: the address is worth trying from near by, and proves nothing.
    package var isBehindAnotherNAT: Bool { external.address.isIPv4 && external.address.isPrivate }
}

/// What came of asking by one method.
enum MethodEvent: Equatable {
    /// The gateway speaks it, and can be asked for a mapping.
    case available
    case granted(external: Endpoint, lifetime: Duration)
    /// `retryAfter`: for how long the gateway says that asking is of no use.
    case refused(MappingRefusal, retryAfter: Duration)
    case unanswered
    /// The mapping is deleted, or can no longer be.
    case released
}

/// What happened, for the log; each is told once per change.
package enum MappingEvent: Equatable, Sendable {
    case mapped(MappingTarget, MappingLease)
    case lost(MappingTarget, MappingLease, MappingProblem)
    case failed(MappingTarget, MappingProblem)
    case restarted(Gateway)
}

/// What the shell is to do.
package enum MappingAction: Equatable, Sendable {
    /// A datagram, from the address and interface that it says.
    case send([UInt8], to: Endpoint, from: IPAddress, interface: UInt32)
    /// Open a TCP connection, send `request`, and hand in what comes back under this number.
    case connect(number: UInt32, to: Endpoint, from: IPAddress, request: [UInt8])
    /// Close that connection, whether it is open yet or not.
    case close(number: UInt32)
    /// `PortMapper.statuses` holds other leases than before, or the same for longer.
    case changed
    case event(MappingEvent)
}

/// The actions of one round, in order, and what they are numbered and varied by.
struct MappingOutbox: Sendable {
    private(set) var actions: [MappingAction] = []
    private var lastConnection: UInt32 = 0
    var random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    mutating func append(_ action: MappingAction) {
        actions.append(action)
    }

    mutating func send(_ message: [UInt8], to endpoint: Endpoint, for target: MappingTarget) {
        append(.send(message, to: endpoint, from: target.local.address, interface: target.gateway.interface))
    }

    /// Returns the connection's number.
    mutating func connect(to endpoint: Endpoint, for target: MappingTarget, request: [UInt8]) -> UInt32 {
        lastConnection &+= 1
        append(.connect(number: lastConnection, to: endpoint, from: target.local.address, request: request))
        return lastConnection
    }

    mutating func takeAll() -> [MappingAction] {
        defer { actions = [] }
        return actions
    }
}
