import Wire

/// A service's fields in a row: kind, cluster addresses, ports, then the rest in the order of the declaration.
extension Service {
    func write(to writer: inout ByteWriter) {
        switch kind {
        case .clusterIP: writer.append(0)
        case .headless: writer.append(1)
        case .nodePort: writer.append(2)
        case .loadBalancer: writer.append(3)
        case .externalName(let name):
            writer.append(4)
            writer.append(text: name)
        }
        writer.append(clusterIPs)
        writer.append(count: ports.count)
        for port in ports {
            writer.append(optional: port.name)
            writer.append(port.transport.rawValue)
            writer.append(bigEndian: port.port)
            writer.append(bigEndian: port.nodePort ?? 0)
        }
        writer.append(bigEndian: affinitySeconds ?? 0)
        writer.append(Self.index(of: internalPolicy, in: Self.policies))
        writer.append(Self.index(of: externalPolicy, in: Self.policies))
        writer.append(Self.index(of: distribution, in: Self.distributions))
        writer.append(Self.index(of: balancing, in: Self.balancings))
        writer.append(Self.index(of: families, in: Self.familyChoices))
        writer.append((publishesNotReady ? 1 : 0) | (isServedElsewhere ? 2 : 0) | (bearsFilterLabel ? 4 : 0))
        writer.append(loadBalancerAddresses)
        writer.append(loadBalancerSources)
        writer.append(bigEndian: healthCheckNodePort ?? 0)
        writer.append(bigEndian: claim.since)
        writer.append(claim.held)
    }

    init(name: ServiceName, parsing reader: inout ByteReader) throws(WireError) {
        let kind: Kind =
            switch try reader.readUInt8() {
            case 0: .clusterIP
            case 1: .headless
            case 2: .nodePort
            case 3: .loadBalancer
            case 4: .externalName(try reader.readText())
            default: throw .invalidField("kind")
            }
        self.init(name: name, kind: kind)
        clusterIPs = try reader.readAddresses()
        for _ in 0..<(try reader.readCount()) {
            var port = Port(
                name: try reader.readOptionalText(), transport: try reader.readTransport(),
                port: try reader.readBigEndianUInt16())
            let nodePort = try reader.readBigEndianUInt16()
            port.nodePort = nodePort == 0 ? nil : nodePort
            ports.append(port)
        }
        let affinity = try reader.readBigEndianUInt32()
        affinitySeconds = affinity == 0 ? nil : affinity
        internalPolicy = try Self.value(try reader.readUInt8(), of: Self.policies)
        externalPolicy = try Self.value(try reader.readUInt8(), of: Self.policies)
        distribution = try Self.value(try reader.readUInt8(), of: Self.distributions)
        balancing = try Self.value(try reader.readUInt8(), of: Self.balancings)
        families = try Self.value(try reader.readUInt8(), of: Self.familyChoices)
        let flags = try reader.readUInt8()
        guard flags < 8 else { throw .invalidField("flags") }
        publishesNotReady = flags & 1 != 0
        isServedElsewhere = flags & 2 != 0
        bearsFilterLabel = flags & 4 != 0
        loadBalancerAddresses = try reader.readAddresses()
        loadBalancerSources = try reader.readPrefixes()
        let healthCheck = try reader.readBigEndianUInt16()
        healthCheckNodePort = healthCheck == 0 ? nil : healthCheck
        claim.since = try reader.readBigEndianUInt64()
        claim.held = try reader.readAddresses()
    }

    /// The order is that of the bytes on disk: new cases go to the end.
    private static let policies: [TrafficPolicy] = [.cluster, .local]
    private static let distributions: [Distribution] = [.none, .preferSameZone, .preferSameNode, .preferNearest]
    private static let balancings: [Balancing] = [.random, .roundRobin, .consistentHash, .leastConnections]
    private static let familyChoices: [Families] = [.first, .ipv4, .ipv6, .both]

    private static func index<Value: Equatable>(of value: Value, in values: [Value]) -> UInt8 {
        UInt8(values.firstIndex(of: value) ?? 0)
    }

    private static func value<Value>(_ index: UInt8, of values: [Value]) throws(WireError) -> Value {
        guard Int(index) < values.count else { throw .invalidField("choice") }
        return values[Int(index)]
    }
}

