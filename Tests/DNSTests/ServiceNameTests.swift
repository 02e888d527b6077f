import Services
import Testing
import Wire

@testable import DNS

/// The rows of the Kubernetes DNS specification, and what CoreDNS made of those that it leaves open.
@Suite struct ServiceNameTests {
    private let http = [EndpointSlice.Port(name: "http", port: 8080)]

    @Test func `a cluster IP is answered in its family, and in the other is no data`() throws {
        var zones = Zones()
        try zones.add("web", at: ["10.96.0.10"])
        try zones.add("both", at: ["10.96.0.11", "fd00:96::11"])
        #expect(try zones.answers("web.default.svc.cluster.local", .a) == ["A 10.96.0.10"])
        #expect(try zones.denial("web.default.svc.cluster.local", .aaaa) == "NOERROR")
        #expect(try zones.answers("both.default.svc.cluster.local", .aaaa) == ["AAAA fd00:96::11"])
        let answer = try zones.ask("web.default.svc.cluster.local", .a)
        #expect(answer.flags.isAuthoritative && answer.answers[0].ttl == 5)
        #expect(answer.answers[0].name == answer.question?.name)
    }

    @Test func `named ports of a cluster IP have SRV records with the address beside them`() throws {
        var zones = Zones()
        try zones.add(
            "web", at: ["10.96.0.10", "fd00:96::10"],
            ports: [.init(name: "http", port: 80), .init(name: "dns", transport: .udp, port: 53), .init(port: 99)])
        let answer = try zones.ask("_http._tcp.web.default.svc.cluster.local", .srv)
        #expect(answer.answers.map(\.data.description) == ["0 100 80 web.default.svc.cluster.local."])
        #expect(answer.additional.map(\.data.description) == ["10.96.0.10", "fd00:96::10"])
        #expect(try zones.answers("_dns._udp.web.default.svc.cluster.local", .srv).count == 1)
        #expect(try zones.denial("_tcp.web.default.svc.cluster.local", .srv) == "NOERROR")
        #expect(try zones.denial("_sctp.web.default.svc.cluster.local", .srv) == "NXDOMAIN")
        #expect(try zones.denial("_dns._tcp.web.default.svc.cluster.local", .srv) == "NXDOMAIN")
        #expect(try zones.denial("_http._tcp.web.default.svc.cluster.local", .a) == "NOERROR")
    }

    @Test func `a headless service is its ready endpoints`() throws {
        var zones = Zones()
        try zones.add(
            "db", .headless,
            endpoints: [
                try Zones.endpoint("10.244.0.1"), try Zones.endpoint("10.244.0.2", ready: false),
                try Zones.endpoint("fd00:244::3"), try Zones.endpoint("10.244.0.1"),
            ])
        #expect(try zones.answers("db.default.svc.cluster.local", .a) == ["A 10.244.0.1"])
        #expect(try zones.answers("db.default.svc.cluster.local", .aaaa) == ["AAAA fd00:244::3"])
        #expect(try zones.answers("10-244-0-1.db.default.svc.cluster.local", .a) == ["A 10.244.0.1"])
        #expect(try zones.answers("fd00-244--3.db.default.svc.cluster.local", .aaaa) == ["AAAA fd00:244::3"])
        #expect(try zones.denial("10-244-0-1.db.default.svc.cluster.local", .aaaa) == "NOERROR")
        #expect(try zones.denial("10-244-0-2.db.default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(try zones.denial("x.10-244-0-1.db.default.svc.cluster.local", .a) == "NXDOMAIN")
    }

    @Test func `unready endpoints are published where the service says so`() throws {
        var zones = Zones()
        try zones.add("db", .headless, endpoints: [try Zones.endpoint("10.244.0.2", ready: false)]) {
            $0.publishesNotReady = true
        }
        #expect(try zones.answers("db.default.svc.cluster.local", .a) == ["A 10.244.0.2"])
    }

