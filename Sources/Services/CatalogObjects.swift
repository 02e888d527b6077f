import Wire

/// Objects going in and out. Each step notes what was there before the first time it touches it.
extension Catalog {
    mutating func put(_ object: CatalogObject, _ source: Int, _ unixSeconds: UInt64, _ before: inout Before) {
        switch object {
        case .service(let service): put(service, source, unixSeconds, &before)
        case .slice(let slice): put(slice, source, &before)
        case .node(let node): put(node, source, &before)
        }
    }

    mutating func remove(_ key: ObjectKey, _ source: Int, _ before: inout Before) {
        switch key {
        case .service(let name): removeService(name, source, &before)
        case .slice(let namespace, let name): removeSlice(SliceKey(namespace: namespace, name: name), source, &before)
        case .node(let name): removeNode(name, source, &before)
        }
    }

    // MARK: services

    private mutating func put(_ service: Service, _ source: Int, _ unixSeconds: UInt64, _ before: inout Before) {
        let name = service.name
        note(name, &before)
        var service = service
        let place = place(of: name)
        let definitions = entries[place]?.definitions ?? []
        if service.claim.since == 0 {
            // Said by nobody: as long as it has been known here, else from now on.
            service.claim.since = definitions.map(\.service.claim.since).filter { $0 > 0 }.min() ?? unixSeconds
        }
        if service.claim.held.isEmpty, let own = definitions.first(where: { $0.source == source }) {
            service.claim.held = own.service.claim.held
        }
        if sources[source].services.insert(name).inserted {
            if definitions.isEmpty { servicesInNamespace[name.namespace, default: 0] += 1 }
            let position = definitions.firstIndex { sourceIDs[source] < sourceIDs[$0.source] } ?? definitions.count
            entries[place]?.definitions.insert(Definition(source: source, service: service), at: position)
        } else if let position = definitions.firstIndex(where: { $0.source == source }) {
            guard definitions[position].service != service else { return }
            entries[place]?.definitions[position].service = service
        }
        unsaved.insert(RowName(source: source, key: .service(name)))
        bid(for: name, &before)
    }

    private mutating func removeService(_ name: ServiceName, _ source: Int, _ before: inout Before) {
        guard sources[source].services.remove(name) != nil, let place = places[name] else { return }
        note(name, &before)
        unsaved.insert(RowName(source: source, key: .service(name)))
        entries[place]?.definitions.removeAll { $0.source == source }
        if entries[place]?.definitions.isEmpty == true {
            let count = servicesInNamespace[name.namespace, default: 1] - 1
            servicesInNamespace[name.namespace] = count > 0 ? count : nil
        }
        bid(for: name, &before)
        freeIfEmpty(place)
    }

    /// Settles the addresses of a service anew, and keeps the outcome with this node's own definitions.
    private mutating func bid(for name: ServiceName, _ before: inout Before) {
        var changed = placeBid(for: name)
        for (other, addresses) in changed { note(other, &before, with: addresses) }
        changed[name] = changed[name] ?? []
        for other in changed.keys.sorted() where keepClaim(of: other) {
            // Now that the address is held, nothing moves: the bid only gets the better standing.
            _ = placeBid(for: other)
        }
    }

    private mutating func placeBid(for name: ServiceName) -> [ServiceName: [IPAddress]] {
        guard let entry = entry(name) else { return [:] }
        let winner = entry.definitions.first
        let isClusterWide = winner.map { sourceIDs[$0.source].kind == .kubernetes } ?? false
        return clusterIPs.bid(for: name, winner?.service, Self.claim(of: entry), draws: !isClusterWide)
    }

    /// The claim that counts: the earliest, and of equally early ones that of the first source.
    static func claim(of entry: Entry) -> AddressClaim {
        var best: AddressClaim?
        for claim in entry.definitions.map(\.service.claim) where !(claim.since == 0 && claim.held.isEmpty) {
            if best.map({ claim.since < $0.since || (claim.since == $0.since && $0.held.isEmpty) }) ?? true {
                best = claim
            }
        }
        return best ?? AddressClaim()
    }

    /// Writes a service's claim and addresses into the definitions that this node's own sources gave; `false` where they
    /// had them.
    private mutating func keepClaim(of name: ServiceName) -> Bool {
        guard let place = places[name], let entry = entries[place] else { return false }
        let claim = AddressClaim(since: Self.claim(of: entry).since, held: clusterIPs.addresses(of: name))
        var isNew = false
        for (position, definition) in entry.definitions.enumerated()
        where sourceIDs[definition.source].node == ownNode && definition.service.claim != claim {
            entries[place]?.definitions[position].service.claim = claim
            unsaved.insert(RowName(source: definition.source, key: .service(name)))
            isNew = true
        }
        return isNew
    }

    /// Remembers a service as it was, when it had `addresses` where those are given.
    private func note(_ name: ServiceName, _ before: inout Before, with addresses: [IPAddress]? = nil) {
        guard before.services[name] == nil else { return }
        before.services[name] = .some(service(name, at: addresses ?? clusterIPs.addresses(of: name)))
    }

