package import JSON
package import Wire

/// A node or client of the mesh, as this node sees it.
package struct Peer: JSONRepresentable {
    package enum Kind: String, Sendable {
        case node
        /// A stock WireGuard peer.
        case client
    }

    package var name: String
    package var nodeID: String
    package var kind: Kind
    package var prefixes: [IPPrefix] = []
    package var path: Path = .none
    /// Where packets go at this moment: the peer itself or its relay.
    package var endpoint: Endpoint?
    package var roundTripTime: Duration?
    /// Share of the last probes along the path that stayed unanswered, in percent.
    package var lossPercent: Int?
    /// Why this path was taken.
    package var pathReason: String?
    /// What packets would take at once if the path failed.
    package var standby: Path = .none
    /// How long ago the last handshake was completed.
    package var sinceHandshake: Duration?
    /// How long the present path has been in use.
    package var pathAge: Duration?
    package var receivedBytes: UInt64 = 0
    package var sentBytes: UInt64 = 0
    package var certificateExpiry: Timestamp?

    package init(name: String, nodeID: String, kind: Kind) {
        self.name = name
        self.nodeID = nodeID
        self.kind = kind
    }
}

extension Peer {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        nodeID = try json.member("nodeID").string()
        let kind = try json.member("kind")
        guard let known = Kind(rawValue: try kind.string()) else {
            throw kind.invalid("node or client", found: try kind.string())
        }
        self.kind = known
        prefixes = try json.parsedList("prefixes", expected: "an address prefix")
        path = try Path(json: json.member("path"))
        endpoint = try json.optionalEndpoint("endpoint")
        roundTripTime = try json.optionalMilliseconds("rttMilliseconds")
        lossPercent = try json.optionalMember("lossPercent")?.integer()
        pathReason = try json.optionalString("pathReason")
        standby = try Path(json: json.member("standby"))
        sinceHandshake = try json.optionalSeconds("secondsSinceHandshake")
        pathAge = try json.optionalSeconds("pathSeconds")
        receivedBytes = try json.member("receivedBytes").integer(UInt64.self)
        sentBytes = try json.member("sentBytes").integer(UInt64.self)
        certificateExpiry = try json.optionalTimestamp("certificateExpiry")
    }

    package var json: JSONValue {
        [
            "name": .string(name), "nodeID": .string(nodeID), "kind": .string(kind.rawValue),
            "prefixes": JSONValue(texts: prefixes), "path": path.json, "endpoint": endpoint.json,
            "rttMilliseconds": roundTripTime?.milliseconds,
            "lossPercent": lossPercent.map { .integer(Int64($0)) }, "pathReason": pathReason.json,
            "standby": standby.json, "secondsSinceHandshake": sinceHandshake?.seconds,
            "pathSeconds": pathAge?.seconds, "receivedBytes": JSONValue(count: receivedBytes),
            "sentBytes": JSONValue(count: sentBytes), "certificateExpiry": certificateExpiry.json,
        ]
    }
}
