import Arguments
import ControlAPI
import Services
import Wire

/// A service that a command states, found good, as the objects that a catalog holds.
struct CheckedDefinition {
    private(set) var service: Service
    private(set) var slice: EndpointSlice
    private(set) var notices: [Notice] = []

    init(_ definition: ServiceDefinition, _ catalog: Catalog, _ view: LocalView) throws(Failure) {
        let name = try Self.name(definition)
        service = Service(name: name)
        slice = EndpointSlice(name: name.name, service: name)
        if let target = definition.externalName {
            service.kind = .externalName(try Self.externalName(target, definition))
            return
        }
        try setPorts(definition)
        service.kind =
            definition.isHeadless
            ? .headless : definition.ports.contains { $0.nodePort != nil } ? .nodePort : .clusterIP
        service.clusterIPs = try clusterIPs(definition, catalog, view)
        try setSpreading(definition)
        for given in definition.members {
            let member = try Self.member(given, catalog, view)
            try add(member)
            if member.nodeName == nil { notices.append(Self.isElsewhere(member.address)) }
        }
        for name in definition.containers { try addContainer(name, catalog) }
        guard slice.members.count <= ServiceDefinition.memberLimit else {
            throw Failure(
                .usage, "\(slice.members.count) endpoints are more than one command may name",
                nextStep: "name at most \(ServiceDefinition.memberLimit), or write a manifest")
        }
        chooseFamilies()
        if slice.members.isEmpty {
            notices.append(
                Notice(
                    "it has no endpoints of its own: connections are refused until another source names some",
                    nextStep: "add it again with --endpoint or --container"))
        }
    }

    // MARK: the name

    private static func name(_ definition: ServiceDefinition) throws(Failure) -> ServiceName {
        for (what, text) in [("name", definition.name), ("namespace", definition.namespace)]
        where ServiceTarget.label(text) == nil {
            throw Failure(
                .usage, "the \(what) of a service cannot be \"\(text)\"",
                nextStep: "use at most 63 small letters, digits and hyphens, no hyphen at either end")
        }
        return ServiceName(namespace: definition.namespace, name: definition.name)
    }

    private static func externalName(_ text: String, _ definition: ServiceDefinition) throws(Failure) -> String {
        guard
            definition.ports.isEmpty, definition.members.isEmpty, definition.containers.isEmpty,
            definition.clusterIPs.isEmpty, !definition.isHeadless
        else {
            throw Failure(
                .usage, "a service that is another name for \(text) has neither ports nor addresses nor endpoints",
                nextStep: "leave them out, or leave --external-name out")
        }
        let name = text.lowercased()
        let bare = name.hasSuffix(".") ? String(name.dropLast()) : name
        guard NodeName(bare) != nil, IPAddress(bare) == nil else {
            throw Failure(.usage, "\"\(text)\" is no DNS name", nextStep: "give one such as db.example.org")
        }
        return bare
    }

    // MARK: ports

    private mutating func setPorts(_ definition: ServiceDefinition) throws(Failure) {
        guard !definition.ports.isEmpty || definition.isHeadless else {
            throw Failure(.usage, "a service needs a port", nextStep: "give one, as in --port 80 or --port 80:8080")
        }
        guard definition.ports.count <= ServiceDefinition.portLimit else {
            throw Failure(
                .usage, "\(definition.ports.count) ports are more than a service may have",
                nextStep: "give at most \(ServiceDefinition.portLimit)")
        }
        for given in definition.ports {
            guard let transport = TransportProtocol(given.transport) else {
                throw Failure(
                    .usage, "\"\(given.transport)\" is no protocol with ports", nextStep: "use tcp, udp or sctp")
            }
            guard given.port > 0, given.target != 0, given.nodePort != 0 else {
                throw Failure(.usage, "0 is no port", nextStep: "use 1 to 65535")
            }
            // Ports are joined by name, so where there are several each has one.
            let name =
                given.name ?? (definition.ports.count > 1 ? "\(given.transport.lowercased())-\(given.port)" : nil)
            if let name, ServiceTarget.label(name) == nil {
                throw Failure(
                    .usage, "a port cannot be called \"\(name)\"", nextStep: "use small letters, digits and hyphens")
            }
            let port = Service.Port(name: name, transport: transport, port: given.port, nodePort: given.nodePort)
            for other in service.ports {
                try Self.compare(port, other)
            }
            service.ports.append(port)
            slice.ports.append(.init(name: name, transport: transport, port: given.target ?? given.port))
        }
    }

