import CNetfilter
import Services
import Wire

/// A chain that many services share: how a connection that was found in a map of services goes on.
///
/// Chains are made when a service first needs them, so a node has a handful: one for each number of backends in use, say.
/// Only round robin has one for each service, since the kernel's counter belongs to a rule, and services that shared it would
/// take each other's turns.
indirect enum ServiceChain: Hashable, Sendable {
    /// Choosing one of a service's slots.
    struct Pick: Hashable, Sendable {
        var count: UInt32
        var choice: ServicePlan.Choice
        /// For clients of this node, where those have slots of their own.
        var isInside = false
        /// The service is at all addresses of this node.
        var isOfNode = false
        var affinitySeconds: UInt32?
        /// Whose turns are counted; only for round robin.
        var owner: ServiceKey?
    }

    case refuse
    case discard
    case pick(Pick)
    case split(inside: ServiceChain, outside: ServiceChain)
    case guarded(isOfNode: Bool)
    /// For services at this node's addresses; goes on if the packet is for one of them.
    case atNode(ServiceChain)

    /// Slots for clients of this node are numbered from here.
    static let insideOffset: UInt32 = 1 << 24

    /// At most 127 bytes, the kernel's limit.
    var name: String {
        switch self {
        case .refuse: "refuse"
        case .discard: "discard"
        case .pick(let pick): pick.name
        case .split(let inside, let outside): "split-\(inside.name)-\(outside.name)"
        case .guarded(let isOfNode): isOfNode ? "guard-np" : "guard"
        case .atNode(let inner): "at-\(inner.name)"
        }
    }

    /// Belongs to one service alone.
    var isOwned: Bool {
        switch self {
        case .refuse, .discard, .guarded: false
        case .pick(let pick): pick.owner != nil
        case .split(let inside, let outside): inside.isOwned || outside.isOwned
        case .atNode(let inner): inner.isOwned
        }
    }

    /// The chains that this one goes on to, before itself: in the order in which they must be made.
    var parts: [ServiceChain] {
        switch self {
        case .refuse, .discard, .pick, .guarded: [self]
        case .split(let inside, let outside): inside.parts + outside.parts + [self]
        case .atNode(let inner): inner.parts + [self]
        }
    }

    /// The rules; `sets` of ServiceLayout are there.
    func rules(of family: ServiceFamily) -> [[ServiceStep]] {
        switch self {
        case .refuse:
            [
                family.isTransport(.tcp) + [.counter, .refuse(.reset, isIPv4: family.isIPv4)],
                [.counter, .refuse(.portUnreachable, isIPv4: family.isIPv4)],
            ]
        case .discard: [[.counter, .verdict(.drop)]]
        case .pick(let pick): pick.rules(of: family)
        case .split(let inside, let outside):
            [
                family.isLocal(source: true) + [.verdict(.go(inside.name))],
                [
                    family.source(into: 0), .look(in: ServiceLayout.clients, key: 0, into: nil),
                    .verdict(.go(inside.name)),
                ],
                [.verdict(.go(outside.name))],
            ]
        case .guarded(let isOfNode):
            [
                family.packetKey(ofNode: isOfNode) + [
                    family.source(into: family.target),
                    .look(in: ServiceLayout.sources, key: family.service, into: nil),
                    .branch(by: ServiceLayout.guarded, key: family.service),
                ],
                [.counter, .verdict(.drop)],
            ]
        case .atNode(let inner): Self.nodeRules(family) + [[.verdict(.go(inner.name))]]
        }
    }

    /// Leaves what is not for an address of this host, or for its loopback; remembers the address for masquerading.
    private static func nodeRules(_ family: ServiceFamily) -> [[ServiceStep]] {
        let loopback: [ServiceStep] =
            family.isIPv4
            ? [.network(offset: 16, count: 1, into: 0), .equals([127], 0)]
            : [family.destination(into: 0), .equals(IPAddress.v6(IPv6Address(high: 0, low: 1)).bytes, 0)]
        return [
            [
                .addressType(ofSource: false, into: 0), .differs(UInt32(RTN_LOCAL).nativeBytes, 0),
                .verdict(.leave),
            ],
            loopback + [.verdict(.leave)],
            [
                family.destination(into: 0),
                .change(.add, set: ServiceLayout.nodeAddresses, key: 0, value: nil, seconds: 0),
            ],
        ]
    }

}

extension ServiceChain.Pick {
    var name: String {
        var name =
            switch choice {
            case .random: "random-\(count)"
            case .roundRobin: "turns"
            case .sourceHash: "hash-\(count)"
            }
        if let owner { name += "-\(owner.chainSuffix)" }
        if let affinitySeconds { name += "-\(affinitySeconds)s" }
        if isInside { name += "-in" }
        if isOfNode { name += "-np" }
        return name
    }

    func rules(of family: ServiceFamily) -> [[ServiceStep]] {
        guard let seconds = affinitySeconds else {
            let find = ServiceStep.look(in: ServiceLayout.endpoints, key: family.service, into: family.target)
            return [key(family) + slot(family) + [find, family.translation]]
        }
        // The nft program takes the length of what came out of a map for 0, and ends itself when a rule looks that up or
        // stores it. So these maps' values begin with the service's port: it goes where the port already is, which is then
        // loaded again, and the endpoint comes into registers whose length nft knows by the zeros before. (It lists the
        // translation as one to those zeros.)
        let words = (family.target..<family.targetPort).dropFirst()
        let room: [ServiceStep] =
            [.value(family.anyAddress.bytes, into: family.target), .value([0, 0], into: family.targetPort)]
            + words.map { .value([0, 0, 0, 0], into: $0) }
        let start = room + [family.source(into: family.client)] + key(family)
        func recall(_ map: String, by register: UInt32) -> [ServiceStep] {
            [.look(in: map, key: register, into: family.port), family.destinationPort]
        }
        func remember(_ change: ServiceStep.Change) -> ServiceStep {
            .change(
                change, set: ServiceLayout.affinity, key: family.client, value: family.port,
                seconds: change == .delete ? 0 : seconds)
        }
        let known = start + recall(ServiceLayout.affinity, by: family.client)
        let isMember = ServiceStep.look(in: ServiceLayout.members, key: family.service, into: nil)
        let chosen = start + slot(family) + recall(ServiceLayout.sticky, by: family.service)
        return [
            // The endpoint of last time, if it is still one; the connection renews the time-out.
            known + [isMember, remember(.update), family.translation],
            // Remembered still, so its endpoint is gone. (To add a key that is there would keep its old value.)
            known + [remember(.delete)],
            chosen + [remember(.add), family.translation],
            // The map is full: better without affinity than not at all.
            chosen + [.counter, family.translation],
        ]
    }

    private func key(_ family: ServiceFamily) -> [ServiceStep] { family.packetKey(ofNode: isOfNode) }

    /// Chooses a slot.
    private func slot(_ family: ServiceFamily) -> [ServiceStep] {
        let offset = isInside ? ServiceChain.insideOffset : 0
        return switch choice {
        case .random: [.random(count: count, offset: offset, into: family.target)]
        case .roundRobin: [.next(count: count, offset: offset, into: family.target)]
        case .sourceHash:
            [
                family.source(into: family.client),
                .hash(
                    of: family.client, bytes: UInt32(family.addressBytes), count: count, offset: offset,
                    into: family.target),
            ]
        }
    }
}
