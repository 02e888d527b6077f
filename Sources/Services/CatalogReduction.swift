import Wire

/// Objects to and from the form in which a catalog keeps them.
extension Catalog {
    mutating func reduce(_ slice: EndpointSlice, _ source: Int) -> StoredSlice {
        StoredSlice(
            source: source, name: names.number(of: slice.name), ports: portSets.number(of: slice.ports),
            members: slice.members.map { member in
                let hints = HintSet(
                    zones: member.zoneHints?.map { names.number(of: $0) },
                    nodes: member.nodeHints?.map { names.number(of: $0) })
                return ReducedEndpoint(
                    member, node: names.number(of: member.nodeName), zone: names.number(of: member.zone),
                    hostname: names.number(of: member.hostname), target: names.number(of: member.targetName),
                    hints: hints.isAbsent ? 0 : hintSets.number(of: hints))
            })
    }

    func member(_ endpoint: ReducedEndpoint) -> EndpointSlice.Member {
        var member = EndpointSlice.Member(
            endpoint.address, nodeName: names.name(endpoint.node), conditions: endpoint.conditions)
        member.zone = names.name(endpoint.zone)
        member.hostname = names.name(endpoint.hostname)
        member.targetName = names.name(endpoint.target)
        if endpoint.hints != 0 {
            member.zoneHints = hintSets[endpoint.hints].zones?.map { names.name($0) ?? "" }
            member.nodeHints = hintSets[endpoint.hints].nodes?.map { names.name($0) ?? "" }
        }
        member.weight = endpoint.weight
        return member
    }

    func slice(_ stored: StoredSlice, of service: ServiceName) -> EndpointSlice {
        EndpointSlice(
            name: names.name(stored.name) ?? "", service: service, ports: portSets[stored.ports],
            members: stored.members.map(member))
    }

    /// Pods come and go, and each leaves its name: once most names may be dead, the tables are made anew from those in
    /// use. The work is spread over as many changes as it took to get there.
    mutating func clearDeadNamesIfMany() {
        guard names.count > 2 * nameCountAfterClearing + 4096 else { return }
        let slices = entries.map { entry in entry.map { entry in entry.slices.map { slice($0, of: entry.name) } } }
        names = NameTable()
        portSets = Interned()
        hintSets = Interned()
        for place in entries.indices {
            for (position, slice) in (slices[place] ?? []).enumerated() {
                guard let source = entries[place]?.slices[position].source else { continue }
                let reduced = reduce(slice, source)
                entries[place]?.slices[position] = reduced
            }
        }
        nameCountAfterClearing = names.count
    }
}
