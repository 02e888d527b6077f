package import JSON
package import Wire

/// A service, as this node sees it.
package struct ServiceInfo: JSONRepresentable {
    package enum Kind: String, CaseIterable, Sendable {
        case clusterIP, headless, nodePort, loadBalancer, externalName
    }

    package struct Port: JSONRepresentable {
        package var name: String?
        /// "TCP", "UDP" or "SCTP".
        package var transport: String
        package var port: UInt16
        package var nodePort: UInt16?
        /// The ports that endpoints listen on for it, ascending.
        package var targets: [UInt16] = []

        package init(_ name: String?, _ transport: String, _ port: UInt16) {
            self.name = name
            self.transport = transport
            self.port = port
        }
    }

    /// Who defines it.
    package struct Source: JSONRepresentable {
        /// "kubernetes", "commands", "manifests", "containers" or "mesh".
        package var kind: String
        /// The node whose source it is; empty for an API that speaks for all.
        package var node: String
        /// A manifest's file, a container runtime.
        package var part: String

        package init(kind: String, node: String = "", part: String = "") {
            self.kind = kind
            self.node = node
            self.part = part
        }
    }

    package var namespace: String
    package var name: String
    package var kind: Kind
    package var clusterIPs: [IPAddress] = []
    package var loadBalancerAddresses: [IPAddress] = []
    /// What an ExternalName stands for.
    package var externalName: String?
    package var ports: [Port] = []
    /// The one whose definition counts, then all others.
    package var sources: [Source] = []
    package var readyCount = 0
    package var endpointCount = 0
    /// "random", "round-robin", "consistent-hash" or "least-connections".
    package var balancing = "random"
    /// "same-zone", "same-node" or "nearest"; `nil` where all endpoints share.
    package var preference: String?
    package var affinitySeconds: Int?
    /// Only endpoints on a client's own node serve it (`internalTrafficPolicy: Local`).
    package var isNodeLocal = false
    package var problems: [Notice] = []

    package init(namespace: String, name: String, kind: Kind) {
        self.namespace = namespace
        self.name = name
        self.kind = kind
    }
}

extension ServiceInfo {
    package init(json: JSONCursor) throws(JSONError) {
        namespace = try json.member("namespace").string()
        name = try json.member("name").string()
        let kind = try json.member("kind")
        guard let known = Kind(rawValue: try kind.string()) else {
            throw kind.invalid("a kind of service", found: try kind.string())
        }
        self.kind = known
        clusterIPs = try json.parsedList("clusterIPs", expected: "an address")
        loadBalancerAddresses = try json.parsedList("loadBalancerAddresses", expected: "an address")
        externalName = try json.optionalString("externalName")
        ports = try json.list("ports")
        sources = try json.list("sources")
        readyCount = try json.member("ready").integer()
        endpointCount = try json.member("endpoints").integer()
        balancing = try json.member("balancing").string()
        preference = try json.optionalString("preference")
        affinitySeconds = try json.optionalMember("affinitySeconds")?.integer()
        isNodeLocal = try json.member("nodeLocal").boolean()
        problems = try json.list("problems")
    }

    package var json: JSONValue {
        [
            "namespace": .string(namespace), "name": .string(name), "kind": .string(kind.rawValue),
            "clusterIPs": JSONValue(texts: clusterIPs),
            "loadBalancerAddresses": JSONValue(texts: loadBalancerAddresses), "externalName": externalName.json,
            "ports": JSONValue(list: ports), "sources": JSONValue(list: sources),
            "ready": .integer(Int64(readyCount)), "endpoints": .integer(Int64(endpointCount)),
            "balancing": .string(balancing), "preference": preference.json,
            "affinitySeconds": affinitySeconds.map { .integer(Int64($0)) }, "nodeLocal": .boolean(isNodeLocal),
            "problems": JSONValue(list: problems),
        ]
    }
}

extension ServiceInfo.Port {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.optionalString("name")
        transport = try json.member("transport").string()
        port = try json.member("port").integer(UInt16.self)
        nodePort = try json.optionalMember("nodePort")?.integer(UInt16.self)
        for target in try json.member("targets").elements() { targets.append(try target.integer(UInt16.self)) }
    }

    package var json: JSONValue {
        [
            "name": name.json, "transport": .string(transport), "port": .integer(Int64(port)),
            "nodePort": nodePort.map { .integer(Int64($0)) },
            "targets": .array(targets.map { .integer(Int64($0)) }),
        ]
    }
}

extension ServiceInfo.Source {
    package init(json: JSONCursor) throws(JSONError) {
        kind = try json.member("kind").string()
        node = try json.member("node").string()
        part = try json.member("part").string()
    }

    package var json: JSONValue { ["kind": .string(kind), "node": .string(node), "part": .string(part)] }
}

extension ServiceInfo.Source {
    /// "manifest web.yaml on edge-1", as sentences have it.
    package var words: String {
        let place = node.isEmpty ? "" : " on \(node)"
        return switch kind {
        case "kubernetes": "Kubernetes"
        case "commands": "a command\(place)"
        case "manifests": "manifest \(part)\(place)"
        case "containers": "containers' labels\(place)"
        default: "the mesh"
        }
    }
}

/// Services in the order of their names, as many as one answer may hold.
package struct ServiceList: JSONRepresentable {
    package static let limit = 10_000

    package var services: [ServiceInfo]
    /// How many there are.
    package var total: Int

    package init(_ services: [ServiceInfo] = [], total: Int? = nil) {
        self.services = services
        self.total = total ?? services.count
    }

    package init(json: JSONCursor) throws(JSONError) {
        services = try json.list("services")
        total = try json.member("total").integer()
    }

    package var json: JSONValue { ["services": JSONValue(list: services), "total": .integer(Int64(total))] }
}