    @Test func `a headless service without ready endpoints is a name without data, or none if so configured`() throws {
        var zones = Zones()
        try zones.add("db", .headless, endpoints: [try Zones.endpoint("10.244.0.2", ready: false)])
        #expect(try zones.denial("db.default.svc.cluster.local", .a) == "NOERROR")
        var settings = ZoneSettings()
        settings.deniesEmptyServices = true
        zones = Zones(settings)
        try zones.add("db", .headless)
        #expect(try zones.denial("db.default.svc.cluster.local", .a) == "NXDOMAIN")
    }

    @Test func `hostnames name endpoints, several of them if they share one`() throws {
        var zones = Zones()
        try zones.add(
            "db", .headless,
            endpoints: [
                try Zones.endpoint("10.244.0.1", hostname: "db-0", ports: http),
                try Zones.endpoint("10.244.0.2", hostname: "db-0", ports: http),
                try Zones.endpoint("10.244.0.3", hostname: "db-1", ports: http),
                try Zones.endpoint("10.244.0.4", hostname: "dotted.host", ports: http),
            ])
        #expect(try zones.answers("db-0.db.default.svc.cluster.local", .a) == ["A 10.244.0.1", "A 10.244.0.2"])
        #expect(try zones.answers("DB-1.db.default.svc.cluster.local", .a) == ["A 10.244.0.3"])
        // An endpoint with a hostname has no other name.
        #expect(try zones.denial("10-244-0-3.db.default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(try zones.answers("dotted.host.db.default.svc.cluster.local", .a) == ["A 10.244.0.4"])
        #expect(try zones.denial("host.db.default.svc.cluster.local", .a) == "NOERROR")
    }

