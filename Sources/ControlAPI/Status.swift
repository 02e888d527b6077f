package import JSON
package import Wire

/// How one node is doing.
package struct Status: JSONRepresentable {
    package enum State: Equatable, Sendable {
        /// Nothing is set up on this host.
        case down
        /// On its way up; `missing` says what it waits for.
        case starting(missing: [Notice])
        /// The mesh does not admit this host, which only another token or name can change.
        case refused(reasons: [Notice])
        case ready
        /// Up, but something does not work as it should.
        case degraded(reasons: [Notice])
    }

    /// A node's own containers, and how the mesh sees them.
    package struct ContainerMapping: JSONRepresentable {
        /// Addresses on this host, such as Docker's 172.17.0.0/16.
        package var local: IPPrefix
        /// The certified prefix that stands for them everywhere else; equal to `local` where nothing is translated.
        package var mesh: IPPrefix
        /// The bridge or network they belong to, such as `docker0`.
        package var network: String

        package init(local: IPPrefix, mesh: IPPrefix, network: String) {
            self.local = local
            self.mesh = mesh
            self.network = network
        }
    }

    /// An endpoint of the node that a gateway of its network was asked to let others reach.
    package struct PortMapping: JSONRepresentable {
        package var local: Endpoint
        package var gateway: IPAddress
        /// Where others reach it; `nil` while there is no mapping.
        package var external: Endpoint?
        /// "PCP", "NAT-PMP" or "UPnP".
        package var method: String?
        /// What is left of the gateway's promise, which is renewed before it ends.
        package var remaining: Duration?
        /// The gateway's own address is private or a carrier's: what it lets in must get to it first.
        package var isBehindAnotherNAT = false
        /// Why there is no mapping.
        package var problem: String?

        package init(local: Endpoint, gateway: IPAddress) {
            self.local = local
            self.gateway = gateway
        }
    }

    package struct Counter: Equatable, Sendable {
        package var name: String
        package var count: UInt64

        package init(_ name: String, _ count: UInt64) {
            self.name = name
            self.count = count
        }
    }

    package var state: State
    /// `nil` before a mesh was created or joined.
    package var meshID: String?
    package var nodeName: String
    package var nodeID: String?
    /// The node's own addresses in the mesh.
    package var addresses: [IPAddress] = []
    /// Prefixes certified to this node.
    package var prefixes: [IPPrefix] = []
    package var uptime: Duration
    package var interface: String?
    package var mtuBytes: Int?
    package var listening: [Endpoint] = []
    package var certificateExpiry: Timestamp?
    /// Peers known, and those with a session at this moment.
    package var peerCount = 0
    package var connectedPeerCount = 0
    package var mappings: [ContainerMapping] = []
    package var portMappings: [PortMapping] = []
    /// `nil` while there is no mesh, and from a daemon that knows of none.
    package var services: ServiceStatus?
    package var warnings: [Notice] = []
    /// Packets and bytes each way, handshakes: what normal work counts.
    package var counters: [Counter] = []
    /// Packets thrown away, by reason; only reasons that occurred.
    package var drops: [Counter] = []

    package init(state: State, nodeName: String, uptime: Duration) {
        self.state = state
        self.nodeName = nodeName
        self.uptime = uptime
    }
}

extension Status {
    package init(json: JSONCursor) throws(JSONError) {
        state = try State(json: json)
        nodeName = try json.member("nodeName").string()
        uptime = try json.seconds("uptimeSeconds")
        meshID = try json.optionalString("meshID")
        nodeID = try json.optionalString("nodeID")
        addresses = try json.parsedList("addresses", expected: "an address")
        prefixes = try json.parsedList("prefixes", expected: "an address prefix")
        interface = try json.optionalString("interface")
        mtuBytes = try json.optionalMember("mtuBytes")?.integer()
        listening = try json.parsedList("listening", expected: "an address and port")
        certificateExpiry = try json.optionalTimestamp("certificateExpiry")
        peerCount = try json.member("peerCount").integer()
        connectedPeerCount = try json.member("connectedPeerCount").integer()
        mappings = try json.list("mappings")
        portMappings = try json.list("portMappings")
        services = try json.optionalMember("services").map { cursor throws(JSONError) in
            try ServiceStatus(json: cursor)
        }
        warnings = try json.list("warnings")
        counters = try Counter.list(json.member("counters"))
        drops = try Counter.list(json.member("drops"))
    }

