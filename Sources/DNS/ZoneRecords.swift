package import Services
package import Wire

/// An endpoint of a service, with the address at which clients of this host reach it.
package struct ZoneEndpoint: Equatable, Sendable {
    package var address: IPAddress
    package var hostname: String?
    /// The name of the Pod or container behind it.
    package var targetName: String?
    package var zone: String?
    package var isReady = true
    package var ports: [EndpointSlice.Port] = []

    package init(_ address: IPAddress) {
        self.address = address
    }

    /// - Parameter address: where the member is reached, if not at what its slice says.
    package init(_ member: EndpointSlice.Member, ports: [EndpointSlice.Port], address: IPAddress? = nil) {
        self.address = address ?? member.address
        hostname = member.hostname
        targetName = member.targetName
        zone = member.zone
        isReady = member.conditions.ready
        self.ports = ports
    }
}

/// The names and addresses that one service, or one node, brings into the zones.
struct ZoneRecords {
    var entries: [NameEntry] = []
    var claims: [NamedAddress] = []
    /// Names whose ancestors, up to the zone, are names too.
    var anchors: [DomainName] = []

    let contributor: NamedAddress.Owner
    private let settings: ZoneSettings

    /// The rows of the Kubernetes DNS specification (1.1.0) for a service; nothing for one whose name is none.
    init(_ service: Service, _ endpoints: [ZoneEndpoint], _ settings: ZoneSettings) {
        self.settings = settings
        contributor = .service(service.name)
        guard
            let name = settings.clusterDomain.prepending("svc")?.prepending(service.name.namespace)?
                .prepending(service.name.name)
        else { return }
        anchors = [name]
        if case .externalName(let target) = service.kind {
            addExternal(name, target)
            return
        }
        let ready = Self.merged(endpoints.filter { $0.isReady || service.publishesNotReady }, settings)
        if ready.isEmpty, settings.deniesEmptyServices {
            anchors = []
            return
        }
        let isHeadless = service.kind == .headless || service.clusterIPs.isEmpty
        let zones = isHeadless ? Set(ready.compactMap(\.zone)) : []
        let ports = isHeadless ? Set(ready.flatMap(\.namedPorts)) : Set(service.ports.compactMap(NamedPort.init))
        let owner = ServiceOwner(
            name: name, service: service.name, transports: Set(ports.map(\.transport)),
            isZonal: !zones.isEmpty)
        let addresses = isHeadless ? ready.map(\.address) : service.clusterIPs
        entries.append(NameEntry(name, rank: .service, sets: addressSets(addresses), service: owner))
        if !isHeadless { claims += service.clusterIPs.map { NamedAddress(address: $0, holder: .clusterIP(owner)) } }
        addEndpoints(ready, of: owner)
        for port in ports.sorted() {
            let targets =
                isHeadless
                ? headlessTargets(ready, port, name)
                : [Target(name: name, addresses: service.clusterIPs, port: port.servicePort)]
            addPort(port, of: name, targets)
        }
        for zone in zones.sorted() {
            let addresses = ready.filter { $0.zone == zone }.map(\.address)
            for kind in ["pin", "prefer"] {
                guard let name = name.prepending("_zone")?.prepending(kind)?.prepending(zone) else { continue }
                entries.append(NameEntry(name, rank: .service, sets: addressSets(addresses)))
            }
        }
    }

