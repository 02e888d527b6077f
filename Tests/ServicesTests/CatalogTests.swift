import SansIO
import Services
import Testing
import Wire

@Suite struct CatalogTests {
    private var catalog = Catalog(ownNode: "here", serviceRanges: [IPPrefix(literal: "10.96.0.0/16")])

    private mutating func apply(_ source: SourceID, _ content: CatalogChange.Content) -> CatalogDelta {
        catalog.apply(CatalogChange(source, content), at: 1000)
    }

    @Test mutating func `a change names what is different, and says nothing of what is the same`() {
        let service = Service.sample("web", at: ["10.96.7.7"])
        let slice = EndpointSlice.sample("web-1", of: "web", [.at("10.1.0.1")])
        var delta = apply(.api, .update([.service(service), .slice(slice)]))
        #expect(delta.services == [ServiceName("web")])
        delta = apply(.api, .update([.service(service), .slice(slice)]))
        #expect(delta.isEmpty)
        delta = apply(.api, .update([.slice(.sample("web-1", of: "web", [.at("10.1.0.1", ready: false)]))]))
        #expect(delta.services == [ServiceName("web")])
        delta = apply(.api, .delete([.slice(namespace: "shop", name: "web-1")]))
        #expect(delta.services == [ServiceName("web")])
        delta = apply(.api, .delete([.slice(namespace: "shop", name: "web-1")]))
        #expect(delta.isEmpty)
        #expect(catalog.endpoints(of: ServiceName("web")).isEmpty)
    }

    @Test mutating func `the first source defines a service and the endpoints of all are united`() {
        let name = ServiceName("web")
        var implied = Service.sample("web", ports: [.init(port: 9999)])
        implied.distribution = .preferSameNode
        _ = apply(
            .containers, .update([.service(implied), .slice(.sample("c", of: "web", [.at("172.17.0.2", on: "here")]))]))
        #expect(catalog.service(name)?.ports.map(\.port) == [9999])
        _ = apply(
            .manifests,
            .update([.service(.sample("web", at: ["10.96.0.9"])), .slice(.sample("m", of: "web", [.at("10.1.0.1")]))]))
        #expect(catalog.service(name)?.ports.map(\.port) == [80])
        #expect(catalog.service(name)?.clusterIPs == [IPAddress(literal: "10.96.0.9")])
        #expect(catalog.endpoints(of: name).map(\.member.address.description) == ["10.1.0.1", "172.17.0.2"])
        #expect(catalog.sources(of: name) == [.manifests, .containers])
        let delta = apply(.manifests, .withdrawal)
        #expect(delta.services == [name])
        #expect(catalog.service(name)?.ports.map(\.port) == [9999])
        #expect(catalog.endpoints(of: name).map(\.member.address.description) == ["172.17.0.2"])
    }

    @Test mutating func `a whole answer takes away what it does not hold, within its classes`() {
        _ = apply(
            .api,
            .everything(
                [.service(.sample("a", at: ["10.96.0.1"])), .service(.sample("b", at: ["10.96.0.2"]))], of: [.services])
        )
        _ = apply(.api, .everything([.slice(.sample("a-1", of: "a", [.at("10.1.0.1")]))], of: [.slices]))
        let delta = apply(.api, .everything([.service(.sample("b", at: ["10.96.0.2"]))], of: [.services]))
        #expect(delta.services == [ServiceName("a")])
        #expect(catalog.serviceNames == [ServiceName("b")])
        #expect(catalog.endpoints(of: ServiceName("a")).count == 1)
    }

    @Test mutating func `an empty answer after a failure changes nothing until the source has answered with something`()
    {
        let service = CatalogObject.service(.sample("a", at: ["10.96.0.1"]))
        _ = apply(.api, .everything([service], of: [.services]))
        _ = apply(.api, .failure)
        for _ in 0..<3 {
            let delta = apply(.api, .everything([], of: [.services]))
            #expect(delta.outcome == .disbelieved)
            #expect(delta.isEmpty)
        }
        #expect(catalog.disbelievedCount == 3)
        #expect(catalog.serviceNames.count == 1)
        _ = apply(.api, .everything([service], of: [.services]))
        let delta = apply(.api, .everything([], of: [.services]))
        #expect(delta.services == [ServiceName("a")])
    }

    @Test mutating func `what is deleted by name goes, after a failure too`() {
        _ = apply(.api, .everything([.service(.sample("a")), .service(.sample("b"))], of: [.services]))
        _ = apply(.api, .failure)
        #expect(catalog.serviceNames.count == 2)
        _ = apply(.api, .delete([.service(ServiceName("a"))]))
        #expect(catalog.serviceNames == [ServiceName("b")])
        _ = apply(.api, .withdrawal)
        #expect(catalog.serviceNames.isEmpty)
    }

    @Test mutating func `one source's failure leaves the others' word alone`() {
        _ = apply(.api, .update([.service(.sample("a"))]))
        _ = apply(.manifests, .update([.service(.sample("b"))]))
        _ = apply(.api, .failure)
        _ = apply(.manifests, .everything([], of: Set(ObjectClass.allCases)))
        #expect(catalog.serviceNames == [ServiceName("a")])
    }