/// A slice's fields in a row: its service's name, its ports, a table of the strings that its members refer to, members.
extension EndpointSlice {
    func write(to writer: inout ByteWriter) {
        writer.append(text: service.name)
        writer.append(count: ports.count)
        for port in ports {
            writer.append(optional: port.name)
            writer.append(port.transport.rawValue)
            writer.append(bigEndian: port.port)
        }
        var strings: [String] = []
        var indices: [String: Int] = [:]
        var members = ByteWriter()
        /// Zero stands for "none".
        func index(_ text: String?) -> Int {
            guard let text else { return 0 }
            if let index = indices[text] { return index }
            strings.append(text)
            indices[text] = strings.count
            return strings.count
        }
        for member in self.members {
            members.append(member.address)
            for text in [member.nodeName, member.zone, member.hostname, member.targetName] {
                members.append(count: index(text))
            }
            let conditions = member.conditions
            members.append(
                (conditions.ready ? 1 : 0) | (conditions.serving ? 2 : 0) | (conditions.terminating ? 4 : 0)
                    | (member.zoneHints == nil ? 0 : 8) | (member.nodeHints == nil ? 0 : 16))
            for hints in [member.zoneHints, member.nodeHints] {
                guard let hints else { continue }
                members.append(count: hints.count)
                for hint in hints { members.append(count: index(hint)) }
            }
            members.append(bigEndian: member.weight)
        }
        writer.append(count: strings.count)
        for string in strings { writer.append(text: string) }
        writer.append(count: self.members.count)
        writer.append(members.bytes)
    }

    init(namespace: String, name: String, parsing reader: inout ByteReader) throws(WireError) {
        self.init(name: name, service: ServiceName(namespace: namespace, name: try reader.readText()))
        for _ in 0..<(try reader.readCount()) {
            ports.append(
                Port(
                    name: try reader.readOptionalText(), transport: try reader.readTransport(),
                    port: try reader.readBigEndianUInt16()))
        }
        var strings: [String] = []
        for _ in 0..<(try reader.readCount()) { strings.append(try reader.readText()) }
        for _ in 0..<(try reader.readCount()) {
            members.append(try Member(parsing: &reader, strings))
        }
    }
}

extension EndpointSlice.Member {
    fileprivate init(parsing reader: inout ByteReader, _ strings: [String]) throws(WireError) {
        self.init(try reader.readAddress())
        nodeName = try Self.string(&reader, strings)
        zone = try Self.string(&reader, strings)
        hostname = try Self.string(&reader, strings)
        targetName = try Self.string(&reader, strings)
        let flags = try reader.readUInt8()
        guard flags < 32 else { throw .invalidField("flags") }
        conditions = EndpointSlice.Conditions(
            ready: flags & 1 != 0, serving: flags & 2 != 0, terminating: flags & 4 != 0)
        if flags & 8 != 0 { zoneHints = try Self.hints(&reader, strings) }
        if flags & 16 != 0 { nodeHints = try Self.hints(&reader, strings) }
        weight = try reader.readBigEndianUInt16()
    }

    private static func string(_ reader: inout ByteReader, _ strings: [String]) throws(WireError) -> String? {
        let index = try reader.readCount()
        guard index <= strings.count else { throw .invalidField("string") }
        return index == 0 ? nil : strings[index - 1]
    }

    private static func hints(_ reader: inout ByteReader, _ strings: [String]) throws(WireError) -> [String] {
        var hints: [String] = []
        for _ in 0..<(try reader.readCount()) { hints.append(try string(&reader, strings) ?? "") }
        return hints
    }
}

/// A node's fields in a row: addresses, prefixes, zone, containers.
extension ClusterNode {
    func write(to writer: inout ByteWriter) {
        writer.append(addresses)
        writer.append(podPrefixes)
        writer.append(optional: zone)
        writer.append(count: containers.count)
        for container in containers {
            writer.append(text: container.name)
            writer.append(container.addresses)
        }
    }

    init(name: String, parsing reader: inout ByteReader) throws(WireError) {
        self.init(name: name)
        addresses = try reader.readAddresses()
        podPrefixes = try reader.readPrefixes()
        zone = try reader.readOptionalText()
        for _ in 0..<(try reader.readCount()) {
            containers.append(Container(name: try reader.readText(), addresses: try reader.readAddresses()))
        }
    }
}
