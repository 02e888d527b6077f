package import Services

extension ZoneBuilder {
    /// Brings the names of these services and nodes in line with what the catalog says now; those that it does not have any
    /// more lose their names.
    ///
    /// Call it with what changed (`CatalogDelta`), or with all names at the start; then publish a `snapshot`.
    ///
    /// - Parameter translation: where addresses that are unique only on their node are reached.
    package mutating func update(
        services: [ServiceName], nodes: [String], from catalog: Catalog, _ translation: AddressTranslation
    ) {
        for name in services {
            guard let service = catalog.service(name) else {
                removeService(name)
                continue
            }
            let endpoints = catalog.endpoints(of: name).map { endpoint in
                let member = endpoint.member
                return ZoneEndpoint(
                    member, ports: endpoint.ports,
                    address: translation.meshAddress(of: member.address, on: member.nodeName))
            }
            set(service, endpoints: endpoints)
        }
        for name in nodes {
            guard let node = catalog.node(named: name) else {
                removeHost(name)
                continue
            }
            let containers = node.containers.map { container in
                ZoneHost.Container(
                    name: container.name,
                    addresses: container.addresses.map { translation.meshAddress(of: $0, on: name) })
            }
            set(ZoneHost(name: name, addresses: node.addresses, containers: containers))
        }
    }
}
