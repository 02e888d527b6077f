import ControlAPI
import Testing
import Wire

@testable import Console

/// Whole outputs from fixed replies about services and names.
@Suite struct ServicesTextTests {
    private let text = ServicesText(style: Style(hasColor: false))
    private let names = NamesText(style: Style(hasColor: false))

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func service() throws -> ServiceInfo {
        var service = ServiceInfo(namespace: "shop", name: "web", kind: .nodePort)
        service.clusterIPs = [try address("10.96.0.5")]
        var http = ServiceInfo.Port("http", "TCP", 80)
        http.targets = [8080]
        http.nodePort = 30_080
        var dns = ServiceInfo.Port("dns", "UDP", 53)
        dns.targets = [53]
        service.ports = [http, dns]
        service.sources = [.init(kind: "manifests", node: "edge-1", part: "shop.yaml")]
        service.readyCount = 1
        service.endpointCount = 2
        return service
    }

    private func endpoints() throws -> EndpointList {
        var near = EndpointInfo(namespace: "shop", service: "web", address: try address("172.17.0.2"))
        near.node = "edge-1"
        near.target = "nginx"
        var use = EndpointInfo.Port("http", "TCP", 80)
        use.target = 8080
        use.sharePercent = 100
        var missing = EndpointInfo.Port("dns", "UDP", 53)
        missing.reason = "it has no UDP port called dns"
        near.ports = [use, missing]
        var far = EndpointInfo(namespace: "shop", service: "web", address: try address("172.17.0.2"))
        far.node = "edge-2"
        far.reachedAt = try address("10.130.7.2")
        far.isReady = false
        use.sharePercent = nil
        use.reason = "it is not ready"
        far.ports = [use]
        return EndpointList([near, far])
    }