    private static func compare(_ port: Service.Port, _ other: Service.Port) throws(Failure) {
        if port.transport == other.transport, port.port == other.port {
            throw Failure(
                .usage, "\(port.transport) port \(port.port) is given twice", nextStep: "give each port once")
        }
        if let name = port.name, name == other.name {
            throw Failure(.usage, "two ports are called \(name)", nextStep: "give each a name of its own")
        }
        if let nodePort = port.nodePort, nodePort == other.nodePort, port.transport == other.transport {
            throw Failure(
                .usage, "\(port.transport) node port \(nodePort) is given twice", nextStep: "give each port its own")
        }
    }

    // MARK: addresses of the service

    private mutating func clusterIPs(
        _ definition: ServiceDefinition, _ catalog: Catalog, _ view: LocalView
    ) throws(Failure) -> [IPAddress] {
        guard !definition.isHeadless || definition.clusterIPs.isEmpty else {
            throw Failure(
                .usage, "a headless service has no cluster address", nextStep: "leave --cluster-ip or --headless out")
        }
        if definition.isHeadless, let port = definition.ports.first(where: { $0.nodePort != nil })?.port {
            throw Failure(
                .usage, "a headless service has no node port, as is asked for port \(port)",
                nextStep: "leave --node-port or --headless out")
        }
        var addresses: [IPAddress] = []
        for address in definition.clusterIPs {
            guard address.isUnicast else {
                throw Failure(.usage, "\(address) cannot be a service's address", nextStep: "name another")
            }
            guard !addresses.contains(where: { $0.isIPv4 == address.isIPv4 }) else {
                throw Failure(.usage, "a service has one address of each family", nextStep: "name at most one of each")
            }
            if let holder = catalog.service(atClusterIP: address), holder != service.name {
                throw Failure(
                    .failed, "\(address) is the address of \(holder.dotted)",
                    nextStep: "name another, or leave --cluster-ip out")
            }
            if !view.serviceRanges.isEmpty, !view.serviceRanges.contains(where: { $0.contains(address) }) {
                let ranges = view.serviceRanges.map(\.description).joined(separator: ", ")
                notices.append(
                    Notice(
                        "\(address) is outside the range of services (\(ranges)): hosts that have no route to it do not"
                            + " get there", nextStep: "name one inside, or leave --cluster-ip out"))
            }
            addresses.append(address)
        }
        return addresses
    }

    private mutating func setSpreading(_ definition: ServiceDefinition) throws(Failure) {
        if let seconds = definition.affinitySeconds {
            guard ServiceDefinition.affinityRange.contains(seconds) else {
                throw Failure(
                    .usage, "clients cannot stay with an endpoint for \(seconds) s", nextStep: "give 1 s to 1 d")
            }
            service.affinitySeconds = UInt32(seconds)
        }
        if let word = definition.balancing {
            service.balancing = try Self.meaning(of: word, ServiceWords.balancing, "balancing")
        }
        if let word = definition.preference {
            service.distribution = try Self.meaning(of: word, ServiceWords.preferences, "preference")
        }
    }

    private static func meaning<Meaning>(
        of word: String, _ words: KeyValuePairs<String, Meaning>, _ what: String
    ) throws(Failure) -> Meaning {
        guard let meaning = words.first(where: { $0.key == word })?.value else {
            throw Failure(
                .usage, "\"\(word)\" is no \(what)", nextStep: "use \(words.map(\.key).joined(separator: ", "))")
        }
        return meaning
    }

    // MARK: endpoints

