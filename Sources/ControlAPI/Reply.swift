package import JSON

/// One line of the daemon's answer: an object with its kind in `reply` and its content in `value`.
package enum Reply: Equatable, Sendable {
    case up(UpResult)
    case status(Status)
    case peers([Peer])
    case pong(Pong)
    case pingSummary(PingSummary)
    case trace(Trace)
    case explanation(Explanation)
    case relayStatus(RelayStatus)
    case netcheck(Netcheck)
    case invitation(Invitation)
    case wireguardClient(WireGuardClient)
    case wireguardClients([AdmittedClient])
    case services(ServiceList)
    case endpoints(EndpointList)
    case service(ServiceDetail)
    case serviceAdded(ServiceAddition)
    case serviceRemoved(ServiceRemoval)
    case nameAnswer(NameAnswer)
    case nameCache(NameCache)
    case reloaded(ReloadResult)
    case version(DaemonVersion)
    /// The request was carried out and there is nothing to tell.
    case done
    case failure(Failure)

    /// Whether the exchange ends with this reply.
    package var isFinal: Bool {
        if case .pong = self { false } else { true }
    }

    /// The content alone, as `meshctl --json` prints it.
    package var content: JSONValue {
        switch self {
        case .up(let result): result.json
        case .status(let status): status.json
        case .peers(let peers): JSONValue(list: peers)
        case .pong(let pong): pong.json
        case .pingSummary(let summary): summary.json
        case .trace(let trace): trace.json
        case .explanation(let explanation): explanation.json
        case .relayStatus(let status): status.json
        case .netcheck(let netcheck): netcheck.json
        case .invitation(let invitation): invitation.json
        case .wireguardClient(let client): client.json
        case .wireguardClients(let clients): JSONValue(list: clients)
        case .services(let services): services.json
        case .endpoints(let endpoints): endpoints.json
        case .service(let detail): detail.json
        case .serviceAdded(let addition): addition.json
        case .serviceRemoved(let removal): removal.json
        case .nameAnswer(let answer): answer.json
        case .nameCache(let cache): cache.json
        case .reloaded(let result): result.json
        case .version(let version): version.json
        case .done: [:]
        case .failure(let failure): failure.json
        }
    }

    private var kind: String {
        switch self {
        case .up: "up"
        case .status: "status"
        case .peers: "peers"
        case .pong: "pong"
        case .pingSummary: "pingSummary"
        case .trace: "trace"
        case .explanation: "explanation"
        case .relayStatus: "relayStatus"
        case .netcheck: "netcheck"
        case .invitation: "invitation"
        case .wireguardClient: "wireguardClient"
        case .wireguardClients: "wireguardClients"
        case .services: "services"
        case .endpoints: "endpoints"
        case .service: "service"
        case .serviceAdded: "serviceAdded"
        case .serviceRemoved: "serviceRemoved"
        case .nameAnswer: "nameAnswer"
        case .nameCache: "nameCache"
        case .reloaded: "reloaded"
        case .version: "version"
        case .done: "done"
        case .failure: "failure"
        }
    }
}

extension Reply: JSONRepresentable {
    package init(json: JSONCursor) throws(JSONError) {
        let kind = try json.member("reply")
        let value = try json.member("value")
        switch try kind.string() {
        case "up": self = .up(try UpResult(json: value))
        case "status": self = .status(try Status(json: value))
        case "peers": self = .peers(try json.list("value"))
        case "pong": self = .pong(try Pong(json: value))
        case "pingSummary": self = .pingSummary(try PingSummary(json: value))
        case "trace": self = .trace(try Trace(json: value))
        case "explanation": self = .explanation(try Explanation(json: value))
        case "relayStatus": self = .relayStatus(try RelayStatus(json: value))
        case "netcheck": self = .netcheck(try Netcheck(json: value))
        case "invitation": self = .invitation(try Invitation(json: value))
        case "wireguardClient": self = .wireguardClient(try WireGuardClient(json: value))
        case "wireguardClients": self = .wireguardClients(try json.list("value"))
        case "services": self = .services(try ServiceList(json: value))
        case "endpoints": self = .endpoints(try EndpointList(json: value))
        case "service": self = .service(try ServiceDetail(json: value))
        case "serviceAdded": self = .serviceAdded(try ServiceAddition(json: value))
        case "serviceRemoved": self = .serviceRemoved(try ServiceRemoval(json: value))
        case "nameAnswer": self = .nameAnswer(try NameAnswer(json: value))
        case "nameCache": self = .nameCache(try NameCache(json: value))
        case "reloaded": self = .reloaded(try ReloadResult(json: value))
        case "version": self = .version(try DaemonVersion(json: value))
        case "done": self = .done
        case "failure": self = .failure(try Failure(json: value))
        case let other: throw kind.invalid("a known reply", found: other)
        }
    }

    package var json: JSONValue { ["reply": .string(kind), "value": content] }
}
