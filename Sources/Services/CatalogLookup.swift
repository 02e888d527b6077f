package import Wire

/// An endpoint of a service, and the ports under which slices name it.
package struct ServiceEndpoint: Equatable, Sendable {
    package var member: EndpointSlice.Member
    /// Of all slices that hold it, in their order, without repeats.
    package var ports: [EndpointSlice.Port]

    package init(member: EndpointSlice.Member, ports: [EndpointSlice.Port]) {
        self.member = member
        self.ports = ports
    }
}

extension Catalog {
    /// A service as the first of its sources defines it, with the cluster addresses it has in this mesh.
    package func service(_ name: ServiceName) -> Service? { service(name, at: clusterIPs.addresses(of: name)) }

    func service(_ name: ServiceName, at addresses: [IPAddress]) -> Service? {
        guard let entry = entry(name), var service = entry.definitions.first?.service else { return nil }
        service.clusterIPs = addresses
        service.claim = AddressClaim(since: Self.claim(of: entry).since, held: service.clusterIPs)
        return service
    }

    /// The source whose definition counts, and all others that define the service, in their order.
    package func sources(of name: ServiceName) -> [SourceID] {
        entry(name)?.definitions.map { sourceIDs[$0.source] } ?? []
    }

    /// A service's endpoints from all slices of all sources, an endpoint (node, address) once: where two slices hold it,
    /// with the conditions of the entry that is fitter for connections.
    package func endpoints(of name: ServiceName) -> [ServiceEndpoint] {
        guard let slices = entry(name)?.slices else { return [] }
        struct Identity: Hashable {
            var node: UInt32
            var address: IPAddress
        }
        var positions: [Identity: Int] = [:]
        var merged: [(endpoint: ReducedEndpoint, ports: [EndpointSlice.Port])] = []
        for slice in slices {
            let ports = portSets[slice.ports]
            for endpoint in slice.members {
                let identity = Identity(node: endpoint.node, address: endpoint.address)
                guard let position = positions[identity] else {
                    positions[identity] = merged.count
                    merged.append((endpoint, ports))
                    continue
                }
                if endpoint.fitness > merged[position].endpoint.fitness { merged[position].endpoint = endpoint }
                merged[position].ports += ports.filter { !merged[position].ports.contains($0) }
            }
        }
        return merged.map { ServiceEndpoint(member: member($0.endpoint), ports: $0.ports) }
    }

    package func service(atClusterIP address: IPAddress) -> ServiceName? { clusterIPs.holder(of: address) }

    /// An address that a service's definition names and another service has.
    package func lostAddress(of name: ServiceName) -> (address: IPAddress, holder: ServiceName)? {
        clusterIPs.lostAddress(of: name)
    }

    /// Services that have an endpoint with this address, on whichever node, sorted.
    package func services(withEndpoint address: IPAddress) -> [ServiceName] {
        endpointIndex.candidates(for: address).compactMap { place -> ServiceName? in
            guard let entry = entries[place], !entry.definitions.isEmpty,
                entry.slices.contains(where: { $0.members.contains { $0.address == address } })
            else { return nil }
            return entry.name
        }.sorted()
    }

    /// Services that have an endpoint on one of some nodes, sorted.
    package func services(withEndpointsOn nodes: Set<String>) -> [ServiceName] {
        let numbers = Set(nodes.compactMap { names.existingNumber(of: $0) })
        guard !numbers.isEmpty else { return [] }
        return entries.compactMap { entry in
            guard let entry, entry.slices.contains(where: { $0.members.contains { numbers.contains($0.node) } }) else {
                return nil
            }
            return entry.name
        }.sorted()
    }

    func entry(_ name: ServiceName) -> Entry? { places[name].flatMap { entries[$0] } }

    /// Whether any service is in a namespace.
    package func hasNamespace(_ namespace: String) -> Bool { servicesInNamespace[namespace] != nil }

    package var namespaceNames: [String] { servicesInNamespace.keys.sorted() }

    /// Services that somebody has defined, sorted.
    package var serviceNames: [ServiceName] {
        entries.compactMap { $0.flatMap { $0.definitions.isEmpty ? nil : $0.name } }.sorted()
    }

    /// A node as its sources describe it together: the lists united in their order, the first zone.
    package func node(named name: String) -> ClusterNode? {
        guard let entries = nodes[name], var node = entries.first?.node else { return nil }
        for other in entries.dropFirst().map(\.node) {
            node.addresses += other.addresses.filter { !node.addresses.contains($0) }
            node.podPrefixes += other.podPrefixes.filter { !node.podPrefixes.contains($0) }
            node.containers += other.containers.filter { !node.containers.contains($0) }
            node.zone = node.zone ?? other.zone
        }
        return node
    }

    package var nodeNames: [String] { nodes.keys.sorted() }

    /// The node that has an address; the lowest name where several say they have it.
    package func node(at address: IPAddress) -> String? { nodeAddresses[address]?.min() }

    /// The container that has an address on the node `nodeName`, or on the first node that has such a container.
    package func container(at address: IPAddress, on nodeName: String? = nil) -> (node: String, container: String)? {
        let candidates = (containerAddresses[address] ?? []).sorted().filter { nodeName == nil || $0 == nodeName }
        guard let first = candidates.first,
            let container = node(named: first)?.containers.first(where: { $0.addresses.contains(address) })
        else { return nil }
        return (first, container.name)
    }

    /// Strings that endpoints' entries refer to, with those of endpoints gone that have not been let go yet.
    package var keptNameCount: Int { names.count }

    /// Where to go on reading a source, and the number of its last change.
    package func progress(of source: SourceID) -> (number: UInt64?, mark: String?) {
        guard let number = sourceNumbers[source] else { return (nil, nil) }
        return (sources[number].number, sources[number].mark)
    }

    /// All objects of one source, as it gave them, in the order of their keys.
    package func objects(of source: SourceID) -> [CatalogObject] {
        guard let number = sourceNumbers[source] else { return [] }
        return keysHeld(by: number, of: Set(ObjectClass.allCases)).compactMap { object($0, number) }
    }

    /// Sources that have spoken, in their order.
    package var knownSources: [SourceID] { sourceIDs.sorted() }

    func object(_ key: ObjectKey, _ source: Int) -> CatalogObject? {
        switch key {
        case .service(let name):
            return entry(name)?.definitions.first { $0.source == source }
                .map { .service($0.service) }
        case .slice(let namespace, let name):
            guard let service = sources[source].slices[SliceKey(namespace: namespace, name: name)],
                let number = names.existingNumber(of: name), let entry = entry(service)
            else { return nil }
            return entry.slices.first { $0.source == source && $0.name == number }
                .map { .slice(slice($0, of: service)) }
        case .node(let name):
            return nodes[name]?.first { $0.source == source }.map { .node($0.node) }
        }
    }
}
