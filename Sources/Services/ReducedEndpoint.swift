import Wire

/// An endpoint as a catalog keeps it: 40 bytes, its strings by their numbers.
struct ReducedEndpoint: Equatable, Sendable {
    private var high: UInt64
    private var low: UInt64
    var node: UInt32
    var zone: UInt32
    var hostname: UInt32
    var target: UInt32
    /// The number of the set of hints; zero without hints.
    var hints: UInt32
    var weight: UInt16
    private var flags: UInt8

    private static let ready: UInt8 = 1
    private static let serving: UInt8 = 2
    private static let terminating: UInt8 = 4
    private static let isIPv4: UInt8 = 8

    init(
        _ member: EndpointSlice.Member, node: UInt32, zone: UInt32, hostname: UInt32, target: UInt32, hints: UInt32
    ) {
        var flags: UInt8 = 0
        switch member.address {
        case .v4(let address):
            high = 0
            low = UInt64(address.rawValue)
            flags |= Self.isIPv4
        case .v6(let address):
            high = address.high
            low = address.low
        }
        if member.conditions.ready { flags |= Self.ready }
        if member.conditions.serving { flags |= Self.serving }
        if member.conditions.terminating { flags |= Self.terminating }
        self.flags = flags
        self.node = node
        self.zone = zone
        self.hostname = hostname
        self.target = target
        self.hints = hints
        weight = member.weight
    }

    var address: IPAddress {
        flags & Self.isIPv4 != 0
            ? .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: low))) : .v6(IPv6Address(high: high, low: low))
    }
    var isReady: Bool { flags & Self.ready != 0 }
    var isServing: Bool { flags & Self.serving != 0 }
    var isTerminating: Bool { flags & Self.terminating != 0 }

    var conditions: EndpointSlice.Conditions {
        EndpointSlice.Conditions(ready: isReady, serving: isServing, terminating: isTerminating)
    }

    /// How fit it is for connections, the fittest highest: of two entries of one endpoint the fitter one counts.
    var fitness: Int { isReady ? 3 : isServing ? (isTerminating ? 1 : 2) : 0 }
}

/// The zones and nodes that should use an endpoint, by the numbers of their names; an absent list is not an empty one.
struct HintSet: Hashable, Sendable {
    var zones: [UInt32]?
    var nodes: [UInt32]?

    var isAbsent: Bool { zones == nil && nodes == nil }
}

/// Values kept once each and known by a small number, counted from one.
struct Interned<Value: Hashable & Sendable>: Sendable {
    private var values: [Value] = []
    private var numbers: [Value: UInt32] = [:]

    mutating func number(of value: Value) -> UInt32 {
        if let number = numbers[value] { return number }
        values.append(value)
        numbers[value] = UInt32(values.count)
        return UInt32(values.count)
    }

    subscript(number: UInt32) -> Value { values[Int(number) - 1] }

    var count: Int { values.count }
}
