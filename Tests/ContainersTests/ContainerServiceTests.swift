import Services
import Testing
import Wire

@testable import Containers

@Suite struct ContainerServiceTests {
    private func read(_ labels: [String: String]) throws -> ContainerService? {
        var prefixed: [String: String] = [:]
        for (name, value) in labels { prefixed["kubemesh.\(name)"] = value }
        return try ContainerService(labels: prefixed)
    }

    private func web(_ more: [String: String] = [:]) throws -> ContainerService {
        try #require(try read(["service": "web", "port": "80"].merging(more) { $1 }))
    }

    @Test func `a service and a port are enough`() throws {
        let web = try web()
        #expect(
            web.service
                == Service(name: ServiceName(namespace: "default", name: "web"), ports: [Service.Port(port: 80)]))
        #expect(web.targetPorts == [EndpointSlice.Port(port: 80)])
        #expect(web.weight == 1)
    }

    @Test func `a container without labels of ours serves nothing`() throws {
        #expect(try ContainerService(labels: ["com.example": "x", "kubemesh": "y", "kubemeshx.service": "z"]) == nil)
        #expect(try read(["network": "back"]) == nil)
    }

    @Test(arguments: [
        ("80", [Service.Port(port: 80)], [EndpointSlice.Port(port: 80)]),
        ("80:8080", [Service.Port(port: 80)], [EndpointSlice.Port(port: 8080)]),
        ("53/udp", [Service.Port(transport: .udp, port: 53)], [EndpointSlice.Port(transport: .udp, port: 53)]),
        (
            "53:5353/UDP=dns", [Service.Port(name: "dns", transport: .udp, port: 53)],
            [EndpointSlice.Port(name: "dns", transport: .udp, port: 5353)]
        ),
        (
            "80:8080=http, 9/sctp , 80/udp=dns",
            [
                Service.Port(name: "http", port: 80), Service.Port(name: "sctp-9", transport: .sctp, port: 9),
                Service.Port(name: "dns", transport: .udp, port: 80),
            ],
            [
                EndpointSlice.Port(name: "http", port: 8080),
                EndpointSlice.Port(name: "sctp-9", transport: .sctp, port: 9),
                EndpointSlice.Port(name: "dns", transport: .udp, port: 80),
            ]
        ),
    ])
    func `ports are written as name, port, target and protocol`(
        text: String, ports: [Service.Port], targets: [EndpointSlice.Port]
    ) throws {
        let web = try web(["port": text])
        #expect(web.service.ports == ports)
        #expect(web.targetPorts == targets)
    }

    @Test func `the other labels are Kubernetes' fields by their words`() throws {
        let wanted = try web([
            "namespace": "shop", "cluster-ip": "10.96.0.50, fd00::50", "ip-families": "both",
            "session-affinity": "ClientIP",
            "session-affinity-seconds": "600", "internal-traffic-policy": "Local", "external-traffic-policy": "Local",
            "traffic-distribution": "PreferNearest", "balancing": "least-connections", "publish-not-ready": "true",
            "node-port": "30080", "network": "back", "weight": "5", "hostname": "first",
        ])
        var service = Service(name: ServiceName(namespace: "shop", name: "web"), kind: .nodePort)
        service.ports = [Service.Port(port: 80, nodePort: 30_080)]
        service.clusterIPs = [.v4(IPv4Address(10, 96, 0, 50)), try #require(IPAddress("fd00::50"))]
        service.families = .both
        service.affinitySeconds = 600
        (service.internalPolicy, service.externalPolicy) = (.local, .local)
        service.distribution = .preferNearest
        service.balancing = .leastConnections
        service.publishesNotReady = true
        #expect(wanted.service == service)
        #expect(wanted.network == "back")
        #expect(wanted.weight == 5)
        #expect(wanted.hostname == "first")
        #expect(try web(["session-affinity": "ClientIP"]).service.affinitySeconds == 10_800)
        #expect(try web(["session-affinity": "None"]).service.affinitySeconds == nil)
    }

    @Test func `a node port says which port it is for, where there are several`() throws {
        let wanted = try web(["port": "80,53/udp,53", "node-port": "53:30053"])
        #expect(wanted.service.ports.map(\.name) == ["tcp-80", "udp-53", "tcp-53"])
        #expect(wanted.service.ports.map(\.nodePort) == [nil, 30_053, 30_053])
        #expect(throws: LabelError.self) { try web(["port": "80,53", "node-port": "30053"]) }
    }

    @Test func `a headless service needs no port`() throws {
        let web = try #require(try read(["service": "web", "headless": "true"]))
        #expect(web.service.kind == .headless)
        #expect(web.service.ports.isEmpty)
    }

    @Test(arguments: [
        (["port": "80"], "kubemesh.port stands without kubemesh.service"),
        (["service": "web"], "kubemesh.port is missing"),
        (["service": "Web", "port": "80"], "kubemesh.service is no DNS label: \"Web\""),
        (["service": "a.b", "port": "80"], "kubemesh.service is no DNS label: \"a.b\""),
        (["service": "web", "port": ""], "kubemesh.port has an empty entry"),
        (
            ["service": "web", "port": "http"],
            "kubemesh.port has \"http\" where a number stands; write one from 1 to 65535"
        ),
        (["service": "web", "port": "0"], "kubemesh.port has \"0\""),
        (["service": "web", "port": "+80"], "kubemesh.port has \"+80\""),
        (["service": "web", "port": "80:"], "kubemesh.port has \"\" where"),
        (["service": "web", "port": "80:1:2"], "kubemesh.port has \"1:2\" where"),
        (["service": "web", "port": "80/quic"], "kubemesh.port has no known protocol in \"80/quic\""),
        (["service": "web", "port": "80=a,443=a"], "kubemesh.port repeats \"443=a\""),
        (["service": "web", "port": "80=a,80=b"], "kubemesh.port repeats \"80=b\""),
        (["service": "web", "port": "80=A_b"], "kubemesh.port has \"A_b\" for a name"),
        (["service": "web", "port": "80", "prot": "x"], "kubemesh.prot is no label that is known here"),
        (
            ["service": "web", "port": "80", "node-port": "81:1"],
            "kubemesh.node-port has \"81:1\", which is for no port"
        ),
        (["service": "web", "port": "80", "cluster-ip": "10.0.0.1,10.0.0.2"], "kubemesh.cluster-ip has \"10.0.0.2\""),
        (["service": "web", "cluster-ip": "10.0.0.1", "headless": "true"], "kubemesh.cluster-ip stands beside"),
        (["service": "web", "port": "80", "headless": "yes"], "kubemesh.headless is neither true nor false: \"yes\""),
        (["service": "web", "port": "80", "weight": "1001"], "kubemesh.weight has \"1001\""),
        (
            ["service": "web", "port": "80", "balancing": "magic"],
            "kubemesh.balancing is \"magic\"; write one of random"
        ),
        (
            ["service": "web", "port": "80", "session-affinity-seconds": "5"],
            "kubemesh.session-affinity-seconds stands without"
        ),
    ])
    func `what is wrong with labels is said with the label and what to write`(labels: [String: String], reason: String)
    {
        let error = #expect(throws: LabelError.self) { try read(labels) }
        #expect(error?.description.hasPrefix(reason) == true, "\(error?.description ?? "none")")
    }
}

extension Service {
    fileprivate init(name: ServiceName, ports: [Service.Port]) {
        self.init(name: name)
        self.ports = ports
    }
}
