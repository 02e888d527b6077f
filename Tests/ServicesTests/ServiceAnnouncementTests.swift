import SansIO
import Testing
import Wire

@testable import Services

/// What a node tells others of its services, and what they believe of it.
@Suite struct ServiceAnnouncementTests {
    private func name(_ name: String) -> ServiceName { ServiceName(namespace: "default", name: name) }

    private func service(_ text: String, port: UInt16 = 80) -> CatalogObject {
        var service = Service(name: name(text))
        service.ports = [Service.Port(port: port)]
        return .service(service)
    }

    private func slice(_ text: String, of service: String, at addresses: [String], on node: String) -> CatalogObject {
        let members = addresses.map { EndpointSlice.Member(IPAddress($0)!, nodeName: node) }
        return .slice(
            EndpointSlice(
                name: text, service: name(service), ports: [EndpointSlice.Port(port: 8080)], members: members))
    }

    /// A catalog whose own sources have said something, others too.
    private func catalog() -> Catalog {
        var catalog = Catalog(ownNode: "one", serviceRanges: [IPPrefix("10.128.128.0/17")!])
        for (source, objects) in [
            (SourceID(.manifests, node: "one", part: "b.yaml"), [service("web", port: 81), service("shop")]),
            (SourceID(.manifests, node: "one", part: "a.yaml"), [service("web", port: 80)]),
            (
                SourceID(.containers, node: "one", part: "docker"),
                [slice("w", of: "web", at: ["172.17.0.2"], on: "one")]
            ),
            (SourceID(.commands, node: "two", part: "#1"), [service("other")]),
            (SourceID(.kubernetes), [service("cluster")]),
        ] {
            _ = catalog.apply(.everything(objects, from: source), at: 1)
        }
        return catalog
    }

    private let mapping = ServiceAnnouncement.Mapping(
        from: IPPrefix("172.17.0.0/25")!, to: IPPrefix("10.130.7.0/25")!)

    @Test func `a node tells what its own sources say, each object once, the first source's`() throws {
        let announcement = ServiceAnnouncement(of: catalog(), mappings: [])
        let manifests = try #require(announcement.objects[.manifests])
        #expect(manifests.map(\.key).sorted() == [.service(name("shop")), .service(name("web"))])
        guard case .service(let web)? = manifests.first(where: { $0.key == .service(name("web")) }) else {
            Issue.record("no web")
            return
        }
        #expect(web.ports.map(\.port) == [80], "a.yaml stands before b.yaml")
        #expect(!web.claim.held.isEmpty, "its address travels with it")
        #expect(announcement.objects[.containers]?.count == 1)
        #expect(announcement.objects[.commands] == nil && announcement.objects[.kubernetes] == nil)
    }

    @Test func `parts are read as they were written, and an object stays in its part`() throws {
        let announcement = ServiceAnnouncement(of: catalog(), mappings: [mapping])
        let (parts, leftOut) = announcement.parts(15, limitBytes: 16_384)
        #expect(leftOut == 0)
        var read = ServiceAnnouncement()
        for part in parts.values {
            let one = try ServiceAnnouncement(parsing: part)
            read.mappings += one.mappings
            for (kind, objects) in one.objects { read.objects[kind, default: []] += objects }
        }
        #expect(read.mappings == [mapping])
        for kind in ServiceAnnouncement.kinds {
            let objects = (read.objects[kind] ?? []).sorted { $0.key < $1.key }
            #expect(objects == (announcement.objects[kind] ?? []).sorted { $0.key < $1.key })
        }
        // One more service changes one part.
        var larger = announcement
        larger.objects[.manifests]?.append(service("new"))
        let changed = larger.parts(15, limitBytes: 16_384).parts.filter { parts[$0.key] != $0.value }
        #expect(changed.count == 1)
    }

    @Test func `what does not fit is left out and counted, and the rest arrives`() throws {
        var announcement = ServiceAnnouncement()
        announcement.objects[.manifests] = (0..<200).map { service("service-\($0)") }
        let (parts, leftOut) = announcement.parts(2, limitBytes: 2048)
        #expect(leftOut > 0)
        #expect(parts.values.allSatisfy { $0.count <= 2048 })
        let read = try parts.values.reduce(0) {
            $0 + (try ServiceAnnouncement(parsing: $1).objects[.manifests]?.count ?? 0)
        }
        #expect(read + leftOut == 200)
    }

    @Test func `a node speaks for itself`() throws {
        var announcement = ServiceAnnouncement()
        var own = ClusterNode(name: "one")
        own.addresses = [IPAddress("10.0.0.1")!]
        own.containers = [.init(name: "web", addresses: [IPAddress("172.17.0.2")!])]
        announcement.objects[.containers] = [
            .node(own), .node(ClusterNode(name: "two")), slice("s", of: "web", at: ["172.17.0.2"], on: "two"),
        ]
        let changes = announcement.changes(from: "one", part: 3, number: 7) { _ in false }
        #expect(changes.map(\.source) == [SourceID(.containers, node: "one", part: "#3")])
        var believed = ClusterNode(name: "one")
        believed.containers = own.containers
        let empty = slice("s", of: "web", at: [], on: "two")
        #expect(
            changes.first
                == .everything(
                    [.node(believed), empty], from: SourceID(.containers, node: "one", part: "#3"), number: 7))
    }

    @Test func `a part that became empty takes back what it said, and says nothing of what it never did`() throws {
        let known = SourceID(.manifests, node: "one", part: "#0")
        let changes = try ServiceAnnouncement(parsing: []).changes(from: "one", part: 0, number: 2) { $0 == known }
        #expect(changes == [.everything([], from: known, number: 2)])
    }

    @Test(arguments: 0..<200)
    func `noise and damage are refused without harm`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var bytes = try #require(
            ServiceAnnouncement(of: catalog(), mappings: [mapping]).parts(1, limitBytes: 9999).parts[0])
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        _ = try? ServiceAnnouncement(parsing: bytes)
        _ = try? ServiceAnnouncement(parsing: Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))))
        let noise = (0..<Int.random(in: 1...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        _ = try? ServiceAnnouncement(parsing: noise)
    }
}
