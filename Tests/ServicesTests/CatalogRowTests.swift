import SansIO
import Testing
import Wire

@testable import Services

@Suite struct CatalogRowTests {
    private let ranges = [IPPrefix(literal: "10.96.0.0/16"), IPPrefix(literal: "fd96::/112")]

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `every object comes back from its row as it was`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let object = RandomObject.make(using: &random)
        let source = RandomObject.source(using: &random)
        let row = CatalogRow(source: source, object.key, object)
        let bytes = try #require(row.bytes)
        let (readSource, readKey) = try CatalogRowCodec.name(row.key)
        #expect(readSource == source && readKey == object.key)
        #expect(try CatalogRowCodec.object(object.key, row.key, bytes) == object)
        #expect(try CatalogObject(parsing: object.encoded) == object)
        for count in 0..<object.encoded.count {
            #expect(throws: WireError.self) { try CatalogObject(parsing: Array(object.encoded[..<count])) }
        }
        // Cut short or longer, changed anywhere, or under another key: refused.
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try CatalogRowCodec.object(object.key, row.key, Array(bytes[..<count])) }
        }
        #expect(throws: WireError.self) { try CatalogRowCodec.object(object.key, row.key, bytes + [0]) }
        #expect(throws: WireError.self) { try CatalogRowCodec.object(object.key, row.key + [0], bytes) }
        for _ in 0..<20 {
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            #expect(throws: WireError.self) { try CatalogRowCodec.object(object.key, row.key, changed) }
        }
    }

    @Test func `fields that lie behind a right checksum are checked all the same`() {
        var survived = 0
        for seed in 0..<4000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let object = RandomObject.make(using: &random)
            let row = CatalogRow(source: .manifests, object.key, object)
            guard var fields = row.bytes.map({ Array($0[1..<($0.count - 4)]) }), !fields.isEmpty else { continue }
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                fields[Int.random(in: 0..<fields.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let sealed = CatalogRowCodec.seal(row.key) { $0.append(fields) }
            if (try? CatalogRowCodec.object(object.key, row.key, sealed)) != nil { survived += 1 }
        }
        #expect((100...3900).contains(survived), "\(survived) of 4000 were still objects")
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a catalog comes back from what it wrote step by step`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var catalog = Catalog(ownNode: "here", serviceRanges: ranges)
        var disk: [[UInt8]: [UInt8]] = [:]
        for step in 0..<40 {
            for _ in 0..<3 {
                let source = RandomObject.source(using: &random)
                let objects = (0..<5).map { _ in RandomObject.make(using: &random) }
                let content: CatalogChange.Content =
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: .everything(objects, of: Set(ObjectClass.allCases))
                    case 1: .delete(objects.map(\.key))
                    default: .update(objects)
                    }
                let change = CatalogChange(
                    source, number: UInt64(step * 3 + 1), mark: Bool.random(using: &random) ? "rv-\(step)" : nil,
                    content)
                _ = catalog.apply(change, at: UInt64(1000 + step))
            }
            for row in catalog.takeUnsavedRows() { disk[row.key] = row.bytes }
            #expect(catalog.unsavedRowCount == 0)
        }
        let rows = disk.map { CatalogRow(key: $0.key, bytes: $0.value) }
        for order in [rows, rows.reversed()] {
            let restored = Catalog(ownNode: "here", serviceRanges: ranges, rows: order)
            #expect(restored.rejectedRowCount == 0)
            #expect(restored.unsavedRowCount == 0)
            #expect(restored.serviceNames == catalog.serviceNames)
            #expect(restored.nodeNames == catalog.nodeNames)
            for name in catalog.serviceNames {
                #expect(restored.service(name) == catalog.service(name))
                #expect(restored.endpoints(of: name) == catalog.endpoints(of: name))
            }
            for name in catalog.nodeNames { #expect(restored.node(named: name) == catalog.node(named: name)) }
            for source in catalog.knownSources {
                #expect(restored.objects(of: source) == catalog.objects(of: source))
                #expect(restored.progress(of: source).number == catalog.progress(of: source).number)
                #expect(restored.progress(of: source).mark == catalog.progress(of: source).mark)
            }
        }
    }

    @Test func `an endpoint takes 40 bytes in memory and little more on disk`() throws {
        #expect(MemoryLayout<ReducedEndpoint>.stride == 40)
        let members = (0..<100).map { number in
            var member = EndpointSlice.Member.at("10.1.0.\(number)", on: "node-\(number % 7).example.org", zone: "west")
            member.targetName = "shop-7d9c5f-\(number)"
            return member
        }
        let slice = CatalogObject.slice(.sample("web-1", of: "web", members))
        let bytes = try #require(CatalogRow(source: .api, slice.key, slice).bytes)
        #expect(bytes.count < 100 * 40, "\(bytes.count) bytes for 100 endpoints")
    }

    @Test func `damaged rows are counted and the others are there`() {
        var catalog = Catalog(ownNode: "here", serviceRanges: ranges)
        _ = catalog.apply(
            CatalogChange(
                .api, number: 4, .update([.service(.sample("a", at: ["10.96.0.1"])), .service(.sample("b"))])), at: 1)
        var rows = catalog.takeUnsavedRows()
        #expect(rows.count == 3)
        for index in rows.indices where rows[index].key.suffix(1) == [UInt8(ascii: "a")] { rows[index].bytes?[3] ^= 1 }
        rows.append(CatalogRow(key: [9, 9], bytes: [1]))
        rows.append(CatalogRow(key: [], bytes: []))
        let restored = Catalog(ownNode: "here", serviceRanges: ranges, rows: rows)
        #expect(restored.rejectedRowCount == 3)
        #expect(restored.serviceNames == [ServiceName("b")])
    }

    @Test func `rows that could not be written are behind again`() {
        var catalog = Catalog(ownNode: "here", serviceRanges: ranges)
        _ = catalog.apply(CatalogChange(.manifests, number: 1, .update([.service(.sample("a"))])), at: 1)
        let rows = catalog.takeUnsavedRows()
        #expect(catalog.unsavedRowCount == 0)
        catalog.putBack(rows)
        #expect(catalog.takeUnsavedRows() == rows)
        _ = catalog.apply(CatalogChange(.manifests, .withdrawal), at: 1)
        let gone = catalog.takeUnsavedRows()
        #expect(gone.map(\.bytes) == [nil, nil], "the service and what was known of its source")
    }

    @Test func `after a boot an empty answer of the API changes nothing, and one of this node's own sources does`() {
        var catalog = Catalog(ownNode: "here", serviceRanges: ranges)
        _ = catalog.apply(CatalogChange(.api, .update([.service(.sample("a", at: ["10.96.0.1"]))])), at: 1)
        _ = catalog.apply(CatalogChange(.containers, .update([.service(.sample("b"))])), at: 1)
        var restored = Catalog(ownNode: "here", serviceRanges: ranges, rows: catalog.takeUnsavedRows())
        let address = restored.service(ServiceName("b"))?.clusterIPs
        #expect(address == catalog.service(ServiceName("b"))?.clusterIPs)
        let delta = restored.apply(CatalogChange(.api, .everything([], of: [.services])), at: 2)
        #expect(delta.outcome == .disbelieved)
        _ = restored.apply(.everything([], from: .containers), at: 2)
        #expect(restored.serviceNames == [ServiceName("a")])
    }
}

