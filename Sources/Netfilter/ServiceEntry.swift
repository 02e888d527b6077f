import Services
import Wire

/// What the kernel's sets hold about one service: made from a plan, or read back.
struct ServiceEntry: Equatable, Sendable {
    /// The chain that its connections go to, and the one after the check of sources.
    var chain: String?
    var guardedChain: String?
    var slots: [ServiceTarget] = []
    /// For clients of this node, where they have slots of their own.
    var insideSlots: [ServiceTarget] = []
    /// With affinity, which keeps slots in a map of their own.
    var isSticky = false
    /// Endpoints that a client may be sent to again; with affinity only. Sorted.
    var members: [ServiceTarget] = []
    var isMasqueraded = false
    /// Clients keep their address, and no rule for the range of services says otherwise.
    var isKept = false
    /// Sorted; none contains another.
    var sources: [IPPrefix] = []

    var targets: Set<ServiceTarget> { Set(slots).union(insideSlots) }
}

/// What a frontend of a plan needs of the kernel.
struct ServiceDesign: Sendable {
    var entry = ServiceEntry()
    /// With their parts, in the order in which they must be made.
    var chains: [ServiceChain] = []

    /// `ranges` are those of services; backends of the other family are passed over, targets of `old` keep their slots where they can.
    init(_ frontend: ServicePlan.Frontend, at key: ServiceKey, ranges: [IPPrefix], keeping old: ServiceEntry?) {
        func own(_ backends: [ServicePlan.Backend]) -> [ServicePlan.Backend] {
            backends.allSatisfy { $0.address.isIPv4 == key.address.isIPv4 }
                ? backends : backends.filter { $0.address.isIPv4 == key.address.isIPv4 }
        }
        entry.slots = ServiceSlots.arrange(own(frontend.backends), by: frontend.choice, keeping: old?.slots ?? [])
        let outside = Self.chain(entry.slots.count, frontend, key, isInside: false)
        var chain = outside
        if let insiders = frontend.insiders {
            entry.insideSlots = ServiceSlots.arrange(
                own(insiders), by: frontend.choice, keeping: old?.insideSlots ?? [])
            chain = .split(inside: Self.chain(entry.insideSlots.count, frontend, key, isInside: true), outside: outside)
        }
        entry.isSticky = frontend.affinitySeconds != nil && !entry.targets.isEmpty
        if entry.isSticky { entry.members = entry.targets.sorted() }
        // Inside the range one rule does for all: clients of the cluster keep their address, others do not.
        if key.isOfNode || !ranges.contains(where: { $0.contains(key.address) }) {
            entry.isMasqueraded = frontend.masquerades
            entry.isKept = !frontend.masquerades
        }
        entry.sources = IPPrefix.outermost(frontend.sources.filter { $0.isIPv4 == key.address.isIPv4 })
        if !frontend.sources.isEmpty {
            entry.guardedChain = chain.name
            chains += chain.parts
            chain = .guarded(isOfNode: key.isOfNode)
        }
        if key.isOfNode { chain = .atNode(chain) }
        entry.chain = chain.name
        chains += chain.parts
    }

    private static func chain(
        _ count: Int, _ frontend: ServicePlan.Frontend, _ key: ServiceKey, isInside: Bool
    ) -> ServiceChain {
        guard count > 0 else { return !isInside && frontend.refusal == .drop ? .discard : .refuse }
        var pick = ServiceChain.Pick(count: UInt32(count), choice: frontend.choice)
        pick.isInside = isInside
        pick.isOfNode = key.isOfNode
        pick.affinitySeconds = frontend.affinitySeconds
        if frontend.choice == .roundRobin { pick.owner = key }
        return .pick(pick)
    }
}

extension IPPrefix {
    /// Sorted, without those inside others.
    static func outermost(_ prefixes: [IPPrefix]) -> [IPPrefix] {
        var outermost: [IPPrefix] = []
        for prefix in prefixes.sorted() where outermost.last?.contains(prefix) != true { outermost.append(prefix) }
        return outermost
    }

    /// The bytes of the first address after the block; `nil` for a block that ends with the last of all addresses.
    var addressAfter: [UInt8]? {
        var bytes = lastAddressBytes
        for index in bytes.indices.reversed() {
            bytes[index] &+= 1
            if bytes[index] != 0 { return bytes }
        }
        return nil
    }
}
