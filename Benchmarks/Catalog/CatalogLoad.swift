import CAllocations
import Glibc
import Linux
import SansIO
import Services
import Wire

/// A cluster as one source tells it, and the measures taken of it.
struct CatalogLoad {
    private static let nodeCount = 200
    private static let changeCount = 2000
    private static let source = SourceID(.kubernetes)

    let serviceCount: Int
    let endpointCount: Int

    func run() {
        let label = "\(serviceCount) x \(endpointCount)"
        var catalog = Catalog(ownNode: "node-0")
        let empty = Self.heapBytes
        let services = (0..<serviceCount).map { CatalogObject.service(service($0)) }
        let withServices = time("\(label): services into the catalog") {
            _ = catalog.apply(CatalogChange(Self.source, .everything(services, of: [.services])), at: 1)
            return Self.heapBytes
        }
        // In parts, as a watch delivers them, so that the objects themselves are gone when memory is looked at.
        var loading = Duration.zero
        for first in stride(from: 0, to: serviceCount, by: 500) {
            let slices = (first..<min(first + 500, serviceCount)).map { CatalogObject.slice(slice($0, generation: 0)) }
            let start = SystemClock.now
            _ = catalog.apply(CatalogChange(Self.source, .update(slices)), at: 1)
            loading = loading + (SystemClock.now - start)
        }
        report("\(label): slices into the catalog", loading)
        let loaded = Self.heapBytes
        let written = time("\(label): rows for the disk") { catalog.takeUnsavedRows() }
        let rowBytes = written.reduce(0) { $0 + $1.key.count + ($1.bytes?.count ?? 0) }
        let endpoints = serviceCount * endpointCount
        print("\(label): \(rowBytes >> 10) KiB of rows, \(rowBytes / endpoints) bytes an endpoint")
        print("\(label): \((withServices - empty) >> 10) KiB for services (their objects included)")
        print(
            "\(label): \((loaded - withServices) >> 10) KiB for slices, \((loaded - withServices) / endpoints) bytes an endpoint with all its names and indices"
        )
        let restored = time("\(label): a catalog out of its rows") {
            Catalog(ownNode: "node-0", serviceRanges: [], rows: written)
        }
        precondition(restored.serviceNames.count == serviceCount && restored.rejectedRowCount == 0)

        var view = LocalView(node: "node-0")
        view.podPrefixes = [IPPrefix(.v4(IPv4Address(10, 0, 0, 0)), length: 24)].compactMap { $0 }
        var planner = ServicePlanner(view: view)
        let names = catalog.serviceNames
        let beforePlan = Self.heapBytes
        let change = time("\(label): the plan of one node") { planner.update(names, from: catalog) }
        precondition(change.frontends.count == serviceCount)
        print("\(label): \((Self.heapBytes - beforePlan) >> 10) KiB for the plan")
        measureChanges(label, &catalog, &planner)

        view.deadNodes = ["node-7"]
        let dead = time("\(label): the plan when one of \(Self.nodeCount) nodes dies") {
            planner.adopt(view, from: catalog)
        }
        print("\(label): \(dead.frontends.count) frontends differ")
        let resident = Self.residentKiB
        print("\(label): \(resident) KiB resident in all, the benchmark's own objects included")
    }

    private func measureChanges(_ label: String, _ catalog: inout Catalog, _ planner: inout ServicePlanner) {
        var random = SeededRandom(seed: 1)
        var times: [Duration] = []
        for generation in 1...Self.changeCount {
            let number = Int.random(in: 0..<serviceCount, using: &random)
            let slice = slice(number, generation: generation)
            let start = SystemClock.now
            let delta = catalog.apply(CatalogChange(Self.source, .update([.slice(slice)])), at: 1)
            let change = planner.update(delta.services, from: catalog)
            times.append(SystemClock.now - start)
            precondition(change.frontends.count == 1)
        }
        times.sort()
        report("\(label): one slice changed, catalog and plan, median", times[times.count / 2])
        report("\(label): one slice changed, catalog and plan, p99", times[times.count * 99 / 100])
    }

    private func service(_ number: Int) -> Service {
        var service = Service(name: name(number))
        service.clusterIPs = [.v4(IPv4Address(rawValue: 0x0a60_0000 + UInt32(number) + 1))]
        service.ports = [.init(name: "http", port: 80)]
        return service
    }

    private func slice(_ number: Int, generation: Int) -> EndpointSlice {
        let members = (0..<endpointCount).map { index in
            let pod = number * endpointCount + index
            var member = EndpointSlice.Member(
                .v4(IPv4Address(rawValue: 0x0a00_0001 + UInt32(pod + (index == 0 ? generation % 64 * 0x20_0000 : 0)))),
                nodeName: "node-\(pod % Self.nodeCount)")
            member.zone = "zone-\(pod % 3)"
            member.targetName = "shop-\(number)-7d9c\(generation)f-\(pod)"
            return member
        }
        return EndpointSlice(
            name: "shop-\(number)-abcde", service: name(number), ports: [.init(name: "http", port: 8080)],
            members: members)
    }

    private func name(_ number: Int) -> ServiceName {
        ServiceName(namespace: "team-\(number % 100)", name: "shop-\(number)")
    }

    private func time<Result>(_ what: String, _ work: () -> Result) -> Result {
        let start = SystemClock.now
        let result = work()
        report(what, SystemClock.now - start)
        return result
    }

    private func report(_ what: String, _ duration: Duration) {
        print("\(what): \(duration.nanoseconds / 1000) µs")
    }

    private static var heapBytes: Int { Int(heap_bytes()) }

    private static var residentKiB: Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss
    }
}
