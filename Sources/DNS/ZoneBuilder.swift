package import Services
package import Wire

/// A node of the mesh and what runs on it, as names are made for them: `<node>.mesh.internal`,
/// `<container>.<node>.mesh.internal`.
package struct ZoneHost: Equatable, Sendable {
    package struct Container: Equatable, Sendable {
        package var name: String
        package var addresses: [IPAddress]

        package init(name: String, addresses: [IPAddress]) {
            self.name = name
            self.addresses = addresses
        }
    }

    package var name: String
    /// In the mesh.
    package var addresses: [IPAddress]
    package var containers: [Container]

    package init(name: String, addresses: [IPAddress], containers: [Container] = []) {
        self.name = name
        self.addresses = addresses
        self.containers = containers
    }
}

/// Keeps the zones up to date, one service or node at a time, and makes snapshots of them.
///
/// A change costs what its own service costs; a snapshot costs nothing, and the first change after it some microseconds.
package struct ZoneBuilder: Sendable {
    private let settings: ZoneSettings
    private var names = BucketTable<NameSlot>()
    private var addresses = BucketTable<NamedAddress>()
    private var services: [ServiceName: Contribution] = [:]
    private var hosts: [String: Contribution] = [:]

    /// What has to be taken away again when a service or a node changes.
    private struct Contribution {
        let entries: [NameEntry]
        let addresses: [IPAddress]
        let holder: NamedAddress.Owner
        let anchors: [DomainName]
    }

    /// Names that exist because others lie below them, and how many those are.
    private var ancestors: [[UInt8]: (count: Int, entry: NameEntry)] = [:]

    package init(_ settings: ZoneSettings = ZoneSettings()) {
        self.settings = settings
        for domain in [settings.clusterDomain, settings.meshDomain] { addFixedNames(of: domain) }
        if let version = settings.clusterDomain.prepending("dns-version") {
            let record = ResourceRecord(version, .txt, ttl: settings.ttl, .text([Array("1.1.0".utf8)]))
            insert(version, .txt, PreparedAnswer(to: version, answers: [record]))
        }
        for label in ["svc"] + (settings.podNames == .disabled ? [] : ["pod"]) {
            if let name = settings.clusterDomain.prepending(label) {
                names.insert(NameSlot(NameEntry(name, rank: .emptyNonTerminal)))
            }
        }
    }

    /// Enters a service with all its endpoints, ready or not, in place of what it was.
    package mutating func set(_ service: Service, endpoints: [ZoneEndpoint]) {
        let records = ZoneRecords(service, endpoints, settings)
        services[service.name] = replace(services[service.name], by: records)
    }

    package mutating func removeService(_ name: ServiceName) {
        services[name] = replace(services[name], by: nil)
    }

    package mutating func set(_ host: ZoneHost) {
        hosts[host.name] = replace(hosts[host.name], by: ZoneRecords(host, settings))
    }

    package mutating func removeHost(_ name: String) {
        hosts[name] = replace(hosts[name], by: nil)
    }

    package var serviceCount: Int { services.count }

    /// The zones as they are now; `serial` is what their SOA records carry, and should not go back.
    package func snapshot(serial: UInt32) -> ZoneIndex {
        let zones = [settings.clusterDomain, settings.meshDomain].map { domain in
            ZoneIndex.Zone(name: domain.lowercased, authority: authority(of: domain, serial: serial))
        }
        var index = ZoneIndex(
            rules: settings, zones: zones, reverseAuthority: authority(of: settings.clusterDomain, serial: serial))
        index.names = names
        index.addresses = addresses
        return index
    }

    // MARK: what is always there

    private mutating func addFixedNames(of domain: DomainName) {
        guard let parent = domain.prepending("dns"), let server = parent.prepending("ns") else { return }
        let record = ResourceRecord(domain, .ns, ttl: settings.ttl, .name(server))
        let glue = settings.serverAddresses.map { ResourceRecord(server, address: $0, ttl: settings.ttl) }
        insert(domain, .ns, PreparedAnswer(to: domain, answers: [record], additional: glue))
        names.insert(NameSlot(NameEntry(parent, rank: .emptyNonTerminal)))
        let sets = [RecordType.a, .aaaa].compactMap { type -> NameEntry.RecordSet? in
            let family = settings.serverAddresses.filter { $0.isIPv4 == (type == .a) }
            guard !family.isEmpty else { return nil }
            return NameEntry.RecordSet(type: type, answer: PreparedAnswer(addresses: family, ttl: settings.ttl))
        }
        names.insert(NameSlot(NameEntry(server, rank: .service, sets: sets)))
    }

    private mutating func insert(_ name: DomainName, _ type: RecordType, _ answer: PreparedAnswer) {
        names.insert(NameSlot(NameEntry(name, rank: .service, sets: [NameEntry.RecordSet(type: type, answer: answer)])))
    }

    /// Type, class, TTL and data of the SOA record.
    private func authority(of domain: DomainName, serial: UInt32) -> [UInt8] {
        guard let server = domain.prepending("dns")?.prepending("ns"), let mailbox = domain.prepending("hostmaster")
        else { return [] }
        let data = RecordData.Authority(
            server: server, mailbox: mailbox, serial: serial, refresh: 7200, retry: 1800, expire: 86400,
            minimum: settings.negativeTTL)
        let record = ResourceRecord(.root, .soa, ttl: settings.negativeTTL, .authority(data))
        // Without the owner's name, which differs; and uncompressed, since what stands before it does too.
        var writer = MessageWriter()
        writer.append(bigEndian: record.type.rawValue)
        writer.append(bigEndian: record.recordClass)
        writer.append(bigEndian: record.ttl)
        writer.append(bigEndian: UInt16(server.wire.count + mailbox.wire.count + 20))
        writer.append(server.wire)
        writer.append(mailbox.wire)
        for field in [data.serial, data.refresh, data.retry, data.expire, data.minimum] {
            writer.append(bigEndian: field)
        }
        return writer.bytes
    }

    // MARK: changes

    private mutating func replace(_ old: Contribution?, by new: ZoneRecords?) -> Contribution? {
        for anchor in new?.anchors ?? [] { addAncestors(of: anchor) }
        if let old {
            for entry in old.entries { names.remove(entry.tableHash) { $0.entry === entry } }
            for address in old.addresses {
                addresses.remove(NamedAddress.hash(of: address)) { $0.address == address && $0.owner == old.holder }
            }
            for anchor in old.anchors { removeAncestors(of: anchor) }
        }
        guard let new else { return nil }
        for entry in new.entries { names.insert(NameSlot(entry)) }
        for claim in new.claims { addresses.insert(claim) }
        return Contribution(
            entries: new.entries, addresses: new.claims.map(\.address), holder: new.contributor, anchors: new.anchors)
    }

    /// The names between `name` and the apex of its zone.
    private func ancestors(of name: DomainName) -> [DomainName] {
        var found: [DomainName] = []
        var name = name.parent
        while !name.isRoot, name != settings.clusterDomain, name != settings.meshDomain {
            found.append(name)
            name = name.parent
        }
        return found
    }

    private mutating func addAncestors(of name: DomainName) {
        for ancestor in ancestors(of: name) {
            let key = ancestor.wire.asciiLowercased
            if ancestors[key] == nil {
                let entry = NameEntry(ancestor, rank: .emptyNonTerminal)
                ancestors[key] = (0, entry)
                names.insert(NameSlot(entry))
            }
            ancestors[key]?.count += 1
        }
    }

    private mutating func removeAncestors(of name: DomainName) {
        for ancestor in ancestors(of: name) {
            let key = ancestor.wire.asciiLowercased
            guard let (count, entry) = ancestors[key] else { continue }
            if count == 1 {
                ancestors[key] = nil
                names.remove(entry.tableHash) { $0.entry === entry }
            } else {
                ancestors[key]?.count = count - 1
            }
        }
    }
}