    private mutating func add(_ member: EndpointSlice.Member) throws(Failure) {
        guard !slice.members.contains(where: { $0.address == member.address && $0.nodeName == member.nodeName }) else {
            throw Failure(.usage, "endpoint \(member.address) is given twice", nextStep: "give each once")
        }
        slice.members.append(member)
    }

    /// An address as it is on the node that has it; of another node's the mesh may know it by a mesh address.
    private static func member(
        _ given: ServiceDefinition.Member, _ catalog: Catalog, _ view: LocalView
    ) throws(Failure) -> EndpointSlice.Member {
        guard given.address.isUnicast else {
            throw Failure(
                .usage, "\(given.address) cannot be an endpoint: other hosts do not reach it",
                nextStep: "name an address of the host or of a container")
        }
        if let holder = catalog.service(atClusterIP: given.address) {
            throw Failure(
                .usage, "\(given.address) cannot be an endpoint: it is the address of \(holder.dotted)",
                nextStep: "name the endpoints behind it (meshctl endpoints \(holder.dotted))")
        }
        guard ServiceDefinition.weightRange.contains(given.weight), let weight = UInt16(exactly: given.weight) else {
            throw Failure(.usage, "\(given.weight) is no weight", nextStep: "give 0 to 1000")
        }
        var member = EndpointSlice.Member(given.address)
        if let node = given.node {
            guard node == catalog.ownNode || catalog.node(named: node) != nil else {
                let near = NearMiss.suggestion(for: node, among: catalog.nodeNames + [catalog.ownNode])
                throw Failure(
                    .usage, "no node is called \(node)\(near.map { "; did you mean \($0)?" } ?? "")",
                    nextStep: "see meshctl peers")
            }
            member.nodeName = node
        } else if view.isLocal(member) {
            member.nodeName = catalog.ownNode
        } else if let origin = view.translation.origin(of: given.address) {
            member = EndpointSlice.Member(origin.address, nodeName: origin.node)
        } else {
            member.nodeName = catalog.node(at: given.address) ?? owner(of: given.address, catalog)
        }
        member.weight = weight
        return member
    }

    /// The node behind which an address is, by what nodes announce.
    private static func owner(of address: IPAddress, _ catalog: Catalog) -> String? {
        catalog.nodeNames.first { name in
            catalog.node(named: name)?.podPrefixes.contains { $0.contains(address) } == true
        }
    }

    private static func isElsewhere(_ address: IPAddress) -> Notice {
        Notice(
            "\(address) is of no node of the mesh: every node goes to it by its own routes",
            nextStep: "to have it reached through this node, announce its network (meshctl up --advertise)")
    }

    private mutating func addContainer(_ name: String, _ catalog: Catalog) throws(Failure) {
        let containers = catalog.node(named: catalog.ownNode)?.containers ?? []
        guard let container = containers.first(where: { $0.name == name }) else {
            let near = NearMiss.suggestion(for: name, among: containers.map(\.name))
            throw Failure(
                .failed, "no container of this host is called \(name)\(near.map { "; did you mean \($0)?" } ?? "")",
                nextStep: containers.isEmpty
                    ? "check in meshctl status that Docker or containerd is connected" : "see docker ps")
        }
        guard !container.addresses.isEmpty else {
            throw Failure(
                .failed, "the container \(name) has no address",
                nextStep: "start it, or name an address with --endpoint")
        }
        for member in Self.members(of: container, on: catalog.ownNode) { try add(member) }
    }

    static func members(of container: ClusterNode.Container, on node: String) -> [EndpointSlice.Member] {
        container.addresses.map { address in
            var member = EndpointSlice.Member(address, nodeName: node)
            member.targetName = container.name
            return member
        }
    }

    /// The service has its addresses in the families of its endpoints.
    private mutating func chooseFamilies() {
        let hasIPv4 = slice.members.contains { $0.address.isIPv4 }
        let hasIPv6 = slice.members.contains { !$0.address.isIPv4 }
        if hasIPv6 { service.families = hasIPv4 ? .both : .ipv6 }
    }
}