    package var json: JSONValue {
        [
            "state": .string(state.name), "reasons": JSONValue(list: state.reasons), "nodeName": .string(nodeName),
            "nodeID": nodeID.json, "meshID": meshID.json, "uptimeSeconds": uptime.seconds,
            "addresses": JSONValue(texts: addresses), "prefixes": JSONValue(texts: prefixes),
            "interface": interface.json, "mtuBytes": mtuBytes.map { .integer(Int64($0)) },
            "listening": JSONValue(texts: listening), "certificateExpiry": certificateExpiry.json,
            "peerCount": .integer(Int64(peerCount)), "connectedPeerCount": .integer(Int64(connectedPeerCount)),
            "mappings": JSONValue(list: mappings), "portMappings": JSONValue(list: portMappings),
            "services": services?.json, "warnings": JSONValue(list: warnings),
            "counters": Counter.json(counters), "drops": Counter.json(drops),
        ]
    }
}

extension Status.State {
    package var name: String {
        switch self {
        case .down: "down"
        case .starting: "starting"
        case .refused: "refused"
        case .ready: "ready"
        case .degraded: "degraded"
        }
    }

    /// What is missing or wrong; empty when down or ready.
    package var reasons: [Notice] {
        switch self {
        case .down, .ready: []
        case .starting(let missing): missing
        case .refused(let reasons), .degraded(let reasons): reasons
        }
    }

    fileprivate init(json: JSONCursor) throws(JSONError) {
        let name = try json.member("state")
        switch try name.string() {
        case "down": self = .down
        case "starting": self = .starting(missing: try json.list("reasons"))
        case "refused": self = .refused(reasons: try json.list("reasons"))
        case "ready": self = .ready
        case "degraded": self = .degraded(reasons: try json.list("reasons"))
        case let other: throw name.invalid("down, starting, refused, ready or degraded", found: other)
        }
    }
}

extension Status.ContainerMapping {
    package init(json: JSONCursor) throws(JSONError) {
        local = try json.member("local").parsed(IPPrefix.self, expected: "an address prefix")
        mesh = try json.member("mesh").parsed(IPPrefix.self, expected: "an address prefix")
        network = try json.member("network").string()
    }

    package var json: JSONValue {
        ["local": .string(local.description), "mesh": .string(mesh.description), "network": .string(network)]
    }
}

extension Status.PortMapping {
    package init(json: JSONCursor) throws(JSONError) {
        local = try json.member("local").parsed(Endpoint.self, expected: "an address and port")
        gateway = try json.member("gateway").parsed(IPAddress.self, expected: "an address")
        external = try json.optionalEndpoint("external")
        method = try json.optionalString("method")
        remaining = try json.optionalSeconds("remainingSeconds")
        isBehindAnotherNAT = try json.member("behindAnotherNAT").boolean()
        problem = try json.optionalString("problem")
    }

    package var json: JSONValue {
        [
            "local": .string(local.description), "gateway": .string(gateway.description), "external": external.json,
            "method": method.json, "remainingSeconds": remaining?.seconds,
            "behindAnotherNAT": .boolean(isBehindAnotherNAT), "problem": problem.json,
        ]
    }
}

extension Status.Counter {
    /// An object with a member for each counter.
    static func list(_ json: JSONCursor) throws(JSONError) -> [Self] {
        var counters: [Self] = []
        for (name, cursor) in try json.members() { counters.append(Self(name, try cursor.integer(UInt64.self))) }
        return counters
    }

    static func json(_ counters: [Self]) -> JSONValue {
        var object = JSONObject()
        for counter in counters { object[counter.name] = JSONValue(count: counter.count) }
        return .object(object)
    }
}