/// Objects with every field used now and then.
private enum RandomObject {
    static func source(using random: inout SeededRandom) -> SourceID {
        let sources: [SourceID] = [
            .api, .manifests, .containers, SourceID(.commands, node: "here"), SourceID(.containers, node: "there"),
        ]
        return sources.randomElement(using: &random) ?? .api
    }

    static func make(using random: inout SeededRandom) -> CatalogObject {
        switch Int.random(in: 0..<5, using: &random) {
        case 0, 1: .service(service(using: &random))
        case 2, 3: .slice(slice(using: &random))
        default: .node(node(using: &random))
        }
    }

    private static func address(using random: inout SeededRandom) -> IPAddress {
        Bool.random(using: &random)
            ? .v4(IPv4Address(rawValue: 0x0a60_0001 + UInt32.random(in: 0...30, using: &random)))
            : .v6(IPv6Address(high: 0xfd96 << 48, low: UInt64.random(in: 1...30, using: &random)))
    }

    private static func text(using random: inout SeededRandom) -> String? {
        ["a", "web", "größer", nil].randomElement(using: &random) ?? nil
    }

    private static func service(using random: inout SeededRandom) -> Service {
        let kinds: [Service.Kind] = [.clusterIP, .headless, .nodePort, .loadBalancer, .externalName("db.example.org")]
        var service = Service(
            name: ServiceName("s\(Int.random(in: 0..<8, using: &random))"),
            kind: kinds.randomElement(using: &random) ?? .clusterIP)
        if Bool.random(using: &random) { service.clusterIPs = [address(using: &random)] }
        service.ports = (0..<Int.random(in: 0...3, using: &random)).map { index in
            Service.Port(
                name: text(using: &random), transport: TransportProtocol.allCases.randomElement(using: &random) ?? .tcp,
                port: UInt16(80 + index), nodePort: Bool.random(using: &random) ? 30_080 : nil)
        }
        service.affinitySeconds = Bool.random(using: &random) ? 10_800 : nil
        service.internalPolicy = Bool.random(using: &random) ? .local : .cluster
        service.externalPolicy = Bool.random(using: &random) ? .local : .cluster
        service.distribution =
            [.none, .preferSameZone, .preferSameNode, .preferNearest].randomElement(using: &random) ?? .none
        service.balancing =
            [.random, .roundRobin, .consistentHash, .leastConnections].randomElement(using: &random) ?? .random
        service.families = [.first, .ipv4, .ipv6, .both].randomElement(using: &random) ?? .first
        service.publishesNotReady = Bool.random(using: &random)
        service.isServedElsewhere = Bool.random(using: &random)
        service.bearsFilterLabel = Bool.random(using: &random)
        service.loadBalancerAddresses = Bool.random(using: &random) ? [address(using: &random)] : []
        service.loadBalancerSources = Bool.random(using: &random) ? [IPPrefix(literal: "198.51.100.0/24")] : []
        service.healthCheckNodePort = Bool.random(using: &random) ? 31_000 : nil
        service.claim = AddressClaim(
            since: UInt64.random(in: 1...5, using: &random),
            held: Bool.random(using: &random) ? [address(using: &random)] : [])
        return service
    }

