import Netfilter
import Services
import Synchronization
import Testing
import Wire

/// A node with a client and three servers in Pods, a neighbour outside the cluster, and an interface for the mesh.
///
/// ```
///  client 10.244.1.9, fd00:1::9 ┐
///  e1     10.244.1.2, fd00:1::2 ├ node ── mesh0 10.130.7.1 (nobody behind it; services are routed to it)
///  e2     10.244.1.3, fd00:1::3 │    └─── eth0 192.168.50.1 ── outside 192.168.50.2
///  e3     10.244.1.4, fd00:1::4 ┘
/// ```
/// No default route on the node, as on a host that is cut off.
final class ServiceSite: Sendable {
    let node: Namespace
    let client: Namespace
    let servers: [Namespace]
    let outside: Namespace
    private let responders: [Responder]
    private let table = Mutex(ServiceTable())

    static let addresses = ["10.244.1.2", "10.244.1.3", "10.244.1.4"]
    static let addresses6 = ["fd00:1::2", "fd00:1::3", "fd00:1::4"]
    static let ports: [UInt16] = [8080, 9090]

    init() throws {
        let (node, outside) = (try Namespace("node"), try Namespace("out"))
        (self.node, self.outside) = (node, outside)
        let client = try Namespace("c")
        let servers = try (1...3).map { try Namespace("e\($0)") }
        (self.client, self.servers) = (client, servers)
        try node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        try node.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        try node.run(
            "ip", "-batch", "-",
            input: """
                tuntap add mesh0 mode tun
                addr add 10.130.7.1/32 dev mesh0
                addr add fd12:3456::1/128 dev mesh0 nodad
                link set mesh0 up
                route add 10.96.0.0/16 dev mesh0
                route add 10.130.0.0/16 dev mesh0
                route add fd96::/112 dev mesh0
                link add eth0 type veth peer name eth0 netns \(outside.name)
                addr add 192.168.50.1/24 dev eth0
                link set eth0 up

                """)
        try outside.run("ip", "addr", "add", "192.168.50.2/24", "dev", "eth0")
        try outside.run("ip", "link", "set", "eth0", "up")
        try outside.run("ip", "route", "add", "default", "via", "192.168.50.1")
        let pods =
            [(client, "10.244.1.9", "fd00:1::9")]
            + (0..<3).map { (servers[$0], Self.addresses[$0], Self.addresses6[$0]) }
        for (index, (pod, address, address6)) in pods.enumerated() {
            try Self.attach(pod, to: node, port: "pod\(index)", address, address6)
        }
        responders = try servers.enumerated().map { index, namespace in
            try Responder("e\(index + 1)", in: namespace, ports: Self.ports)
        }
    }

    /// A Pod with a link of its own, routed, as most CNI plugins for one node make it.
    private static func attach(
        _ pod: Namespace, to node: Namespace, port: String, _ address: String, _ address6: String
    ) throws {
        try node.run(
            "ip", "-batch", "-",
            input: """
                link add \(port) type veth peer name eth0 netns \(pod.name)
                addr add 10.244.1.1/32 dev \(port)
                addr add fd00:1::1/128 dev \(port) nodad
                link set \(port) up
                route add \(address) dev \(port)
                route add \(address6) dev \(port)

                """)
        try pod.run(
            "ip", "-batch", "-",
            input: """
                addr add \(address)/32 dev eth0
                addr add \(address6)/128 dev eth0 nodad
                link set eth0 up
                route add 10.244.1.1 dev eth0
                route add default via 10.244.1.1
                route add fd00:1::1 dev eth0
                route add default via fd00:1::1

                """)
    }

    // MARK: the agent's part

    @discardableResult
    func apply(_ plan: ServicePlan) throws -> ServiceTable.Outcome {
        try inNode { table, socket in try table.apply(plan, by: &socket) }
    }

    @discardableResult
    func apply(_ plan: ServicePlan, changed scope: ServiceTable.Scope) throws -> ServiceTable.Outcome {
        try inNode { table, socket in try table.apply(plan, changed: scope, by: &socket) }
    }

    @discardableResult
    func repair(_ plan: ServicePlan) throws -> ServiceTable.Outcome {
        try inNode { table, socket in try table.repair(plan, by: &socket) }
    }

    func openConnections() throws -> [ServicePlan.Key: Int] {
        try inNode { table, socket in try table.openConnections(by: &socket) }
    }

    func remove() throws {
        try node.perform {
            var socket = try RuleSocket()
            try ServiceTable.remove(by: &socket)
        }
    }

    /// What an agent that was killed and started again begins with.
    func forgetEverything() {
        table.withLock { $0 = ServiceTable() }
    }

    private func inNode<Value: Sendable>(
        _ body: @escaping @Sendable (inout ServiceTable, inout RuleSocket) throws -> Value
    ) throws -> Value {
        try node.perform {
            var socket = try RuleSocket()
            return try self.table.withLock { try body(&$0, &socket) }
        }
    }

    // MARK: plans

    /// Ranges and prefixes of this site, and no service.
    static func emptyPlan() throws -> ServicePlan {
        var plan = ServicePlan()
        plan.clientPrefixes = try prefixes("10.244.0.0/16", "10.130.0.0/16", "fd00:1::/32", "fd12:3456::/32")
        plan.serviceRanges = try prefixes("10.96.0.0/16", "fd96::/112")
        plan.localEndpoints = Set(try (addresses + addresses6).map { try #require(IPAddress($0)) })
        return plan
    }

    static func prefixes(_ texts: String...) throws -> [IPPrefix] { try texts.map { try #require(IPPrefix($0)) } }

    static func key(_ address: String, _ port: UInt16 = 80, _ transport: TransportProtocol = .tcp) throws
        -> ServicePlan.Key
    {
        ServicePlan.Key(try #require(IPAddress(address)), transport, port)
    }

    /// To servers by their numbers from 1.
    static func frontend(_ servers: [Int], port: UInt16 = 8080, isIPv6: Bool = false) throws -> ServicePlan.Frontend {
        ServicePlan.Frontend(
            service: ServiceName(namespace: "default", name: "web"), backends: try backends(servers, port, isIPv6))
    }

    static func backends(_ servers: [Int], _ port: UInt16 = 8080, _ isIPv6: Bool = false) throws
        -> [ServicePlan.Backend]
    {
        try servers.map {
            let text = isIPv6 ? addresses6[$0 - 1] : addresses[$0 - 1]
            return ServicePlan.Backend(try #require(IPAddress(text)), port: port)
        }
    }

    /// Of one service at 10.96.0.1:80.
    static func plan(_ servers: [Int], _ change: (inout ServicePlan.Frontend) -> Void = { _ in }) throws
        -> ServicePlan
    {
        var plan = try emptyPlan()
        var frontend = try frontend(servers)
        change(&frontend)
        plan.frontends[try key("10.96.0.1")] = frontend
        return plan
    }
}
