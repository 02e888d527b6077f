package import JSON
package import Wire

/// An endpoint of a service, and what a client on this node gets of it.
package struct EndpointInfo: JSONRepresentable {
    /// One port of the service at this endpoint.
    package struct Port: JSONRepresentable {
        package var name: String?
        /// "TCP", "UDP" or "SCTP".
        package var transport: String
        /// The service's port.
        package var port: UInt16
        /// The endpoint's; `nil` where it has no port of that name.
        package var target: UInt16?
        /// The share of new connections that it gets; `nil` where it gets none, or the service is not proxied.
        package var sharePercent: Int?
        /// Why clients on this node do not get it; `nil` where they do.
        package var reason: String?

        package init(_ name: String?, _ transport: String, _ port: UInt16) {
            self.name = name
            self.transport = transport
            self.port = port
        }
    }

    package var namespace: String
    package var service: String
    /// As its source says; perhaps unique on its node only.
    package var address: IPAddress
    package var node: String?
    package var zone: String?
    /// The Pod or container behind it.
    package var target: String?
    /// Where this node reaches it.
    package var reachedAt: IPAddress
    package var isReady = true
    package var isServing = true
    package var isTerminating = false
    package var weight = 1
    package var ports: [Port] = []

    package init(namespace: String, service: String, address: IPAddress) {
        self.namespace = namespace
        self.service = service
        self.address = address
        reachedAt = address
    }

    /// Whether clients on this node get it for at least one port.
    package var isUsed: Bool { ports.contains { $0.reason == nil } }
}

extension EndpointInfo {
    package init(json: JSONCursor) throws(JSONError) {
        namespace = try json.member("namespace").string()
        service = try json.member("service").string()
        address = try json.member("address").parsed(IPAddress.self, expected: "an address")
        node = try json.optionalString("node")
        zone = try json.optionalString("zone")
        target = try json.optionalString("target")
        reachedAt = try json.member("reachedAt").parsed(IPAddress.self, expected: "an address")
        isReady = try json.member("ready").boolean()
        isServing = try json.member("serving").boolean()
        isTerminating = try json.member("terminating").boolean()
        weight = try json.member("weight").integer()
        ports = try json.list("ports")
    }

    package var json: JSONValue {
        [
            "namespace": .string(namespace), "service": .string(service), "address": .string(address.description),
            "node": node.json, "zone": zone.json, "target": target.json,
            "reachedAt": .string(reachedAt.description), "ready": .boolean(isReady), "serving": .boolean(isServing),
            "terminating": .boolean(isTerminating), "weight": .integer(Int64(weight)),
            "ports": JSONValue(list: ports),
        ]
    }
}

extension EndpointInfo.Port {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.optionalString("name")
        transport = try json.member("transport").string()
        port = try json.member("port").integer(UInt16.self)
        target = try json.optionalMember("target")?.integer(UInt16.self)
        sharePercent = try json.optionalMember("sharePercent")?.integer()
        reason = try json.optionalString("reason")
    }

    package var json: JSONValue {
        [
            "name": name.json, "transport": .string(transport), "port": .integer(Int64(port)),
            "target": target.map { .integer(Int64($0)) }, "sharePercent": sharePercent.map { .integer(Int64($0)) },
            "reason": reason.json,
        ]
    }
}

/// Endpoints in the order of their services, as many as one answer may hold.
package struct EndpointList: JSONRepresentable {
    package static let limit = 10_000

    package var endpoints: [EndpointInfo]
    /// How many there are.
    package var total: Int

    package init(_ endpoints: [EndpointInfo] = [], total: Int? = nil) {
        self.endpoints = endpoints
        self.total = total ?? endpoints.count
    }

    package init(json: JSONCursor) throws(JSONError) {
        endpoints = try json.list("endpoints")
        total = try json.member("total").integer()
    }

    package var json: JSONValue { ["endpoints": JSONValue(list: endpoints), "total": .integer(Int64(total))] }
}

/// One service with its endpoints.
package struct ServiceDetail: JSONRepresentable {
    package var service: ServiceInfo
    package var endpoints: EndpointList

    package init(_ service: ServiceInfo, _ endpoints: EndpointList) {
        self.service = service
        self.endpoints = endpoints
    }

    package init(json: JSONCursor) throws(JSONError) {
        service = try ServiceInfo(json: json.member("service"))
        endpoints = try EndpointList(json: json)
    }

    package var json: JSONValue {
        [
            "service": service.json, "endpoints": JSONValue(list: endpoints.endpoints),
            "total": .integer(Int64(endpoints.total)),
        ]
    }
}
