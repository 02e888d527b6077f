import Arguments
import ControlAPI
import Wire

/// What the options of `service add` say.
///
///     --port PORT[:TARGET][/PROTOCOL][=NAME]     --endpoint ADDRESS[@NODE][,weight=N]     --node-port [PORT:]NODEPORT
struct ServiceArguments {
    private(set) var definition: ServiceDefinition

    init(_ invocation: Invocation) throws(Failure) {
        definition = try Self.named(invocation.argument("NAME") ?? "", in: invocation.text("namespace"))
        for text in invocation.texts("port") { definition.ports.append(try Self.port(text)) }
        for text in invocation.texts("endpoint") { definition.members.append(try Self.member(text)) }
        for text in invocation.texts("node-port") { try setNodePort(text) }
        definition.containers = invocation.texts("container")
        for text in invocation.texts("cluster-ip") {
            guard let address = IPAddress(text) else {
                throw Failure(
                    .usage, "--cluster-ip must be an address, not '\(text)'", nextStep: "leave it out to get one")
            }
            definition.clusterIPs.append(address)
        }
        definition.isHeadless = invocation.has("headless")
        definition.externalName = invocation.text("external-name")
        definition.affinitySeconds = invocation.seconds("affinity")
        definition.balancing = invocation.text("balancing")
        definition.preference = invocation.text("prefer")
        if invocation.has("nearest") {
            guard definition.preference ?? "nearest" == "nearest" else {
                throw Failure(
                    .usage, "--nearest and --prefer \(definition.preference ?? "") contradict each other",
                    nextStep: "give one of them")
            }
            definition.preference = "nearest"
        }
    }

    /// `web`, or `web.shop` for the namespace shop.
    private static func named(_ text: String, in namespace: String?) throws(Failure) -> ServiceDefinition {
        let parts = text.split(separator: "." as Character, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return ServiceDefinition(namespace: namespace ?? "default", name: text) }
        guard namespace ?? String(parts[1]) == parts[1] else {
            throw Failure(
                .usage, "'\(text)' and --namespace \(namespace ?? "") name two namespaces", nextStep: "give one of them"
            )
        }
        return ServiceDefinition(namespace: String(parts[1]), name: String(parts[0]))
    }

    private static func port(_ text: String) throws(Failure) -> ServiceDefinition.Port {
        let (front, name) = halves(text, at: "=")
        let (numbers, transport) = halves(front, at: "/")
        let (first, second) = halves(numbers, at: ":")
        let known = ["tcp", "udp", "sctp"]
        guard let port = number(first), second == nil || second.flatMap({ number($0) }) != nil,
            known.contains(transport?.lowercased() ?? "tcp"), name != ""
        else {
            throw Failure(
                .usage, "--port must be PORT[:TARGET][/PROTOCOL][=NAME], not '\(text)'",
                nextStep: "write it as 80, 80:8080, 53/udp or 80:8080/tcp=http")
        }
        return ServiceDefinition.Port(
            name: name.map { String($0) }, transport: transport?.uppercased() ?? "TCP", port: port,
            target: second.flatMap { number($0) })
    }

    private static func member(_ text: String) throws(Failure) -> ServiceDefinition.Member {
        let (place, setting) = halves(text, at: ",")
        let (host, node) = halves(place, at: "@")
        guard let address = IPAddress(host) else {
            let hasPort = Endpoint(host) != nil
            throw Failure(
                .usage, "--endpoint must be ADDRESS[@NODE][,weight=N], not '\(text)'",
                nextStep: hasPort
                    ? "give the port in --port, as in --port 80:8080"
                    : "write it as 10.130.7.2, 172.17.0.2@edge-2 or 10.130.7.2,weight=3")
        }
        guard node != "" else {
            throw Failure(
                .usage, "--endpoint '\(text)' names no node after the @", nextStep: "name one, or leave it out")
        }
        var member = ServiceDefinition.Member(address, node: node.map { String($0) })
        guard let setting else { return member }
        let (key, value) = halves(setting, at: "=")
        guard key == "weight", let value, let weight = Int(value), ServiceDefinition.weightRange.contains(weight) else {
            throw Failure(
                .usage, "--endpoint knows 'weight=' and 0 to 1000, not '\(setting)'",
                nextStep: "write it as \(address),weight=3")
        }
        member.weight = weight
        return member
    }

    private mutating func setNodePort(_ text: String) throws(Failure) {
        let (first, second) = Self.halves(text, at: ":")
        guard let nodePort = Self.number(second ?? first), second == nil || Self.number(first) != nil else {
            throw Failure(
                .usage, "--node-port must be [PORT:]NODEPORT, not '\(text)'", nextStep: "write it as 30080 or 80:30080")
        }
        guard second != nil || definition.ports.count == 1 else {
            throw Failure(
                .usage, "--node-port \(text) does not say which of \(definition.ports.count) ports it is for",
                nextStep: "write it as 80:\(text)")
        }
        let wanted = second == nil ? definition.ports.first?.port : Self.number(first)
        let places = definition.ports.indices.filter { definition.ports[$0].port == wanted }
        guard !places.isEmpty else {
            throw Failure(
                .usage, "--node-port \(text) is for a port that the service does not have",
                nextStep: "give that one with --port, too")
        }
        for place in places { definition.ports[place].nodePort = nodePort }
    }

    /// What stands before the first such mark, and what stands after it.
    private static func halves(_ text: some StringProtocol, at mark: Character) -> (Substring, Substring?) {
        let parts = text.split(separator: mark, maxSplits: 1, omittingEmptySubsequences: false)
        return (Substring(parts[0]), parts.count > 1 ? Substring(parts[1]) : nil)
    }

    private static func number(_ text: Substring) -> UInt16? {
        guard let number = UInt16(text), number > 0, text.first != "+" else { return nil }
        return number
    }
}
