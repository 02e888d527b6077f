import Wire

/// An endpoint that one port of a service may be served by, in one family.
struct EndpointCandidate: Equatable {
    /// Where this node reaches it.
    var address: IPAddress
    var port: UInt16
    var weight: UInt16
    var isReady: Bool
    /// It still serves while it is being shut down: used where nothing is ready (KEP-1669).
    var isDraining: Bool
    var isLocal: Bool
    var node: UInt32
    var zone: UInt32
    var hints: UInt32

    var isUsable: Bool { isReady || isDraining }
    private var fitness: Int { isReady ? 2 : isDraining ? 1 : 0 }

    /// Of entries with the same address and port the fittest, local if any of them is; ordered by address and port.
    static func merged(_ candidates: [EndpointCandidate]) -> [EndpointCandidate] {
        var merged: [EndpointCandidate] = []
        let sorted = candidates.sorted {
            ($0.address, $0.port, -$0.fitness, $0.node) < ($1.address, $1.port, -$1.fitness, $1.node)
        }
        for candidate in sorted {
            guard let last = merged.last, last.address == candidate.address, last.port == candidate.port else {
                merged.append(candidate)
                continue
            }
            merged[merged.count - 1].isLocal = last.isLocal || candidate.isLocal
            if last.fitness == candidate.fitness {
                merged[merged.count - 1].weight = max(last.weight, candidate.weight)
            }
        }
        return merged
    }
}

/// The names of a local view as numbers of a catalog, for the length of one update.
struct PlanningContext {
    let catalog: Catalog
    let view: LocalView
    private let node: UInt32?
    let zone: UInt32?
    private let deadNodes: Set<UInt32>

    init(catalog: Catalog, view: LocalView) {
        self.catalog = catalog
        self.view = view
        node = catalog.names.existingNumber(of: view.node)
        zone = view.zone.flatMap { catalog.names.existingNumber(of: $0) }
        deadNodes = Set(view.deadNodes.compactMap { catalog.names.existingNumber(of: $0) })
    }

    /// Whether an endpoint is on this node: its entry says so, or says nothing and its address is one of ours.
    func isLocal(_ endpoint: ReducedEndpoint) -> Bool {
        guard endpoint.node == NameTable.none else { return endpoint.node == node }
        let address = endpoint.address
        return view.addresses.contains(address) || view.podPrefixes.contains { $0.contains(address) }
    }

    func isThisNode(_ number: UInt32) -> Bool { number == node }

    func isDead(_ node: UInt32) -> Bool { deadNodes.contains(node) }

    /// The endpoints for one port of a service, joined by the port's name slice by slice (a slice may have other numbers
    /// than the next), each address and port once. Those whose node is dead are left out, unless all others are unfit.
    func candidates(for port: Service.Port, isIPv4: Bool, of service: Service, _ entry: Catalog.Entry)
        -> [EndpointCandidate]
    {
        var candidates: [EndpointCandidate] = []
        for slice in entry.slices {
            let numbers = catalog.portSets[slice.ports].lazy
                .filter { $0.transport == port.transport && ($0.name ?? "") == (port.name ?? "") }.map(\.port)
            for number in numbers {
                for endpoint in slice.members where endpoint.weight > 0 {
                    let candidate = candidate(endpoint, port: number, publishesNotReady: service.publishesNotReady)
                    if candidate.address.isIPv4 == isIPv4, candidate.isUsable { candidates.append(candidate) }
                }
            }
        }
        guard !deadNodes.isEmpty else { return EndpointCandidate.merged(candidates) }
        let alive = candidates.filter { $0.isLocal || !deadNodes.contains($0.node) }
        return EndpointCandidate.merged(alive.isEmpty ? candidates : alive)
    }

    private func candidate(
        _ endpoint: ReducedEndpoint, port: UInt16, publishesNotReady: Bool
    ) -> EndpointCandidate {
        let isReady = endpoint.isReady || publishesNotReady
        let isLocal = isLocal(endpoint)
        var address = endpoint.address
        var isDown = false
        // Most endpoints need no strings: neither told to be down, nor unique on their node only.
        if !view.downEndpoints.isEmpty || (!isLocal && !view.translation.isEmpty),
            let node = catalog.names.name(endpoint.node)
        {
            isDown = view.downEndpoints.contains(LocalView.Place(node: node, address: address))
            if !isLocal { address = view.translation.meshAddress(of: address, on: node) }
        }
        return EndpointCandidate(
            address: address, port: port, weight: endpoint.weight, isReady: isReady && !isDown,
            isDraining: !isReady && endpoint.isServing && endpoint.isTerminating && !isDown, isLocal: isLocal,
            node: endpoint.node, zone: endpoint.zone, hints: endpoint.hints)
    }
}