    /// The names of a node and its containers, in the mesh's domain.
    init(_ host: ZoneHost, _ settings: ZoneSettings) {
        self.settings = settings
        contributor = .node(host.name)
        guard let name = DomainName(host.name).flatMap({ settings.meshDomain.prepending($0) }) else { return }
        let inMesh = host.addresses.filter { address in settings.meshPrefixes.contains { $0.contains(address) } }
        add(name, inMesh.isEmpty ? host.addresses : inMesh, .node, host.name)
        for container in host.containers {
            let label = container.name.lowercased().utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "-") : $0 }
            guard let name = name.prepending(label) else { continue }
            add(name, container.addresses, .container, host.name)
        }
    }

    private mutating func add(_ name: DomainName, _ addresses: [IPAddress], _ rank: NameEntry.Rank, _ node: String) {
        entries.append(NameEntry(name, rank: rank, sets: addressSets(addresses)))
        let host = HostName(name, node: node)
        claims += addresses.map { NamedAddress(address: $0, holder: .host(host)) }
        anchors.append(name)
    }

    // MARK: parts of a service

    private mutating func addExternal(_ name: DomainName, _ text: String) {
        if let address = IPAddress(text) {
            entries.append(NameEntry(name, rank: .service, sets: addressSets([address])))
        } else if let target = DomainName(text) {
            let record = ResourceRecord(name, .cname, ttl: settings.ttl, .name(target))
            let set = NameEntry.RecordSet(type: .cname, answer: PreparedAnswer(to: name, answers: [record]))
            entries.append(NameEntry(name, rank: .service, sets: [set], alias: target))
        }
    }

    private func addressSets(_ addresses: [IPAddress]) -> [NameEntry.RecordSet] {
        [RecordType.a, .aaaa].compactMap { type in
            let family = addresses.filter { $0.isIPv4 == (type == .a) }
            guard !family.isEmpty else { return nil }
            return NameEntry.RecordSet(type: type, answer: PreparedAnswer(addresses: family, ttl: settings.ttl))
        }
    }

    /// Endpoints with a name of their own have entries; the others' names are made from their addresses when asked for.
    private mutating func addEndpoints(_ endpoints: [Endpoint], of owner: ServiceOwner) {
        var named: [String: [IPAddress]] = [:]
        for endpoint in endpoints {
            let holder = endpoint.label.map { NamedAddress.Holder.namedEndpoint(NamedEndpoint($0, of: owner)) }
            claims.append(NamedAddress(address: endpoint.address, holder: holder ?? .endpoint(owner)))
            if let label = endpoint.label { named[label, default: []].append(endpoint.address) }
        }
        for (label, addresses) in named.sorted(by: { $0.key < $1.key }) {
            guard let name = DomainName(label).flatMap({ owner.name.prepending($0) }) else { continue }
            entries.append(NameEntry(name, rank: .service, sets: addressSets(addresses)))
            if label.contains(".") { anchors.append(name) }
        }
    }

    private struct Target {
        var name: DomainName
        var addresses: [IPAddress]
        var port: UInt16
    }

    private func headlessTargets(_ endpoints: [Endpoint], _ port: NamedPort, _ service: DomainName) -> [Target] {
        var targets: [Target] = []
        var places: [DomainName: Int] = [:]
        for endpoint in endpoints {
            let label = endpoint.label ?? DashedAddress.label(of: endpoint.address)
            guard let number = endpoint.ports.first(where: { NamedPort($0) == port })?.port,
                let name = DomainName(label).flatMap({ service.prepending($0) })
            else { continue }
            if let place = places[name], targets[place].port == number {
                targets[place].addresses.append(endpoint.address)
            } else {
                places[name] = targets.count
                targets.append(Target(name: name, addresses: [endpoint.address], port: number))
            }
        }
        return targets
    }

    private mutating func addPort(_ port: NamedPort, of service: DomainName, _ targets: [Target]) {
        guard let name = service.prepending(port.transport.dnsLabel)?.prepending("_" + port.name), !targets.isEmpty
        else {
            return
        }
        let weight = UInt16(clamping: max(1, 100 / targets.count))
        let records = targets.map { target in
            ResourceRecord(
                name, .srv, ttl: settings.ttl,
                .service(priority: 0, weight: weight, port: target.port, target: target.name))
        }
        let glue = targets.flatMap { target in
            target.addresses.map { ResourceRecord(target.name, address: $0, ttl: settings.ttl) }
        }
        let answer = PreparedAnswer(to: name, answers: records, additional: glue)
        entries.append(NameEntry(name, rank: .service, sets: [NameEntry.RecordSet(type: .srv, answer: answer)]))
    }
}

/// A port's name and transport, which together have SRV records.
private struct NamedPort: Hashable, Comparable {
    var name: String
    var transport: TransportProtocol
    /// The service's own; not part of what makes it one.
    var servicePort: UInt16 = 0

    init?(_ port: Service.Port) {
        self.init(port.name, port.transport)
        servicePort = port.port
    }

    init?(_ port: EndpointSlice.Port) {
        self.init(port.name, port.transport)
    }

    private init?(_ name: String?, _ transport: TransportProtocol) {
        guard let name, !name.isEmpty else { return nil }
        self.name = name
        self.transport = transport
    }

    static func == (left: NamedPort, right: NamedPort) -> Bool {
        left.name == right.name && left.transport == right.transport
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(transport)
    }

    static func < (left: NamedPort, right: NamedPort) -> Bool {
        (left.name, left.transport) < (right.name, right.transport)
    }
}

extension ZoneRecords {
    /// A ready endpoint, once however many slices it stands in.
    fileprivate struct Endpoint {
        var address: IPAddress
        var label: String?
        var zone: String?
        var ports: [EndpointSlice.Port]

        var namedPorts: [NamedPort] { ports.compactMap(NamedPort.init) }
    }

    /// In the order of their addresses, so that an answer does not depend on the order of slices.
    fileprivate static func merged(_ endpoints: [ZoneEndpoint], _ settings: ZoneSettings) -> [Endpoint] {
        var merged: [IPAddress: Endpoint] = [:]
        for endpoint in endpoints {
            let name = [endpoint.hostname, settings.usesPodNames ? endpoint.targetName : nil]
                .compactMap { $0 }.first { !$0.isEmpty && DomainName($0) != nil }
            var known = merged[endpoint.address] ?? Endpoint(address: endpoint.address, ports: [])
            known.label = known.label ?? name
            known.zone = known.zone ?? endpoint.zone
            known.ports += endpoint.ports.filter { !known.ports.contains($0) }
            merged[endpoint.address] = known
        }
        return merged.values.sorted { $0.address < $1.address }
    }
}
