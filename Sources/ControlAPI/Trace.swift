package import JSON
package import Wire

/// The way that packets to a node take at this moment, hop by hop.
package struct Trace: JSONRepresentable {
    package struct Hop: JSONRepresentable {
        package enum Role: String, CaseIterable, Sendable {
            /// The host that asks.
            case origin
            case relay
            /// The node that was asked for.
            case node
        }

        package var role: Role
        package var name: String
        /// Where packets to this hop are sent by the one before, as far as this host knows.
        package var endpoint: Endpoint?
        /// From the asking host to this hop and back, measured for this answer; `nil`: it did not answer.
        package var roundTripTime: Duration?

        package init(_ role: Role, _ name: String, endpoint: Endpoint? = nil, roundTripTime: Duration? = nil) {
            self.role = role
            self.name = name
            self.endpoint = endpoint
            self.roundTripTime = roundTripTime
        }
    }

    package var target: String
    package var hops: [Hop]

    package init(target: String, hops: [Hop]) {
        self.target = target
        self.hops = hops
    }
}

extension Trace {
    package init(json: JSONCursor) throws(JSONError) {
        self.init(target: try json.member("target").string(), hops: try json.list("hops"))
    }

    package var json: JSONValue { ["target": .string(target), "hops": JSONValue(list: hops)] }
}

extension Trace.Hop {
    package init(json: JSONCursor) throws(JSONError) {
        let role = try json.member("role")
        guard let known = Role(rawValue: try role.string()) else {
            throw role.invalid("origin, relay or node", found: try role.string())
        }
        self.init(
            known, try json.member("name").string(), endpoint: try json.optionalEndpoint("endpoint"),
            roundTripTime: try json.optionalMilliseconds("rttMilliseconds"))
    }

    package var json: JSONValue {
        [
            "role": .string(role.rawValue), "name": .string(name), "endpoint": endpoint.json,
            "rttMilliseconds": roundTripTime?.milliseconds,
        ]
    }
}