    @Test mutating func `a change that is not above the last number is stale`() {
        let source = SourceID(.containers, node: "there")
        var delta = catalog.apply(.everything([.service(.sample("a"))], from: source, number: 7), at: 1)
        #expect(delta.outcome == .applied)
        delta = catalog.apply(.everything([], from: source, number: 7), at: 1)
        #expect(delta.outcome == .stale)
        delta = catalog.apply(.everything([], from: source, number: 6), at: 1)
        #expect(delta.outcome == .stale)
        #expect(catalog.serviceNames.count == 1)
        #expect(catalog.staleCount == 2)
        delta = catalog.apply(.everything([], from: source, number: 8), at: 1)
        #expect(catalog.serviceNames.isEmpty)
        #expect(catalog.progress(of: source).number == 8)
        // Gone for good: who comes back under the name counts anew.
        _ = catalog.apply(CatalogChange(source, .withdrawal), at: 1)
        delta = catalog.apply(.everything([.service(.sample("a"))], from: source, number: 1), at: 1)
        #expect(delta.services == [ServiceName("a")])
    }

    @Test mutating func `an endpoint that stands in two slices is one, as fit as its fitter entry`() {
        _ = apply(
            .api,
            .update([
                .slice(
                    .sample(
                        "w-1", of: "web", [.at("10.1.0.1", on: "n1", ready: false, serving: true, terminating: true)])),
                .slice(
                    .sample(
                        "w-2", of: "web", ports: [.init(name: "http", port: 8080), .init(name: "admin", port: 9000)],
                        [.at("10.1.0.1", on: "n1"), .at("10.1.0.1", on: "n2")])),
            ]))
        let endpoints = catalog.endpoints(of: ServiceName("web"))
        #expect(endpoints.map(\.member.nodeName) == ["n1", "n2"])
        #expect(endpoints[0].member.conditions.ready)
        #expect(endpoints[0].ports.map(\.port) == [8080, 9000])
    }

    @Test mutating func `addresses lead back to services`() {
        _ = apply(
            .api,
            .update([
                .service(.sample("a", at: ["10.96.0.1", "fd00::1"])), .service(.sample("b", at: ["10.96.0.2"])),
                .slice(.sample("s-1", of: "a", [.at("10.1.0.1"), .at("fd01::1")])),
                .slice(.sample("s-2", of: "b", [.at("10.1.0.1"), .at("10.1.0.1", on: "other")])),
            ]))
        #expect(catalog.service(atClusterIP: IPAddress(literal: "fd00::1")) == ServiceName("a"))
        let shared = IPAddress(literal: "10.1.0.1")
        #expect(catalog.services(withEndpoint: shared) == [ServiceName("a"), ServiceName("b")])
        // The slice now belongs to another service: the old one loses its endpoints.
        let delta = apply(.api, .update([.slice(.sample("s-1", of: "b", [.at("10.1.0.9")]))]))
        #expect(delta.services == [ServiceName("a"), ServiceName("b")])
        #expect(catalog.services(withEndpoint: shared) == [ServiceName("b")])
        #expect(catalog.services(withEndpoint: IPAddress(literal: "fd01::1")).isEmpty)
        _ = apply(.api, .delete([.service(ServiceName("b"))]))
        #expect(catalog.services(withEndpoint: shared).isEmpty)
        #expect(catalog.service(atClusterIP: IPAddress(literal: "10.96.0.2")) == nil)
    }

    @Test mutating func `a namespace is there as long as a service is`() {
        _ = apply(.api, .update([.service(.sample("a")), .service(.sample("b"))]))
        _ = apply(.manifests, .update([.service(.sample("a"))]))
        #expect(catalog.hasNamespace("shop"))
        #expect(!catalog.hasNamespace("sho"))
        _ = apply(.api, .delete([.service(ServiceName("a")), .service(ServiceName("b"))]))
        #expect(catalog.hasNamespace("shop"))
        _ = apply(.manifests, .delete([.service(ServiceName("a"))]))
        #expect(!catalog.hasNamespace("shop"))
        #expect(catalog.namespaceNames.isEmpty)
    }

    @Test mutating func `a node is what its sources say together`() throws {
        var said = ClusterNode(name: "edge")
        said.addresses = [IPAddress(literal: "192.168.1.5")]
        said.zone = "west"
        var mesh = ClusterNode(name: "edge")
        mesh.addresses = [IPAddress(literal: "10.200.1.1")]
        mesh.zone = "nowhere"
        mesh.containers = [.init(name: "db", addresses: [IPAddress(literal: "172.17.0.2")])]
        var delta = apply(SourceID(.mesh), .update([.node(mesh)]))
        #expect(delta.nodes == ["edge"])
        delta = apply(.api, .update([.node(said)]))
        let node = try #require(catalog.node(named: "edge"))
        #expect(node.addresses.map(\.description) == ["192.168.1.5", "10.200.1.1"])
        #expect(node.zone == "west")
        #expect(catalog.node(at: IPAddress(literal: "10.200.1.1")) == "edge")
        let found = catalog.container(at: IPAddress(literal: "172.17.0.2"))
        #expect(found?.node == "edge" && found?.container == "db")
        delta = apply(SourceID(.mesh), .delete([.node("edge")]))
        #expect(delta.nodes == ["edge"])
        #expect(catalog.node(at: IPAddress(literal: "10.200.1.1")) == nil)
        #expect(catalog.container(at: IPAddress(literal: "172.17.0.2")) == nil)
        #expect(catalog.node(at: IPAddress(literal: "192.168.1.5")) == "edge")
    }
}