    private static func slice(using random: inout SeededRandom) -> EndpointSlice {
        let members = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            var member = EndpointSlice.Member(
                address(using: &random), nodeName: text(using: &random),
                conditions: .init(
                    ready: Bool.random(using: &random), serving: Bool.random(using: &random),
                    terminating: Bool.random(using: &random)))
            member.zone = text(using: &random)
            member.hostname = text(using: &random)
            member.targetName = text(using: &random)
            member.zoneHints = Bool.random(using: &random) ? ["west", "east"] : nil
            member.nodeHints = Bool.random(using: &random) ? ["n1"] : nil
            member.weight = UInt16.random(in: 0...1000, using: &random)
            return member
        }
        return EndpointSlice(
            name: "slice-\(Int.random(in: 0..<8, using: &random))",
            service: ServiceName("s\(Int.random(in: 0..<8, using: &random))"),
            ports: Bool.random(using: &random) ? [.init(name: text(using: &random), transport: .udp, port: 53)] : [],
            members: members)
    }

    private static func node(using random: inout SeededRandom) -> ClusterNode {
        var node = ClusterNode(name: "n\(Int.random(in: 0..<5, using: &random))")
        node.addresses = [address(using: &random)]
        node.podPrefixes = Bool.random(using: &random) ? [IPPrefix(literal: "10.1.0.0/24")] : []
        node.zone = text(using: &random)
        node.containers = Bool.random(using: &random) ? [.init(name: "db", addresses: [address(using: &random)])] : []
        return node
    }
}
