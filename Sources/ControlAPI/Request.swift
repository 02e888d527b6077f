package import JSON
package import Wire

/// What a client asks of the daemon.
package enum Request: Equatable, Sendable {
    /// Brings the mesh up: joins with a token, else resumes the mesh on disk, else creates one.
    /// The daemon answers `.up` as soon as it has begun; the client then watches `status`.
    case up(Up)
    /// Takes every trace off the host and forgets that the mesh should be up; answers `.done`. Identity stays on disk.
    case down
    case status
    case peers
    /// Answers a `.pong` for each probe, then `.pingSummary`.
    case ping(target: String, count: Int)
    /// The hops on the way to a node, each measured; answers `.trace`.
    case trace(target: String)
    /// Why the way from this node, or from another one, to a node is as it is, or what becomes of a client of this node
    /// that wants a service, by its name or by an address (and `:port`); answers `.explanation`.
    case why(from: String?, to: String)
    /// Changes what this node does as a relay until it restarts or is told otherwise; answers `.relayStatus`.
    case relay(RelayAction)
    /// Answers `.netcheck` within five seconds.
    case netcheck
    case invite(Invite)
    /// `endpoint` overrides the address and port that the client is told to dial; a host name may stand there.
    case wireguardAdd(name: String, endpoint: String?)
    case wireguardList
    case wireguardRemove(name: String)
    /// Services of one namespace or of all; answers `.services`.
    case services(namespace: String?)
    /// Endpoints of one service or of all, and what a client on this node gets of them; answers `.endpoints`.
    case endpoints(service: String?)
    /// Keeps a service of this node's own, or replaces one that an earlier command added; answers `.serviceAdded`.
    case serviceAdd(ServiceDefinition)
    /// Takes away what `serviceAdd` added; answers `.serviceRemoved`.
    case serviceRemove(name: String)
    /// What commands of this node have added; answers `.services`.
    case serviceList
    /// Answers `.service`. A service is named as `web`, `web.shop` or by its DNS name.
    case serviceShow(name: String)
    /// Answers `.nameAnswer`.
    case nameLookup(NameQuestion)
    /// What the name server remembers, thrown away on `clear`; answers `.nameCache`.
    case nameCache(clear: Bool)
    case reload
    case version

    package enum RelayAction: String, CaseIterable, Sendable {
        case on, off, drain, status
    }

    package struct Up: Equatable, Sendable {
        package var token: String?
        /// The node's name; the host's name if absent.
        package var name: String?
        /// Prefixes of others that this node announces (subnet gateway).
        package var advertise: [IPPrefix]

        package init(token: String? = nil, name: String? = nil, advertise: [IPPrefix] = []) {
            self.token = token
            self.name = name
            self.advertise = advertise
        }
    }

    package struct Invite: Equatable, Sendable {
        /// How many nodes may join with it.
        package var uses: Int
        package var lifetimeSeconds: Int
        /// Names that may join, with `*` for any run of characters; any name if absent.
        package var namePattern: String?
        /// Whether joiners may relay for others.
        package var mayRelay: Bool
        /// Where joiners' IPv4 prefixes are taken from; the mesh's own pool if absent.
        package var prefixPool: IPPrefix?

        package init(
            uses: Int = 1, lifetimeSeconds: Int = 86_400, namePattern: String? = nil, mayRelay: Bool = true,
            prefixPool: IPPrefix? = nil
        ) {
            self.uses = uses
            self.lifetimeSeconds = lifetimeSeconds
            self.namePattern = namePattern
            self.mayRelay = mayRelay
            self.prefixPool = prefixPool
        }
    }

    /// What may be asked for at once, and told to the user where it is exceeded.
    package static let pingCountRange = 1...1000
    package static let inviteUsesRange = 1...100_000
    package static let inviteLifetimeRange = 60...(10 * 365 * 86_400)
}

