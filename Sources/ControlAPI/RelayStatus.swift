package import JSON

/// What this node does as a relay for others, and what it is asked to do.
package struct RelayStatus: JSONRepresentable {
    package enum State: String, CaseIterable, Sendable {
        case on
        /// It takes no new circuits, and those it has move elsewhere.
        case draining
        case off
        /// It is willing, but strangers cannot reach it, or its certificate does not permit it.
        case unable
    }

    /// A member that relays through this node.
    package struct Member: JSONRepresentable {
        package var name: String
        package var circuits: Int
        package var bytes: UInt64
        package var droppedPackets: UInt64

        package init(name: String, circuits: Int, bytes: UInt64, droppedPackets: UInt64) {
            self.name = name
            self.circuits = circuits
            self.bytes = bytes
            self.droppedPackets = droppedPackets
        }
    }

    package var state: State
    /// Why it is so, where that is not what the configuration says.
    package var reason: String?
    package var circuits: Int
    package var circuitLimit: Int
    /// Forwarded since the start.
    package var bytes: UInt64
    package var droppedPackets: UInt64
    package var members: [Member]
    /// Circuits that were refused, by reason.
    package var refusals: [Status.Counter]

    package init(state: State, reason: String? = nil, circuits: Int = 0, circuitLimit: Int = 0) {
        self.state = state
        self.reason = reason
        self.circuits = circuits
        self.circuitLimit = circuitLimit
        bytes = 0
        droppedPackets = 0
        members = []
        refusals = []
    }
}

extension RelayStatus {
    package init(json: JSONCursor) throws(JSONError) {
        let state = try json.member("state")
        guard let known = State(rawValue: try state.string()) else {
            throw state.invalid("on, draining, off or unable", found: try state.string())
        }
        self.init(
            state: known, reason: try json.optionalString("reason"), circuits: try json.member("circuits").integer(),
            circuitLimit: try json.member("circuitLimit").integer())
        bytes = try json.member("bytes").integer(UInt64.self)
        droppedPackets = try json.member("droppedPackets").integer(UInt64.self)
        members = try json.list("members")
        refusals = try Status.Counter.list(json.member("refusals"))
    }

    package var json: JSONValue {
        [
            "state": .string(state.rawValue), "reason": reason.json, "circuits": .integer(Int64(circuits)),
            "circuitLimit": .integer(Int64(circuitLimit)), "bytes": JSONValue(count: bytes),
            "droppedPackets": JSONValue(count: droppedPackets), "members": JSONValue(list: members),
            "refusals": Status.Counter.json(refusals),
        ]
    }
}

extension RelayStatus.Member {
    package init(json: JSONCursor) throws(JSONError) {
        self.init(
            name: try json.member("name").string(), circuits: try json.member("circuits").integer(),
            bytes: try json.member("bytes").integer(UInt64.self),
            droppedPackets: try json.member("droppedPackets").integer(UInt64.self))
    }

    package var json: JSONValue {
        [
            "name": .string(name), "circuits": .integer(Int64(circuits)), "bytes": JSONValue(count: bytes),
            "droppedPackets": JSONValue(count: droppedPackets),
        ]
    }
}
