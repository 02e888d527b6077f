package import Services
import Wire

/// The service that a container's labels ask for, and what the container contributes to it.
///
/// ```
/// kubemesh.service=web  kubemesh.namespace=shop  kubemesh.port=80:8080=http,9090=metrics,53/udp=dns
/// ```
/// A port is `port[:target][/protocol][=name]`, as for `meshctl service add`; Kubernetes' words stand where Kubernetes has any.
package struct ContainerService: Equatable, Sendable {
    package static let portLimit = 64

    package var service: Service
    /// The ports of the container itself, by the names of the service's.
    package var targetPorts: [EndpointSlice.Port] = []
    /// The network whose address counts, by its name.
    package var network: String?
    package var hostname: String?
    package var weight: UInt16 = 1

    private static let policies: [Service.TrafficPolicy] = [.cluster, .local]
    private static let distributions: [(word: String, meaning: Service.Distribution)] = [
        ("PreferSameZone", .preferSameZone), ("PreferClose", .preferSameZone), ("PreferSameNode", .preferSameNode),
        ("PreferNearest", .preferNearest),
    ]
    private static let balancings: [(word: String, meaning: Service.Balancing)] = [
        ("random", .random), ("round-robin", .roundRobin), ("consistent-hash", .consistentHash),
        ("least-connections", .leastConnections),
    ]
    private static let families: [(word: String, meaning: Service.Families)] = [
        ("IPv4", .ipv4), ("IPv6", .ipv6), ("both", .both),
    ]

    /// `nil` for a container without labels of ours.
    package init?(labels: [String: String]) throws(LabelError) {
        var labels = ContainerLabels(labels)
        guard !labels.isEmpty else { return nil }
        let network = labels.text("network")
        guard let name = try labels.name("service") else {
            guard let other = labels.unread else { return nil }
            throw ContainerLabels.error(
                other, "stands without kubemesh.service",
                "say which service the container serves, or take the label away")
        }
        let namespace = try labels.name("namespace") ?? "default"
        service = Service(name: ServiceName(namespace: namespace, name: name))
        self.network = network
        hostname = try labels.name("hostname")
        weight = UInt16(try labels.number("weight", in: 0...1_000) ?? 1)
        if try labels.flag("headless") { service.kind = .headless }
        try readPorts(&labels)
        try readAddresses(&labels)
        try readTraffic(&labels)
        if let unknown = labels.unread {
            throw ContainerLabels.error(
                unknown, "is no label that is known here", "see docs/services.md for those that are, or take it away")
        }
    }

    private mutating func readPorts(_ labels: inout ContainerLabels) throws(LabelError) {
        let entries = try labels.list("port") ?? []
        if entries.isEmpty, service.kind != .headless {
            throw ContainerLabels.error(
                "port", "is missing", "write the port that clients connect to, as in kubemesh.port=80 or 80:8080")
        }
        for entry in entries { try addPort(entry, isOnly: entries.count == 1) }
        for entry in try labels.list("node-port") ?? [] { try addNodePort(entry) }
    }

    /// `port[:target][/protocol][=name]`; where there are several, one without a name is called as in `tcp-80`.
    private mutating func addPort(_ entry: Substring, isOnly: Bool) throws(LabelError) {
        let label = "port"
        let (front, name) = Self.halves(entry, at: "=")
        let (numbers, protocolName) = Self.halves(front, at: "/")
        let (first, second) = Self.halves(numbers, at: ":")
        guard let transport = protocolName.map({ TransportProtocol(String($0)) }) ?? .tcp else {
            throw ContainerLabels.error(label, "has no known protocol in \"\(entry)\"", "write /tcp, /udp or /sctp")
        }
        let port = UInt16(try ContainerLabels.number(first, in: 1...65_535, label))
        let target = UInt16(try ContainerLabels.number(second ?? first, in: 1...65_535, label))
        let given = name.map { String($0) }
        guard given.map(ContainerLabels.isDNSLabel) ?? true else {
            throw ContainerLabels.error(
                label, "has \"\(given ?? "")\" for a name", "write small letters, digits and hyphens, as in 80=http")
        }
        let chosen = given ?? (isOnly ? nil : "\(transport.description.lowercased())-\(port)")
        for other in service.ports where other.name == chosen || (other.port == port && other.transport == transport) {
            throw ContainerLabels.error(label, "repeats \"\(entry)\"", "give each a name and a port of its own")
        }
        service.ports.append(Service.Port(name: chosen, transport: transport, port: port))
        targetPorts.append(EndpointSlice.Port(name: chosen, transport: transport, port: target))
    }

    /// `[port:]nodeport`, a port of every host for one of the service's.
    private mutating func addNodePort(_ entry: Substring) throws(LabelError) {
        let label = "node-port"
        let (first, second) = Self.halves(entry, at: ":")
        let nodePort = UInt16(try ContainerLabels.number(second ?? first, in: 1...65_535, label))
        let port: UInt16? =
            second == nil
            ? service.ports.count == 1 ? service.ports.first?.port : nil
            : UInt16(try ContainerLabels.number(first, in: 1...65_535, label))
        let places = service.ports.indices.filter { service.ports[$0].port == port }
        guard service.kind != .headless, !places.isEmpty else {
            throw ContainerLabels.error(
                label, "has \"\(entry)\", which is for no port of the service",
                "write 30080 where there is one port, else 80:30080; a headless service has none")
        }
        service.kind = .nodePort
        for place in places { service.ports[place].nodePort = nodePort }
    }

    /// What stands before the first such mark, and what stands after it.
    private static func halves(_ text: Substring, at mark: Character) -> (Substring, Substring?) {
        guard let position = text.firstIndex(of: mark) else { return (text, nil) }
        return (text[..<position], text[text.index(after: position)...])
    }

    private mutating func readAddresses(_ labels: inout ContainerLabels) throws(LabelError) {
        let label = "cluster-ip"
        for entry in try labels.list(label) ?? [] {
            guard let address = IPAddress(entry), address.isUnicast,
                !service.clusterIPs.contains(where: { $0.isIPv4 == address.isIPv4 })
            else {
                throw ContainerLabels.error(
                    label, "has \"\(entry)\"", "write an address, one of each family at most, or leave it out")
            }
            service.clusterIPs.append(address)
        }
        if service.kind == .headless, !service.clusterIPs.isEmpty {
            throw ContainerLabels.error(label, "stands beside kubemesh.headless", "take one of the two away")
        }
        if let position = try labels.word("ip-families", Self.families.map(\.word)) {
            service.families = Self.families[position].meaning
        }
    }

    private mutating func readTraffic(_ labels: inout ContainerLabels) throws(LabelError) {
        let seconds = try labels.number("session-affinity-seconds", in: 1...86_400)
        if try labels.word("session-affinity", ["None", "ClientIP"]) == 1 {
            service.affinitySeconds = UInt32(seconds ?? 10_800)
        } else if seconds != nil {
            throw ContainerLabels.error(
                "session-affinity-seconds", "stands without affinity", "write kubemesh.session-affinity=ClientIP too")
        }
        let policies = ["Cluster", "Local"]
        service.internalPolicy = Self.policies[try labels.word("internal-traffic-policy", policies) ?? 0]
        service.externalPolicy = Self.policies[try labels.word("external-traffic-policy", policies) ?? 0]
        if let position = try labels.word("traffic-distribution", Self.distributions.map(\.word)) {
            service.distribution = Self.distributions[position].meaning
        }
        if let position = try labels.word("balancing", Self.balancings.map(\.word)) {
            service.balancing = Self.balancings[position].meaning
        }
        service.publishesNotReady = try labels.flag("publish-not-ready")
    }
}
