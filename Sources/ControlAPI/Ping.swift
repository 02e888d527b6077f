package import JSON
package import Wire

/// The outcome of one probe inside the mesh.
package struct Pong: JSONRepresentable {
    /// Counts from 1.
    package var sequence: Int
    /// The node that answered or should have.
    package var node: String
    package var address: IPAddress?
    package var path: Path
    package var endpoint: Endpoint?
    /// `nil` when no answer came in time.
    package var roundTripTime: Duration?

    package init(sequence: Int, node: String, path: Path) {
        self.sequence = sequence
        self.node = node
        self.path = path
    }

    package init(json: JSONCursor) throws(JSONError) {
        sequence = try json.member("sequence").integer()
        node = try json.member("node").string()
        address = try json.optionalMember("address")?.parsed(IPAddress.self, expected: "an address")
        path = try Path(json: json.member("path"))
        endpoint = try json.optionalEndpoint("endpoint")
        roundTripTime = try json.optionalMilliseconds("rttMilliseconds")
    }

    package var json: JSONValue {
        [
            "sequence": .integer(Int64(sequence)), "node": .string(node), "address": address.json, "path": path.json,
            "endpoint": endpoint.json, "rttMilliseconds": roundTripTime?.milliseconds,
        ]
    }
}

/// What a series of probes came to.
package struct PingSummary: JSONRepresentable {
    package var sent: Int
    package var received: Int
    package var minimum: Duration?
    package var mean: Duration?
    package var maximum: Duration?

    package init(sent: Int, received: Int, minimum: Duration? = nil, mean: Duration? = nil, maximum: Duration? = nil) {
        self.sent = sent
        self.received = received
        self.minimum = minimum
        self.mean = mean
        self.maximum = maximum
    }

    package init(json: JSONCursor) throws(JSONError) {
        sent = try json.member("sent").integer()
        received = try json.member("received").integer()
        minimum = try json.optionalMilliseconds("minimumMilliseconds")
        mean = try json.optionalMilliseconds("meanMilliseconds")
        maximum = try json.optionalMilliseconds("maximumMilliseconds")
    }

    package var json: JSONValue {
        [
            "sent": .integer(Int64(sent)), "received": .integer(Int64(received)),
            "minimumMilliseconds": minimum?.milliseconds, "meanMilliseconds": mean?.milliseconds,
            "maximumMilliseconds": maximum?.milliseconds,
        ]
    }
}
