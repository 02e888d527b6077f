import JSON
import Services
import Wire

/// What `GET /containers/{id}/json` says, reduced (Docker Engine API, ContainerInspect).
struct DockerInspection {
    var container: LocalContainer
    /// The number of the signal that asks it to end (SIGTERM unless the image says otherwise).
    var stopSignal = DockerInspection.signals["TERM"] ?? 15
    /// How long Docker waits for it to end before it is killed.
    var stopTimeout: Duration = .seconds(10)
    /// The container whose network it shares.
    var networkOwner: String?

    static let kill = 9
    private static let signals = [
        "HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "WINCH": 28,
    ]

    init(parsing body: [UInt8]) throws(JSONError) {
        let root = JSONCursor(try JSONValue(parsing: body))
        let path = try root.member("Name").string()
        container = LocalContainer(
            id: try root.member("Id").string(), name: path.hasPrefix("/") ? String(path.dropFirst()) : path)
        container.phase = try Self.phase(try root.member("State"))
        let configuration = try root.member("Config")
        for (name, value) in try configuration.optionalMember("Labels")?.members() ?? [] {
            container.labels[name] = try value.string()
        }
        if let text = try configuration.optionalMember("StopSignal")?.string() {
            stopSignal = Int(text) ?? Self.signals[text.hasPrefix("SIG") ? String(text.dropFirst(3)) : text] ?? 15
        }
        if let seconds = try configuration.optionalMember("StopTimeout")?.integer(Int.self), seconds >= 0 {
            stopTimeout = .seconds(min(seconds, 3_600))
        }
        let mode = try root.member("HostConfig").optionalMember("NetworkMode")?.string() ?? "default"
        container.isOnHostNetwork = mode == "host"
        if mode.hasPrefix("container:") { networkOwner = String(mode.dropFirst("container:".count)) }
        try readNetworks(root, first: mode == "default" ? "bridge" : mode)
    }

    private static func phase(_ state: JSONCursor) throws(JSONError) -> LocalContainer.Phase {
        guard try state.member("Running").boolean(), try state.optionalMember("Restarting")?.boolean() != true else {
            return .stopped
        }
        if try state.optionalMember("Paused")?.boolean() == true { return .unready }
        switch try state.optionalMember("Health")?.member("Status").string() {
        case nil, "", "none", "healthy": return .ready
        default: return .unready
        }
    }

    private mutating func readNetworks(_ root: JSONCursor, first: String) throws(JSONError) {
        guard let networks = try root.optionalMember("NetworkSettings")?.optionalMember("Networks") else { return }
        for (name, network) in try networks.members() where network.value != .null {
            var addresses: [IPAddress] = []
            for field in ["IPAddress", "GlobalIPv6Address"] {
                guard let text = try network.optionalMember(field)?.string(), let address = IPAddress(text),
                    address.isUnicast
                else { continue }
                addresses.append(address)
            }
            if !addresses.isEmpty { container.networks.append(.init(name: name, addresses: addresses)) }
        }
        container.networks.sort { ($0.name != first ? 1 : 0, $0.name) < ($1.name != first ? 1 : 0, $1.name) }
    }
}

/// One line of `GET /events`, as far as it is about a container.
struct DockerEvent: Equatable {
    var container: String
    var action: String
    /// The number of the signal of a `kill`.
    var signal: Int?

    /// Where events are to be had: those that change what we know. Health checks alone would make three others each time.
    static let path: String = {
        let kinds = "%22container%22,%22network%22"
        let actions = [
            "start", "die", "kill", "pause", "unpause", "rename", "destroy", "update", "health_status", "connect",
            "disconnect",
            "create",
        ]
        return "/events?filters=%7B%22type%22:%5B\(kinds)%5D,%22event%22:%5B"
            + actions.map { "%22\($0)%22" }.joined(separator: ",") + "%5D%7D"
    }()

    /// `nil` for events of no container.
    init?(parsing line: [UInt8]) throws(JSONError) {
        let root = JSONCursor(try JSONValue(parsing: line))
        guard let actor = try root.optionalMember("Actor") else { return nil }
        let attributes = try actor.optionalMember("Attributes")
        action = try root.optionalMember("Action")?.string() ?? ""
        switch try root.optionalMember("Type")?.string() {
        case "container": container = try actor.member("ID").string()
        case "network":
            guard let name = try attributes?.optionalMember("container")?.string() else { return nil }
            container = name
        default: return nil
        }
        signal = try attributes?.optionalMember("signal").flatMap { value throws(JSONError) in Int(try value.string()) }
    }
}

/// What `GET /containers/json` says: the ids alone, as the rest is asked one by one.
enum DockerList {
    static func ids(parsing body: [UInt8]) throws(JSONError) -> [String] {
        var ids: [String] = []
        for entry in try JSONCursor(try JSONValue(parsing: body)).elements() {
            ids.append(try entry.member("Id").string())
        }
        return ids
    }
}
