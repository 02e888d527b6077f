package import JSON
package import Wire

/// A service as `meshctl service add` states it. The daemon judges it.
package struct ServiceDefinition: JSONRepresentable {
    package struct Port: JSONRepresentable {
        package var name: String?
        /// "TCP", "UDP" or "SCTP".
        package var transport: String
        package var port: UInt16
        /// What the endpoints listen on; the same port if absent.
        package var target: UInt16?
        package var nodePort: UInt16?

        package init(
            name: String? = nil, transport: String = "TCP", port: UInt16, target: UInt16? = nil, nodePort: UInt16? = nil
        ) {
            self.name = name
            self.transport = transport
            self.port = port
            self.target = target
            self.nodePort = nodePort
        }
    }

    /// An endpoint by its address.
    package struct Member: JSONRepresentable {
        package var address: IPAddress
        /// The node on which it has that address; the daemon's judgement if absent.
        package var node: String?
        /// Its share beside the others, 0 to 1,000.
        package var weight: Int

        package init(_ address: IPAddress, node: String? = nil, weight: Int = 1) {
            self.address = address
            self.node = node
            self.weight = weight
        }
    }

    package static let portLimit = 100
    package static let memberLimit = 250
    package static let weightRange = 0...1000
    package static let affinityRange = 1...86_400

    package var namespace: String
    package var name: String
    package var ports: [Port] = []
    package var members: [Member] = []
    /// Containers of this host, by their names.
    package var containers: [String] = []
    /// At most one of each family; chosen by the mesh if empty.
    package var clusterIPs: [IPAddress] = []
    package var isHeadless = false
    package var externalName: String?
    package var affinitySeconds: Int?
    /// As in `ServiceInfo`.
    package var balancing: String?
    package var preference: String?

    package init(namespace: String = "default", name: String) {
        self.namespace = namespace
        self.name = name
    }
}

extension ServiceDefinition {
    package init(json: JSONCursor) throws(JSONError) {
        namespace = try json.member("namespace").string()
        name = try json.member("name").string()
        ports = try json.list("ports")
        members = try json.list("endpoints")
        containers = try json.texts("containers")
        clusterIPs = try json.parsedList("clusterIPs", expected: "an address")
        isHeadless = try json.member("headless").boolean()
        externalName = try json.optionalString("externalName")
        affinitySeconds = try json.optionalMember("affinitySeconds")?.integer()
        balancing = try json.optionalString("balancing")
        preference = try json.optionalString("preference")
    }

    package var json: JSONValue {
        [
            "namespace": .string(namespace), "name": .string(name), "ports": JSONValue(list: ports),
            "endpoints": JSONValue(list: members), "containers": JSONValue(texts: containers),
            "clusterIPs": JSONValue(texts: clusterIPs), "headless": .boolean(isHeadless),
            "externalName": externalName.json, "affinitySeconds": affinitySeconds.map { .integer(Int64($0)) },
            "balancing": balancing.json, "preference": preference.json,
        ]
    }
}

extension ServiceDefinition.Port {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.optionalString("name")
        transport = try json.member("transport").string()
        port = try json.member("port").integer(UInt16.self)
        target = try json.optionalMember("target")?.integer(UInt16.self)
        nodePort = try json.optionalMember("nodePort")?.integer(UInt16.self)
    }

    package var json: JSONValue {
        [
            "name": name.json, "transport": .string(transport), "port": .integer(Int64(port)),
            "target": target.map { .integer(Int64($0)) }, "nodePort": nodePort.map { .integer(Int64($0)) },
        ]
    }
}

extension ServiceDefinition.Member {
    package init(json: JSONCursor) throws(JSONError) {
        address = try json.member("address").parsed(IPAddress.self, expected: "an address")
        node = try json.optionalString("node")
        weight = try json.member("weight").integer()
    }

    package var json: JSONValue {
        ["address": .string(address.description), "node": node.json, "weight": .integer(Int64(weight))]
    }
}

/// The answer to `service add`.
package struct ServiceAddition: JSONRepresentable {
    package var service: ServiceInfo
    /// Whether an earlier command of this node had added it.
    package var isReplaced: Bool
    package var notices: [Notice]

    package init(_ service: ServiceInfo, isReplaced: Bool, notices: [Notice] = []) {
        self.service = service
        self.isReplaced = isReplaced
        self.notices = notices
    }

    package init(json: JSONCursor) throws(JSONError) {
        service = try ServiceInfo(json: json.member("service"))
        isReplaced = try json.member("replaced").boolean()
        notices = try json.list("notices")
    }

    package var json: JSONValue {
        ["service": service.json, "replaced": .boolean(isReplaced), "notices": JSONValue(list: notices)]
    }
}

/// The answer to `service rm`.
package struct ServiceRemoval: JSONRepresentable {
    package var namespace: String
    package var name: String
    /// Who defines it still.
    package var remaining: [ServiceInfo.Source]

    package init(namespace: String, name: String, remaining: [ServiceInfo.Source] = []) {
        self.namespace = namespace
        self.name = name
        self.remaining = remaining
    }

    package init(json: JSONCursor) throws(JSONError) {
        namespace = try json.member("namespace").string()
        name = try json.member("name").string()
        remaining = try json.list("remaining")
    }

    package var json: JSONValue {
        ["namespace": .string(namespace), "name": .string(name), "remaining": JSONValue(list: remaining)]
    }
}