    @Test func `services stand in a table, with what is wrong below it`() throws {
        var broken = ServiceInfo(namespace: "default", name: "api", kind: .headless)
        broken.problems = [Notice("it has no endpoints", nextStep: "check the source that is to name them")]
        broken.sources = [.init(kind: "commands", node: "edge-2"), .init(kind: "kubernetes")]
        var other = ServiceInfo(namespace: "shop", name: "db", kind: .externalName)
        other.externalName = "db.example.org"
        other.sources = [.init(kind: "kubernetes")]
        let list = ServiceList([broken, other, try service()], total: 12_000)
        #expect(
            text.lines(list).joined(separator: "\n") == """
                NAME  NAMESPACE  KIND          ADDRESS         PORTS                                       READY  DEFINED BY
                api   default    headless      -               -                                             0/0  a command on edge-2, Kubernetes
                db    shop       ExternalName  db.example.org  -                                               -  Kubernetes
                web   shop       NodePort      10.96.0.5       80:8080=http (node port 30080), 53/udp=dns    1/2  manifest shop.yaml on edge-1

                  ! api.default: it has no endpoints
                    next: check the source that is to name them

                3 of 12 000 are shown.
                """)
        #expect(text.lines(ServiceList())[0].hasPrefix("No services are known."))
        #expect(text.lines(ServiceList(), areOfThisHost: true)[0].hasPrefix("No services have been added"))
    }

    @Test func `endpoints say what a client of this host gets`() throws {
        #expect(
            text.lines(try endpoints()).joined(separator: "\n") == """
                SERVICE   ENDPOINT    NODE    REACHED AT  BEHIND IT  STATE      USED
                web.shop  172.17.0.2  edge-1  -           nginx      ready      http 100 %; dns no: it has no UDP port called dns
                web.shop  172.17.0.2  edge-2  10.130.7.2  -          not ready  no: it is not ready
                """)
        #expect(text.lines(EndpointList()) == ["No endpoints are known."])
    }

    @Test func `one service is shown with its settings and its endpoints`() throws {
        var service = try service()
        service.balancing = "round-robin"
        service.preference = "nearest"
        service.affinitySeconds = 10_800
        service.isNodeLocal = true
        service.problems = [Notice("node port 30080 goes to api.shop, which claims it too")]
        #expect(
            text.lines(ServiceDetail(service, try endpoints())).joined(separator: "\n") == """
                web.shop is a service with an address of its own, and with ports on every node
                  ! node port 30080 goes to api.shop, which claims it too

                  address     10.96.0.5
                  ports       80:8080=http (node port 30080)
                              53/udp=dns
                  endpoints   1 of 2 ready
                  balancing   round-robin
                  preferred   nearest
                  affinity    3 h
                  policy      only endpoints on the client's own node
                  defined by  manifest shop.yaml on edge-1

                ENDPOINT    NODE    REACHED AT  BEHIND IT  STATE      USED
                172.17.0.2  edge-1  -           nginx      ready      http 100 %; dns no: it has no UDP port called dns
                172.17.0.2  edge-2  10.130.7.2  -          not ready  no: it is not ready
                """)
    }

    @Test func `what was added, replaced or taken away is said in a line`() throws {
        let service = try service()
        #expect(
            text.lines(ServiceAddition(service, isReplaced: false))
                == ["web.shop is added: 10.96.0.5 port 80, 53, 1 of 2 endpoints ready."])
        #expect(
            text.lines(ServiceAddition(service, isReplaced: true, notices: [Notice("Kubernetes defines it too")])) == [
                "web.shop is replaced: 10.96.0.5 port 80, 53, 1 of 2 endpoints ready.", "  ! Kubernetes defines it too",
            ])
        #expect(text.lines(ServiceRemoval(namespace: "shop", name: "web")) == ["web.shop is taken away."])
        #expect(
            text.lines(ServiceRemoval(namespace: "shop", name: "web", remaining: [.init(kind: "kubernetes")])) == [
                "What was added here of web.shop is taken away; Kubernetes goes on defining it."
            ])
    }

    @Test func `an answer shows its records, where it is from, and what is wrong`() {
        var answer = NameAnswer(
            NameQuestion("web.shop.svc.cluster.local", client: IPAddress("172.17.0.2")), code: "NOERROR",
            origin: "zone",
            duration: .microseconds(120))
        answer.answers = [
            NameRecord("web.shop.svc.cluster.local.", ttlSeconds: 5, "CNAME", "a."),
            NameRecord("a.", ttlSeconds: 300, "A", "192.0.2.1"),
        ]
        #expect(
            names.lines(answer).joined(separator: "\n") == """
                web.shop.svc.cluster.local A for 172.17.0.2: NOERROR from this node's own names in 0.12 ms

                  web.shop.svc.cluster.local.    5  CNAME  a.
                  a.                           300  A      192.0.2.1
                """)
        answer.answers = []
        answer.origin = "upstream"
        answer.extendedError = "no server can be reached"
        answer.authorities = [NameRecord("local.", ttlSeconds: 5, "SOA", "ns. host. 1 2 3 4 5")]
        #expect(
            names.lines(answer).joined(separator: "\n") == """
                web.shop.svc.cluster.local A for 172.17.0.2: NOERROR, but no such record from another server in 0.12 ms
                  ! no server can be reached

                by the authority of
                  local.  5  SOA  ns. host. 1 2 3 4 5
                """)
    }

    @Test func `what is remembered stands in a table`() {
        let cache = NameCache(
            [
                .init(
                    "example.org.", "A", code: "NOERROR", secondsLeft: 90, hitCount: 1200,
                    records: [NameRecord("example.org.", ttlSeconds: 90, "A", "192.0.2.7")]),
                .init("none.example.", "AAAA", code: "NXDOMAIN", secondsLeft: -1, hitCount: 0),
            ], total: 5)
        #expect(
            names.lines(cache).joined(separator: "\n") == """
                NAME           TYPE  ANSWER           LEFT   HITS
                example.org.   A     192.0.2.7  1 min 30 s  1 200
                none.example.  AAAA  NXDOMAIN        stale      0

                and 3 more
                """)
        #expect(names.lines(NameCache()) == ["Nothing is remembered."])
        #expect(names.lines(NameCache(total: 12, isCleared: true)) == ["12 answers are forgotten."])
        #expect(names.lines(NameCache(total: 1, isCleared: true)) == ["One answer is forgotten."])
    }

    @Test func `status tells of services, their sources, and names`() throws {
        var status = Status(state: .ready, nodeName: "edge-1", uptime: .seconds(5))
        var services = ServiceStatus()
        services.serviceCount = 12
        services.endpointCount = 36
        services.readyCount = 34
        services.ranges = [try #require(IPPrefix("10.96.0.0/16"))]
        services.sources = [
            .init("docker", .good, "5 containers, 2 of them endpoints"), .init("containerd", .absent, "no socket"),
            .init(
                "manifest shop.yaml", .failed, "refused: shop.yaml:5: spec.ports is empty", nextStep: "mend the file"),
        ]
        services.problems = [Notice("web.shop: it has no endpoints", nextStep: "check the source that is to name them")]
        var names = ServiceStatus.Names()
        names.listening = [try #require(Endpoint("169.254.96.16:53"))]
        names.nameCount = 40
        names.cachedCount = 3
        names.upstreams = ["192.0.2.53:53"]
        names.problems = [Notice("no names at 10.96.0.10:53: UDP port 53 is held by dnsmasq")]
        services.names = names
        status.services = services
        let lines = StatusText(style: Style(hasColor: false), now: Timestamp(secondsSince1970: 0)).lines(status)
        #expect(
            lines.joined(separator: "\n") == """
                edge-1 is ready
                  warning: manifest shop.yaml: refused: shop.yaml:5: spec.ports is empty
                    next: mend the file
                  warning: no names at 10.96.0.10:53: UDP port 53 is held by dnsmasq
                  warning: web.shop: it has no endpoints
                    next: check the source that is to name them

                  services     12, 34 of 36 endpoints ready, addresses from 10.96.0.0/16
                  sources      docker: 5 containers, 2 of them endpoints
                  names        answered at 169.254.96.16:53: 40 of the mesh, 3 others remembered
                               others are asked of 192.0.2.53:53
                  running for  5 s
                """)
        status.services = ServiceStatus()
        status.services?.names = ServiceStatus.Names()
        let bare = StatusText(style: Style(hasColor: false), now: Timestamp(secondsSince1970: 0)).lines(status)
        #expect(bare.contains("  services     0") && bare.contains("  names        not answered"))
    }
}