    @Test func `SRV records of a headless service name its endpoints with the ports of their slices`() throws {
        var zones = Zones()
        try zones.add(
            "db", .headless,
            endpoints: [
                try Zones.endpoint("10.244.0.1", hostname: "db-0", ports: http),
                try Zones.endpoint("10.244.0.2", ports: [.init(name: "http", port: 9090)]),
            ])
        let answer = try zones.ask("_http._tcp.db.default.svc.cluster.local", .srv)
        #expect(
            answer.answers.map(\.data.description) == [
                "0 50 8080 db-0.db.default.svc.cluster.local.", "0 50 9090 10-244-0-2.db.default.svc.cluster.local.",
            ])
        #expect(answer.additional.map(\.data.description) == ["10.244.0.1", "10.244.0.2"])
        #expect(try zones.answers("10-244-0-2.db.default.svc.cluster.local", .a) == ["A 10.244.0.2"])
    }

    @Test func `reverse names give the service, then each endpoint's name`() throws {
        var settings = ZoneSettings()
        settings.reversePrefixes = [try #require(IPPrefix("10.96.0.0/12")), try #require(IPPrefix("fd00:96::/64"))]
        var zones = Zones(settings)
        try zones.add("web", at: ["10.96.0.10", "fd00:96::10"], endpoints: [try Zones.endpoint("10.244.0.1")])
        try zones.add("api", .headless, endpoints: [try Zones.endpoint("10.244.0.1", hostname: "a-0")])
        try zones.add("odd", .headless, endpoints: [try Zones.endpoint("10.96.0.10")])
        #expect(try zones.answers("10.0.96.10.in-addr.arpa", .ptr) == ["PTR web.default.svc.cluster.local."])
        #expect(
            try zones.answers("1.0.244.10.in-addr.arpa", .ptr) == [
                "PTR 10-244-0-1.web.default.svc.cluster.local.", "PTR a-0.api.default.svc.cluster.local.",
            ])
        let six = DomainName(reverse: try #require(IPAddress("fd00:96::10"))).description
        #expect(try zones.answers(six, .ptr) == ["PTR web.default.svc.cluster.local."])
        #expect(try zones.denial("11.0.96.10.in-addr.arpa", .ptr) == "NXDOMAIN")
        #expect(try zones.denial("0.96.10.in-addr.arpa", .ptr) == "NOERROR")
        #expect(try zones.denial("10.0.96.10.in-addr.arpa", .a) == "NOERROR")
        #expect(try zones.ask("11.0.96.10.in-addr.arpa", .ptr).authorities[0].name == DomainName("96.10.in-addr.arpa"))
        #expect(try zones.answers("97.10.in-addr.arpa", .soa).count == 1)
        // Elsewhere, and there is nobody to ask.
        #expect(try zones.ask("1.2.0.192.in-addr.arpa", .ptr).responseCode == .refused)
        #expect(try zones.ask("10.in-addr.arpa", .ptr).responseCode == .refused)
    }

    @Test func `an external name is an alias, or an address if it is one`() throws {
        var zones = Zones()
        try zones.add("far", .externalName("www.example.com"))
        try zones.add("near", .externalName("Web.default.svc.cluster.local."))
        try zones.add("web", at: ["10.96.0.10"])
        try zones.add("fixed", .externalName("192.0.2.7"))
        #expect(try zones.answers("far.default.svc.cluster.local", .cname) == ["CNAME www.example.com."])
        #expect(
            try zones.answers("near.default.svc.cluster.local", .a)
                == ["A 10.96.0.10", "CNAME Web.default.svc.cluster.local."])
        #expect(try zones.answers("fixed.default.svc.cluster.local", .a) == ["A 192.0.2.7"])
        // Nobody can be asked for the alias.
        #expect(try zones.ask("far.default.svc.cluster.local", .a).responseCode == .serverFailure)
    }

    @Test func `aliases that go in circles end`() throws {
        var zones = Zones()
        try zones.add("one", .externalName("two.default.svc.cluster.local"))
        try zones.add("two", .externalName("one.default.svc.cluster.local"))
        #expect(try zones.ask("one.default.svc.cluster.local", .a).responseCode == .serverFailure)
        try zones.add("lost", .externalName("none.default.svc.cluster.local"))
        let lost = try zones.ask("lost.default.svc.cluster.local", .a)
        #expect(lost.responseCode == .nameError && lost.answers.count == 1 && lost.authorities.count == 1)
    }

    @Test func `a change of type leaves nothing of the old one`() throws {
        var zones = Zones()
        try zones.add("web", at: ["10.96.0.10"], ports: [.init(name: "http", port: 80)])
        try zones.add("web", .externalName("www.example.com"))
        #expect(try zones.answers("web.default.svc.cluster.local", .cname).count == 1)
        #expect(try zones.denial("_http._tcp.web.default.svc.cluster.local", .srv) == "NXDOMAIN")
        #expect(try zones.ask("10.0.96.10.in-addr.arpa", .ptr).responseCode == .refused)
        zones.builder.removeService(ServiceName(namespace: "default", name: "web"))
        #expect(try zones.denial("web.default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(zones.builder.snapshot(serial: 1).nameCount == Zones().builder.snapshot(serial: 1).nameCount)
    }

    @Test func `names with others below them have no data`() throws {
        var zones = Zones()
        try zones.add("web", in: "shop", at: ["10.96.0.10"])
        for name in [
            "shop.svc.cluster.local", "svc.cluster.local", "pod.cluster.local", "cluster.local", "dns.cluster.local",
        ] {
            #expect(try zones.denial(name, .a) == "NOERROR", "\(name)")
        }
        for name in [
            "none.svc.cluster.local", "web.shop.cluster.local", "x.web.shop.svc.cluster.local", "other.cluster.local",
        ] {
            #expect(try zones.denial(name, .a) == "NXDOMAIN", "\(name)")
        }
        zones.builder.removeService(ServiceName(namespace: "shop", name: "web"))
        #expect(try zones.denial("shop.svc.cluster.local", .a) == "NXDOMAIN")
    }

    @Test func `names of Pods are answered as configured`() throws {
        func zones(_ mode: ZoneSettings.PodNames) throws -> Zones {
            var settings = ZoneSettings()
            settings.podNames = mode
            var zones = Zones(settings)
            try zones.add("web", at: ["10.96.0.10"], endpoints: [try Zones.endpoint("10.244.0.1")])
            return zones
        }
        var insecure = try zones(.insecure)
        #expect(try insecure.answers("1-2-3-4.default.pod.cluster.local", .a) == ["A 1.2.3.4"])
        #expect(try insecure.answers("fd00--1.default.pod.cluster.local", .aaaa) == ["AAAA fd00::1"])
        #expect(try insecure.denial("1-2-3-4.default.pod.cluster.local", .aaaa) == "NOERROR")
        #expect(try insecure.denial("web.default.pod.cluster.local", .a) == "NXDOMAIN")
        #expect(try insecure.denial("default.pod.cluster.local", .a) == "NOERROR")
        var verified = try zones(.verified)
        #expect(try verified.answers("10-244-0-1.default.pod.cluster.local", .a) == ["A 10.244.0.1"])
        #expect(try verified.denial("10-244-0-1.other.pod.cluster.local", .a) == "NXDOMAIN")
        #expect(try verified.denial("1-2-3-4.default.pod.cluster.local", .a) == "NXDOMAIN")
        var disabled = try zones(.disabled)
        #expect(try disabled.denial("10-244-0-1.default.pod.cluster.local", .a) == "NXDOMAIN")
        #expect(try disabled.denial("pod.cluster.local", .a) == "NXDOMAIN")
    }

    @Test func `the apex has authority, servers and a version below it, in a domain of any name`() throws {
        var settings = ZoneSettings()
        settings.clusterDomain = try #require(DomainName("Edge.Example"))
        settings.serverAddresses = [try #require(IPAddress("169.254.96.16"))]
        var zones = Zones(settings)
        try zones.add("web", at: ["10.96.0.10"])
        #expect(try zones.answers("web.default.svc.edge.example", .a) == ["A 10.96.0.10"])
        #expect(try zones.answers("dns-version.edge.example", .txt) == [#"TXT "1.1.0""#])
        #expect(try zones.answers("edge.example", .ns) == ["NS ns.dns.edge.example."])
        #expect(try zones.answers("ns.dns.edge.example", .a) == ["A 169.254.96.16"])
        let soa = try zones.ask("edge.example", .soa).answers
        #expect(
            soa.map(\.data.description)
                == ["ns.dns.Edge.Example. hostmaster.Edge.Example. 7 7200 1800 86400 5"])
        #expect(try zones.ask("web.default.svc.cluster.local", .a).responseCode == .refused)
    }

    @Test func `names for zones of endpoints are strict, or fall back to all`() throws {
        var zones = Zones()
        var east = try Zones.endpoint("10.244.0.1")
        east.zone = "east"
        var west = try Zones.endpoint("10.244.0.2")
        west.zone = "west"
        try zones.add("db", .headless, endpoints: [east, west])
        let base = "_zone.db.default.svc.cluster.local"
        #expect(try zones.answers("east.pin.\(base)", .a) == ["A 10.244.0.1"])
        #expect(try zones.answers("west.prefer.\(base)", .a) == ["A 10.244.0.2"])
        #expect(try zones.answers("north.prefer.\(base)", .a) == ["A 10.244.0.1", "A 10.244.0.2"])
        #expect(try zones.denial("north.pin.\(base)", .a) == "NXDOMAIN")
        for name in [base, "pin.\(base)", "prefer.\(base)"] {
            #expect(try zones.denial(name, .a) == "NOERROR", "\(name)")
        }
    }

    @Test func `nodes and containers of the mesh have names both ways`() throws {
        var settings = ZoneSettings()
        settings.reversePrefixes = [try #require(IPPrefix("10.128.0.0/9"))]
        var zones = Zones(settings)
        let container = ZoneHost.Container(name: "Web.1", addresses: [try #require(IPAddress("10.128.1.9"))])
        zones.builder.set(
            ZoneHost(
                name: "alpha", addresses: [try #require(IPAddress("10.128.1.1")), try #require(IPAddress("fd12::1"))],
                containers: [container]))
        #expect(try zones.answers("alpha.mesh.internal", .a) == ["A 10.128.1.1"])
        #expect(try zones.answers("alpha.mesh.internal", .aaaa) == ["AAAA fd12::1"])
        #expect(try zones.answers("web-1.alpha.mesh.internal", .a) == ["A 10.128.1.9"])
        #expect(try zones.answers("9.1.128.10.in-addr.arpa", .ptr) == ["PTR web-1.alpha.mesh.internal."])
        #expect(try zones.answers("1.1.128.10.in-addr.arpa", .ptr) == ["PTR alpha.mesh.internal."])
        #expect(try zones.denial("beta.mesh.internal", .a) == "NXDOMAIN")
        #expect(try zones.denial("web.alpha.mesh.internal", .a) == "NXDOMAIN")
        zones.builder.removeHost("alpha")
        #expect(try zones.denial("web-1.alpha.mesh.internal", .a) == "NXDOMAIN")
    }

    @Test func `a node whose name has dots is not hidden by another's container`() throws {
        var zones = Zones()
        let container = ZoneHost.Container(name: "a", addresses: [try #require(IPAddress("10.128.2.9"))])
        zones.builder.set(ZoneHost(name: "b", addresses: [], containers: [container]))
        zones.builder.set(ZoneHost(name: "a.b", addresses: [try #require(IPAddress("10.128.1.1"))]))
        #expect(try zones.answers("a.b.mesh.internal", .a) == ["A 10.128.1.1"])
        zones.builder.removeHost("a.b")
        #expect(try zones.answers("a.b.mesh.internal", .a) == ["A 10.128.2.9"])
    }

    @Test func `a node in the mesh is known by its addresses there`() throws {
        var settings = ZoneSettings()
        settings.meshPrefixes = [try #require(IPPrefix("10.128.0.0/9"))]
        var zones = Zones(settings)
        let addresses = try ["192.168.1.5", "10.128.1.1"].map { try #require(IPAddress($0)) }
        zones.builder.set(ZoneHost(name: "alpha", addresses: addresses))
        zones.builder.set(ZoneHost(name: "beta", addresses: [addresses[0]]))
        #expect(try zones.answers("alpha.mesh.internal", .a) == ["A 10.128.1.1"])
        #expect(try zones.answers("beta.mesh.internal", .a) == ["A 192.168.1.5"])
    }

    @Test func `names follow the catalog`() throws {
        var catalog = Catalog(ownNode: "alpha")
        var service = Service(name: ServiceName(namespace: "default", name: "db"), kind: .headless)
        service.ports = [.init(name: "http", port: 80)]
        var slice = EndpointSlice(name: "db-1", service: service.name, ports: [.init(name: "http", port: 8080)])
        slice.members = [EndpointSlice.Member(try #require(IPAddress("172.17.0.2")), nodeName: "beta")]
        var node = ClusterNode(name: "beta")
        node.addresses = [try #require(IPAddress("10.128.2.1"))]
        node.containers = [.init(name: "web", addresses: [try #require(IPAddress("172.17.0.2"))])]
        let source = SourceID(.commands, node: "alpha")
        var translation = AddressTranslation()
        translation.map(
            try #require(IPPrefix("172.17.0.0/24")), on: "beta", to: try #require(IPPrefix("10.128.2.0/24")))

        var zones = Zones()
        let objects: [CatalogObject] = [.service(service), .slice(slice), .node(node)]
        var delta = catalog.apply(CatalogChange(source, .update(objects)), at: 1)
        zones.builder.update(services: delta.services, nodes: delta.nodes, from: catalog, translation)
        #expect(try zones.answers("db.default.svc.cluster.local", .a) == ["A 10.128.2.2"])
        #expect(try zones.answers("web.beta.mesh.internal", .a) == ["A 10.128.2.2"])
        #expect(
            try zones.answers("_http._tcp.db.default.svc.cluster.local", .srv)
                == ["SRV 0 100 8080 10-128-2-2.db.default.svc.cluster.local."])
        delta = catalog.apply(CatalogChange(source, .withdrawal), at: 2)
        zones.builder.update(services: delta.services, nodes: delta.nodes, from: catalog, translation)
        #expect(try zones.denial("db.default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(try zones.denial("web.beta.mesh.internal", .a) == "NXDOMAIN")
    }
}
