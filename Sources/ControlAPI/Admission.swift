package import JSON
package import Wire

/// The answer to `up`: what the daemon began to do.
package struct UpResult: JSONRepresentable {
    package enum Action: String, Sendable {
        /// A mesh was created; `token` lets the next host join.
        case created
        case joined
        /// The mesh on disk goes on.
        case resumed
        /// It was up already.
        case unchanged
    }

    package var action: Action
    package var token: Invitation?
    package var status: Status

    package init(action: Action, token: Invitation? = nil, status: Status) {
        self.action = action
        self.token = token
        self.status = status
    }

    package init(json: JSONCursor) throws(JSONError) {
        let action = try json.member("action")
        guard let known = Action(rawValue: try action.string()) else {
            throw action.invalid("created, joined, resumed or unchanged", found: try action.string())
        }
        self.action = known
        if let token = try json.optionalMember("token") { self.token = try Invitation(json: token) }
        status = try Status(json: json.member("status"))
    }

    package var json: JSONValue {
        ["action": .string(action.rawValue), "token": token?.json, "status": status.json]
    }
}

/// A join token and the limits that were signed into it.
package struct Invitation: JSONRepresentable {
    package var token: String
    package var uses: Int
    package var expiry: Timestamp
    package var namePattern: String?
    package var mayRelay: Bool
    package var prefixPool: IPPrefix?

    package init(
        token: String, uses: Int, expiry: Timestamp, namePattern: String? = nil, mayRelay: Bool,
        prefixPool: IPPrefix? = nil
    ) {
        self.token = token
        self.uses = uses
        self.expiry = expiry
        self.namePattern = namePattern
        self.mayRelay = mayRelay
        self.prefixPool = prefixPool
    }

    package init(json: JSONCursor) throws(JSONError) {
        token = try json.member("token").string()
        uses = try json.member("uses").integer()
        expiry = try json.member("expiry").parsed(Timestamp.self, expected: "a time")
        namePattern = try json.optionalString("namePattern")
        mayRelay = try json.member("mayRelay").boolean()
        prefixPool = try json.optionalPrefix("prefixPool")
    }

    package var json: JSONValue {
        [
            "token": .string(token), "uses": .integer(Int64(uses)), "expiry": .string(expiry.description),
            "namePattern": namePattern.json, "mayRelay": .boolean(mayRelay), "prefixPool": prefixPool.json,
        ]
    }
}
