import Wire

/// Which endpoints of one service port serve which clients.
///
/// Source: Kubernetes' `pkg/proxy/topology.go` (`CategorizeEndpoints`) for policies, hints and draining endpoints; zones
/// and nodes without hints, and `preferNearest`, are our own.
struct EndpointSelection: Equatable {
    /// For clients whom no policy binds to this node.
    var everywhere: [EndpointCandidate]
    /// For clients who may be served by this node only.
    var here: [EndpointCandidate]
    /// Whether anything anywhere could serve: decides whether clients bound to this node are refused or kept waiting.
    var isServedAnywhere: Bool

    /// - Parameters:
    ///   - candidates: merged and usable.
    ///   - near: the nodes that were nearest at the last choice; nodes chosen now are added to `chosen`.
    init(
        _ candidates: [EndpointCandidate], distribution: Service.Distribution, in context: PlanningContext,
        near: Set<String>, chosen: inout Set<String>
    ) {
        let ready = candidates.filter(\.isReady)
        isServedAnywhere = !candidates.isEmpty
        everywhere =
            ready.isEmpty
            ? candidates : Self.preferred(ready, distribution, context, near: near, chosen: &chosen)
        let local = candidates.filter(\.isLocal)
        let localReady = local.filter(\.isReady)
        here = localReady.isEmpty ? local : localReady
    }

    private static func preferred(
        _ ready: [EndpointCandidate], _ distribution: Service.Distribution, _ context: PlanningContext,
        near: Set<String>, chosen: inout Set<String>
    ) -> [EndpointCandidate] {
        if distribution == .preferNearest {
            return Nearness(context: context, near: near).nearest(of: ready, chosen: &chosen)
        }
        if ready.contains(where: { $0.hints != 0 }) { return hinted(ready, context) }
        // Nobody has written hints (no EndpointSlice controller here): what the service asks for is done here.
        switch distribution {
        case .none, .preferNearest: return ready
        case .preferSameNode:
            let same = ready.filter(\.isLocal)
            return same.isEmpty ? inZone(ready, context) : same
        case .preferSameZone: return inZone(ready, context)
        }
    }

    /// The endpoints whose hints name this node, if all have hints for nodes; else the same for zones; else all.
    private static func hinted(_ ready: [EndpointCandidate], _ context: PlanningContext) -> [EndpointCandidate] {
        func subset(_ list: KeyPath<HintSet, [UInt32]?>, _ isOurs: (UInt32) -> Bool) -> [EndpointCandidate] {
            var ours: [EndpointCandidate] = []
            for candidate in ready {
                guard candidate.hints != 0, let named = context.catalog.hintSets[candidate.hints][keyPath: list],
                    !named.isEmpty
                else { return [] }
                if named.contains(where: isOurs) { ours.append(candidate) }
            }
            return ours
        }
        let forNode = subset(\.nodes, context.isThisNode)
        if !forNode.isEmpty { return forNode }
        let forZone = subset(\.zones) { $0 == context.zone }
        return forZone.isEmpty ? ready : forZone
    }

    private static func inZone(_ ready: [EndpointCandidate], _ context: PlanningContext) -> [EndpointCandidate] {
        guard let zone = context.zone else { return ready }
        let same = ready.filter { $0.zone == zone }
        return same.isEmpty ? ready : same
    }
}