extension Request: JSONRepresentable {
    package init(json: JSONCursor) throws(JSONError) {
        let version = try json.member("version")
        guard try version.integer() == Control.version else {
            throw version.invalid("\(Control.version)", found: "\(try version.integer())")
        }
        let kind = try json.member("request")
        switch try kind.string() {
        case "up": self = .up(try Up(json: json))
        case "down": self = .down
        case "status": self = .status
        case "peers": self = .peers
        case "ping":
            let count = try json.member("count").limited(to: Self.pingCountRange)
            self = .ping(target: try json.member("target").string(), count: count)
        case "trace": self = .trace(target: try json.member("target").string())
        case "why": self = .why(from: try json.optionalString("from"), to: try json.member("to").string())
        case "relay":
            let action = try json.member("action")
            guard let known = RelayAction(rawValue: try action.string()) else {
                throw action.invalid("on, off, drain or status", found: try action.string())
            }
            self = .relay(known)
        case "netcheck": self = .netcheck
        case "invite": self = .invite(try Invite(json: json))
        case "wireguardAdd":
            self = .wireguardAdd(
                name: try json.member("name").string(), endpoint: try json.optionalString("endpoint"))
        case "wireguardList": self = .wireguardList
        case "wireguardRemove": self = .wireguardRemove(name: try json.member("name").string())
        case "services": self = .services(namespace: try json.optionalString("namespace"))
        case "endpoints": self = .endpoints(service: try json.optionalString("service"))
        case "serviceAdd": self = .serviceAdd(try ServiceDefinition(json: json.member("service")))
        case "serviceRemove": self = .serviceRemove(name: try json.member("name").string())
        case "serviceList": self = .serviceList
        case "serviceShow": self = .serviceShow(name: try json.member("name").string())
        case "nameLookup": self = .nameLookup(try NameQuestion(json: json.member("question")))
        case "nameCache": self = .nameCache(clear: try json.member("clear").boolean())
        case "reload": self = .reload
        case "version": self = .version
        case let other: throw kind.invalid("a known request", found: other)
        }
    }

    package var json: JSONValue {
        switch self {
        case .up(let up): message("up", up.members)
        case .down: message("down")
        case .status: message("status")
        case .peers: message("peers")
        case .ping(let target, let count):
            message("ping", ["target": .string(target), "count": .integer(Int64(count))])
        case .trace(let target): message("trace", ["target": .string(target)])
        case .why(let from, let to): message("why", ["from": from.json, "to": .string(to)])
        case .relay(let action): message("relay", ["action": .string(action.rawValue)])
        case .netcheck: message("netcheck")
        case .invite(let invite): message("invite", invite.members)
        case .wireguardAdd(let name, let endpoint):
            message("wireguardAdd", ["name": .string(name), "endpoint": endpoint.json])
        case .wireguardList: message("wireguardList")
        case .wireguardRemove(let name): message("wireguardRemove", ["name": .string(name)])
        case .services(let namespace): message("services", ["namespace": namespace.json])
        case .endpoints(let service): message("endpoints", ["service": service.json])
        case .serviceAdd(let definition): message("serviceAdd", ["service": definition.json])
        case .serviceRemove(let name): message("serviceRemove", ["name": .string(name)])
        case .serviceList: message("serviceList")
        case .serviceShow(let name): message("serviceShow", ["name": .string(name)])
        case .nameLookup(let question): message("nameLookup", ["question": question.json])
        case .nameCache(let clear): message("nameCache", ["clear": .boolean(clear)])
        case .reload: message("reload")
        case .version: message("version")
        }
    }

    private func message(_ kind: String, _ members: JSONObject = [:]) -> JSONValue {
        var object: JSONObject = ["version": .integer(Int64(Control.version)), "request": .string(kind)]
        for (name, value) in members.members { object[name] = value }
        return .object(object)
    }
}

extension Request.Up {
    fileprivate init(json: JSONCursor) throws(JSONError) {
        self.init(
            token: try json.optionalString("token"), name: try json.optionalString("name"),
            advertise: try json.parsedList("advertise", expected: "an address prefix"))
    }

    fileprivate var members: JSONObject {
        ["token": token.json, "name": name.json, "advertise": JSONValue(texts: advertise)]
    }
}

extension Request.Invite {
    fileprivate init(json: JSONCursor) throws(JSONError) {
        self.init(
            uses: try json.member("uses").limited(to: Request.inviteUsesRange),
            lifetimeSeconds: try json.member("lifetimeSeconds").limited(to: Request.inviteLifetimeRange),
            namePattern: try json.optionalString("namePattern"),
            mayRelay: try json.member("mayRelay").boolean(),
            prefixPool: try json.optionalPrefix("prefixPool"))
    }

    fileprivate var members: JSONObject {
        [
            "uses": .integer(Int64(uses)), "lifetimeSeconds": .integer(Int64(lifetimeSeconds)),
            "namePattern": namePattern.json, "mayRelay": .boolean(mayRelay), "prefixPool": prefixPool.json,
        ]
    }
}

extension JSONCursor {
    fileprivate func limited(to range: ClosedRange<Int>) throws(JSONError) -> Int {
        let number = try integer()
        guard range.contains(number) else {
            throw invalid("from \(range.lowerBound) to \(range.upperBound)", found: "\(number)")
        }
        return number
    }
}
