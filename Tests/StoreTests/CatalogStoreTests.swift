import Glibc
import SansIO
import Services
import Testing
import Wire

@testable import Store

@Suite struct CatalogStoreTests {
    private let directory = TemporaryDirectory()
    private static let ranges = [IPPrefix(.v4(IPv4Address(10, 96, 0, 0)), length: 16)].compactMap { $0 }
    private static let source = SourceID(.kubernetes)

    /// Objects that all bear `number`: endpoints by their weight, a service by its port.
    private static func objects(_ number: UInt64) -> [CatalogObject] {
        (0..<5).flatMap { index -> [CatalogObject] in
            var service = Service(name: ServiceName(namespace: "shop", name: "s\(index)"))
            service.clusterIPs = [.v4(IPv4Address(10, 96, 0, UInt8(1 + index)))]
            service.ports = [.init(name: "http", port: UInt16(1 + number % 60_000))]
            var member = EndpointSlice.Member(.v4(IPv4Address(10, 1, 0, UInt8(index))), nodeName: "n\(number % 7)")
            member.weight = UInt16(number % 1000)
            let members = [EndpointSlice.Member](repeating: member, count: Int(number % 300))
            let slice = EndpointSlice(name: "s\(index)-1", service: service.name, ports: [], members: members)
            return [.service(service), .slice(slice)]
        }
    }

    private func saved(_ store: Store) throws -> Catalog {
        try store.catalog(ownNode: "here", serviceRanges: Self.ranges)
    }

    @Test func `a catalog is there after the store is opened again, and what went is gone`() throws {
        var store: Store? = try Store(directory: directory.path)
        var catalog = try saved(#require(store))
        #expect(catalog.serviceNames.isEmpty)
        _ = catalog.apply(CatalogChange(Self.source, number: 3, mark: "rv3", .update(Self.objects(3))), at: 100)
        _ = catalog.apply(
            CatalogChange(
                SourceID(.containers, node: "here"),
                .update([.service(Service(name: ServiceName(namespace: "shop", name: "drawn")))])), at: 100)
        try store?.save(&catalog)
        #expect(catalog.unsavedRowCount == 0)
        _ = catalog.apply(CatalogChange(Self.source, .delete([.slice(namespace: "shop", name: "s0-1")])), at: 100)
        try store?.save(&catalog)
        store = nil
        store = try Store(directory: directory.path)
        let again = try saved(#require(store))
        #expect(again.serviceNames == catalog.serviceNames)
        #expect(again.serviceNames.count == 6)
        for name in again.serviceNames {
            #expect(again.service(name) == catalog.service(name))
            #expect(again.endpoints(of: name) == catalog.endpoints(of: name))
        }
        #expect(again.endpoints(of: ServiceName(namespace: "shop", name: "s0")).isEmpty)
        #expect(again.progress(of: Self.source).number == 3)
        #expect(again.progress(of: Self.source).mark == "rv3")
        #expect(again.rejectedRowCount == 0)
    }

    @Test func `a row whose bytes were changed on disk is left out and counted`() throws {
        var store: Store? = try Store(directory: directory.path)
        var catalog = try saved(#require(store))
        _ = catalog.apply(CatalogChange(Self.source, .update(Self.objects(3))), at: 100)
        try store?.save(&catalog)
        try store?.database.execute(
            "UPDATE catalog SET bytes = zeroblob(12) WHERE key = (SELECT min(key) FROM catalog)")
        store = nil
        store = try Store(directory: directory.path)
        let again = try saved(#require(store))
        #expect(again.rejectedRowCount == 1)
        #expect(again.serviceNames.count == 4)
    }

    @Test func `a disk that has no room leaves the catalog whole and what is unsaved known`() throws {
        let store = try Store(directory: directory.path)
        var catalog = try saved(store)
        _ = catalog.apply(CatalogChange(Self.source, .update(Self.objects(3))), at: 100)
        try store.save(&catalog)
        // As many pages as there are: no more room.
        try store.database.execute("PRAGMA max_page_count=1")
        _ = catalog.apply(CatalogChange(Self.source, .update(Self.objects(299))), at: 100)
        let behind = catalog.unsavedRowCount
        #expect(behind == 10)
        #expect(throws: StoreError.diskFull(path: store.path)) { try store.save(&catalog) }
        #expect(catalog.unsavedRowCount == behind)
        #expect(store.unsavedCount == 0)
        try store.database.execute("PRAGMA max_page_count=10000")
        try store.save(&catalog)
        #expect(try saved(store).service(ServiceName(namespace: "shop", name: "s0"))?.ports.first?.port == 300)
    }

    @Test(.timeLimit(.minutes(2)))
    func `a writer killed at any moment leaves the catalog of one batch, whole`() async throws {
        var random = SeededRandom(seed: 21)
        let acknowledged = directory.path + "/acknowledged"
        var opened: Store? = try Store(directory: directory.path)
        opened = nil
        var last: UInt64 = 0
        for round in 0..<20 {
            let path = directory.path
            let microseconds = Int.random(in: 500...60_000, using: &random)
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = path as String, microseconds = microseconds as Int] in
                CatalogStoreTests.write(directory: path, killedAfterMicroseconds: microseconds)
            }
            opened = try Store(directory: directory.path)
            let store = try #require(opened)
            #expect(store.opening == .existing, "round \(round)")
            let catalog = try saved(store)
            #expect(catalog.rejectedRowCount == 0)
            let told = TestFile.read(acknowledged).map { UInt64($0.count) } ?? 0
            let found = catalog.progress(of: Self.source).number ?? 0
            // One more may be on disk than was acknowledged: the kill came between the two.
            #expect((told...(told + 1)).contains(found), "round \(round)")
            #expect(
                found == 0 || Set(catalog.objects(of: Self.source).map(\.key)) == Set(Self.objects(found).map(\.key)))
            var expected = Catalog(ownNode: "here", serviceRanges: Self.ranges)
            if found > 0 {
                _ = expected.apply(CatalogChange(Self.source, number: found, .update(Self.objects(found))), at: 100)
            }
            for name in expected.serviceNames {
                #expect(catalog.service(name)?.ports == expected.service(name)?.ports)
                #expect(catalog.endpoints(of: name) == expected.endpoints(of: name), "round \(round)")
            }
            opened = nil
            TestFile.write([UInt8](repeating: 1, count: Int(found)), to: acknowledged)
            last = found
        }
        #expect(last > 20, "the writers were killed before they wrote")
    }

    /// Runs in a process of its own: batch after batch, and a byte to the file of acknowledgements after each.
    private static func write(directory: String, killedAfterMicroseconds microseconds: Int) {
        do {
            let store = try Store(directory: directory)
            let log = unsafe open(directory + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
            guard log >= 0 else { exit(2) }
            var catalog = try store.catalog(ownNode: "here", serviceRanges: ranges)
            var number = catalog.progress(of: source).number ?? 0
            KillTests.killMyself(afterMicroseconds: microseconds)
            while true {
                number += 1
                _ = catalog.apply(CatalogChange(source, number: number, .update(objects(number))), at: 100)
                try store.save(&catalog)
                guard unsafe Glibc.write(log, [1], 1) == 1 else { exit(3) }
            }
        } catch {
            exit(4)
        }
    }
}
