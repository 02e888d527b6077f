package import JSON
package import Wire

/// How services and names are doing on a node.
package struct ServiceStatus: JSONRepresentable {
    /// Where services come from: a manifest, a container runtime, another node.
    package struct Source: JSONRepresentable {
        package enum State: String, CaseIterable, Sendable {
            case good
            /// There is nothing to read, which need not be wrong.
            case absent
            case failed
        }

        /// "manifest web.yaml", "docker", "edge-2".
        package var name: String
        package var state: State
        /// What it gives, or why it gives nothing.
        package var detail: String
        package var nextStep: String?

        package init(_ name: String, _ state: State, _ detail: String, nextStep: String? = nil) {
            self.name = name
            self.state = state
            self.detail = detail
            self.nextStep = nextStep
        }
    }

    /// The node's name server.
    package struct Names: JSONRepresentable {
        /// A port that another program has, and the daemon could not see which.
        package struct TakenPort: JSONRepresentable {
            package var endpoint: Endpoint
            /// TCP, else UDP.
            package var isStream: Bool

            package init(_ endpoint: Endpoint, isStream: Bool) {
                self.endpoint = endpoint
                self.isStream = isStream
            }
        }

        package var listening: [Endpoint] = []
        /// Names that it answers for by itself.
        package var nameCount = 0
        package var cachedCount = 0
        /// Servers that it asks about all other names, with how they stand: "192.0.2.53:53", "192.0.2.54:53 (silent)".
        package var upstreams: [String] = []
        package var problems: [Notice] = []
        /// Of what `problems` tell; somebody with more rights may see who has them.
        package var taken: [TakenPort] = []

        package init() {}
    }

    package var serviceCount = 0
    package var endpointCount = 0
    package var readyCount = 0
    /// Prefixes that services have their addresses from.
    package var ranges: [IPPrefix] = []
    package var sources: [Source] = []
    /// Of services themselves: a lost address, an endpoint that has no such port.
    package var problems: [Notice] = []
    /// `nil` where no name server is to run.
    package var names: Names?

    package init() {}
}

extension ServiceStatus {
    package init(json: JSONCursor) throws(JSONError) {
        serviceCount = try json.member("services").integer()
        endpointCount = try json.member("endpoints").integer()
        readyCount = try json.member("ready").integer()
        ranges = try json.parsedList("ranges", expected: "an address prefix")
        sources = try json.list("sources")
        problems = try json.list("problems")
        names = try json.optionalMember("names").map { cursor throws(JSONError) in try Names(json: cursor) }
    }

    package var json: JSONValue {
        [
            "services": .integer(Int64(serviceCount)), "endpoints": .integer(Int64(endpointCount)),
            "ready": .integer(Int64(readyCount)), "ranges": JSONValue(texts: ranges),
            "sources": JSONValue(list: sources), "problems": JSONValue(list: problems), "names": names?.json,
        ]
    }
}

extension ServiceStatus.Source {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        let state = try json.member("state")
        guard let known = State(rawValue: try state.string()) else {
            throw state.invalid("good, absent or failed", found: try state.string())
        }
        self.state = known
        detail = try json.member("detail").string()
        nextStep = try json.optionalString("nextStep")
    }

    package var json: JSONValue {
        [
            "name": .string(name), "state": .string(state.rawValue), "detail": .string(detail),
            "nextStep": nextStep.json,
        ]
    }
}

extension ServiceStatus.Names {
    package init(json: JSONCursor) throws(JSONError) {
        listening = try json.parsedList("listening", expected: "an address and port")
        nameCount = try json.member("names").integer()
        cachedCount = try json.member("cached").integer()
        upstreams = try json.texts("upstreams")
        problems = try json.list("problems")
        taken = try json.list("taken")
    }

    package var json: JSONValue {
        [
            "listening": JSONValue(texts: listening), "names": .integer(Int64(nameCount)),
            "cached": .integer(Int64(cachedCount)), "upstreams": JSONValue(texts: upstreams),
            "problems": JSONValue(list: problems), "taken": JSONValue(list: taken),
        ]
    }
}

extension ServiceStatus.Names.TakenPort {
    package init(json: JSONCursor) throws(JSONError) {
        endpoint = try json.member("endpoint").parsed(Endpoint.self, expected: "an address and port")
        isStream = try json.member("stream").boolean()
    }

    package var json: JSONValue { ["endpoint": .string(endpoint.description), "stream": .boolean(isStream)] }
}
