import ControlAPI
import Wire

/// What messages say of services and names, with every optional part once present and once absent.
enum ServiceSamples {
    private static func address(_ text: String) -> IPAddress { Samples.address(text) }

    static let source = ServiceInfo.Source(kind: "manifests", node: "edge-1", part: "shop.yaml")

    static let service: ServiceInfo = {
        var service = ServiceInfo(namespace: "shop", name: "web", kind: .nodePort)
        service.clusterIPs = [address("10.96.0.5"), address("fd96::5")]
        service.loadBalancerAddresses = [address("203.0.113.9")]
        var port = ServiceInfo.Port("http", "TCP", 80)
        port.nodePort = 30_080
        port.targets = [8080, 8081]
        service.ports = [port, ServiceInfo.Port(nil, "UDP", 53)]
        service.sources = [source, ServiceInfo.Source(kind: "kubernetes")]
        service.readyCount = 1
        service.endpointCount = 3
        service.balancing = "least-connections"
        service.preference = "nearest"
        service.affinitySeconds = 60
        service.isNodeLocal = true
        service.problems = [Notice("its only endpoint is not ready", nextStep: "see meshctl endpoints web.shop")]
        return service
    }()

    static let bareService: ServiceInfo = {
        var service = ServiceInfo(namespace: "shop", name: "db", kind: .externalName)
        service.externalName = "db.example.org"
        return service
    }()

    static let endpoint: EndpointInfo = {
        var endpoint = EndpointInfo(namespace: "shop", service: "web", address: address("172.17.0.2"))
        endpoint.node = "edge-2"
        endpoint.zone = "a"
        endpoint.target = "nginx"
        endpoint.reachedAt = address("10.130.7.2")
        endpoint.isReady = false
        endpoint.isServing = true
        endpoint.isTerminating = true
        endpoint.weight = 3
        var used = EndpointInfo.Port("http", "TCP", 80)
        used.target = 8080
        used.sharePercent = 33
        var unused = EndpointInfo.Port(nil, "UDP", 53)
        unused.reason = "it has no UDP port without a name"
        endpoint.ports = [used, unused]
        return endpoint
    }()

    static let definition: ServiceDefinition = {
        var definition = ServiceDefinition(namespace: "shop", name: "web")
        definition.ports = [
            .init(name: "http", port: 80, target: 8080, nodePort: 30_080), .init(transport: "UDP", port: 53),
        ]
        definition.members = [.init(address("172.17.0.2"), node: "edge-2", weight: 3), .init(address("fd00::2"))]
        definition.containers = ["nginx"]
        definition.clusterIPs = [address("10.96.0.5")]
        definition.isHeadless = true
        definition.externalName = "db.example.org"
        definition.affinitySeconds = 60
        definition.balancing = "round-robin"
        definition.preference = "same-node"
        return definition
    }()

    static let question = NameQuestion("web", type: "SRV", client: address("172.17.0.2"))

    static let answer: NameAnswer = {
        var answer = NameAnswer(question, code: "NXDOMAIN", origin: "zone", duration: .microseconds(123))
        answer.answers = [NameRecord("web.", ttlSeconds: 5, "SRV", "0 1 80 web.")]
        answer.authorities = [NameRecord("cluster.local.", ttlSeconds: 30, "SOA", "ns hostmaster 1 2 3 4 5")]
        answer.extendedError = "stale answer"
        return answer
    }()

    static let cache = NameCache(
        [
            .init(
                "example.org.", "A", code: "NOERROR", secondsLeft: -5, hitCount: 7,
                records: [NameRecord("example.org.", ttlSeconds: 30, "A", "192.0.2.7")]),
            .init("none.example.", "AAAA", code: "NXDOMAIN", secondsLeft: 60, hitCount: 0),
        ], total: 3, isCleared: true)

    static let status: ServiceStatus = {
        var status = ServiceStatus()
        status.serviceCount = 12
        status.endpointCount = 36
        status.readyCount = 34
        status.ranges = [Samples.prefix("10.96.0.0/16")]
        status.sources = [
            .init("docker", .good, "5 containers"), .init("containerd", .absent, "no socket"),
            .init("shop.yaml", .failed, "refused", nextStep: "mend it"),
        ]
        status.problems = [Notice("web.shop: it has no endpoints")]
        var names = ServiceStatus.Names()
        names.listening = [Samples.endpoint("169.254.96.16:53")]
        names.nameCount = 40
        names.cachedCount = 3
        names.upstreams = ["192.0.2.53:53"]
        names.problems = [Notice("no names at [fd00::1]:53")]
        names.taken = [.init(Samples.endpoint("[fd00::1]:53"), isStream: true)]
        status.names = names
        return status
    }()
}