    // MARK: slices

    private mutating func put(_ slice: EndpointSlice, _ source: Int, _ before: inout Before) {
        let key = SliceKey(namespace: slice.service.namespace, name: slice.name)
        if let old = sources[source].slices[key], old != slice.service { removeSlice(key, source, &before) }
        let stored = reduce(slice, source)
        let place = place(of: slice.service)
        let slices = entries[place]?.slices ?? []
        let existing = slices.firstIndex { $0.source == source && $0.name == stored.name }
        if let existing {
            guard slices[existing] != stored else { return }
            unindex(slices[existing], place)
            entries[place]?.slices[existing] = stored
        } else {
            sources[source].slices[key] = slice.service
            let position = slices.firstIndex { isBefore(stored, $0) } ?? slices.count
            entries[place]?.slices.insert(stored, at: position)
        }
        for member in stored.members { endpointIndex.insert(member.address, place) }
        before.slices.insert(slice.service)
        unsaved.insert(RowName(source: source, key: .slice(namespace: key.namespace, name: key.name)))
    }

    private mutating func removeSlice(_ key: SliceKey, _ source: Int, _ before: inout Before) {
        guard let name = sources[source].slices.removeValue(forKey: key), let place = places[name],
            let number = names.existingNumber(of: key.name),
            let position = entries[place]?.slices.firstIndex(where: { $0.source == source && $0.name == number }),
            let removed = entries[place]?.slices.remove(at: position)
        else { return }
        unindex(removed, place)
        before.slices.insert(name)
        unsaved.insert(RowName(source: source, key: .slice(namespace: key.namespace, name: key.name)))
        freeIfEmpty(place)
    }

    private mutating func unindex(_ slice: StoredSlice, _ place: Int) {
        for member in slice.members { endpointIndex.remove(member.address, place) }
    }

    private func isBefore(_ left: StoredSlice, _ right: StoredSlice) -> Bool {
        if left.source != right.source { return sourceIDs[left.source] < sourceIDs[right.source] }
        return (names.name(left.name) ?? "") < (names.name(right.name) ?? "")
    }

    // MARK: nodes

    private mutating func put(_ node: ClusterNode, _ source: Int, _ before: inout Before) {
        guard nodes[node.name]?.contains(where: { $0.source == source && $0.node == node }) != true else { return }
        note(node.name, &before)
        unsaved.insert(RowName(source: source, key: .node(node.name)))
        unindex(node.name)
        var entries = nodes[node.name] ?? []
        if let position = entries.firstIndex(where: { $0.source == source }) {
            entries[position].node = node
        } else {
            sources[source].nodes.insert(node.name)
            let position = entries.firstIndex { sourceIDs[source] < sourceIDs[$0.source] } ?? entries.count
            entries.insert(NodeEntry(source: source, node: node), at: position)
        }
        nodes[node.name] = entries
        index(node.name)
    }

    private mutating func removeNode(_ name: String, _ source: Int, _ before: inout Before) {
        guard sources[source].nodes.remove(name) != nil else { return }
        note(name, &before)
        unsaved.insert(RowName(source: source, key: .node(name)))
        unindex(name)
        nodes[name]?.removeAll { $0.source == source }
        if nodes[name]?.isEmpty == true { nodes[name] = nil }
        index(name)
    }

    private func note(_ node: String, _ before: inout Before) {
        guard before.nodes[node] == nil else { return }
        before.nodes[node] = .some(self.node(named: node))
    }

    private mutating func index(_ name: String) {
        guard let node = node(named: name) else { return }
        for address in node.addresses { nodeAddresses[address, default: []].append(name) }
        for address in Set(node.containers.flatMap(\.addresses)) {
            containerAddresses[address, default: []].append(name)
        }
    }

    private mutating func unindex(_ name: String) {
        guard let node = node(named: name) else { return }
        for address in node.addresses { Self.take(name, from: &nodeAddresses, at: address) }
        for address in Set(node.containers.flatMap(\.addresses)) {
            Self.take(name, from: &containerAddresses, at: address)
        }
    }

    private static func take(_ name: String, from index: inout [IPAddress: [String]], at address: IPAddress) {
        index[address]?.removeAll { $0 == name }
        if index[address]?.isEmpty == true { index[address] = nil }
    }

    // MARK: places

    private mutating func place(of name: ServiceName) -> Int {
        if let place = places[name] { return place }
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
            entries[place] = Entry(name: name)
        } else {
            place = entries.count
            entries.append(Entry(name: name))
        }
        places[name] = place
        return place
    }

    private mutating func freeIfEmpty(_ place: Int) {
        guard let entry = entries[place], entry.definitions.isEmpty, entry.slices.isEmpty else { return }
        places[entry.name] = nil
        entries[place] = nil
        freePlaces.append(place)
    }
}
