package import ControlAPI
package import Services
import Wire

/// The section on services of `meshctl status`, as far as the catalog and the plan tell it. The sources that read files and
/// runtimes, and the name server, add what they know.
package struct ServiceStatusReport {
    package static let problemLimit = 20

    private let catalog: Catalog
    private let planner: ServicePlanner

    package init(catalog: Catalog, planner: ServicePlanner) {
        self.catalog = catalog
        self.planner = planner
    }

    package var status: ServiceStatus {
        var status = ServiceStatus()
        var tally = Tally(ownNode: catalog.ownNode)
        let listing = ServiceListing(catalog: catalog, planner: planner)
        var problemCount = 0
        for name in catalog.serviceNames {
            guard let info = listing.info(of: name) else { continue }
            status.serviceCount += 1
            status.endpointCount += info.endpointCount
            status.readyCount += info.readyCount
            tally.add(catalog.sources(of: name))
            problemCount += info.problems.count
            for problem in info.problems where status.problems.count < Self.problemLimit {
                status.problems.append(Notice("\(name.dotted): \(problem.text)", nextStep: problem.nextStep))
            }
        }
        let untold = problemCount - status.problems.count
        if untold > 0 {
            status.problems.append(Notice("and \(untold) more problems", nextStep: "see meshctl services"))
        }
        status.ranges = planner.view.serviceRanges
        status.sources = sources(tally)
        return status
    }

    /// How many services each source defines.
    private struct Tally {
        let ownNode: String
        var commands = 0
        var api = 0
        var others: [String: Int] = [:]

        mutating func add(_ sources: [SourceID]) {
            if sources.contains(where: { $0.kind == .kubernetes }) { api += 1 }
            if sources.contains(where: { $0.kind == .commands && $0.node == ownNode }) { commands += 1 }
            for node in Set(sources.map(\.node)) where node != ownNode && !node.isEmpty {
                others[node, default: 0] += 1
            }
        }
    }

    /// Commands of this node, the cluster's API, and each other node of which services are known.
    private func sources(_ tally: Tally) -> [ServiceStatus.Source] {
        var sources: [ServiceStatus.Source] = []
        if catalog.knownSources.contains(where: { $0.kind == .kubernetes }) {
            sources.append(.init("Kubernetes", .good, Self.services(tally.api)))
        }
        if tally.commands > 0 { sources.append(.init("commands", .good, Self.services(tally.commands))) }
        for (node, count) in tally.others.sorted(by: { $0.key < $1.key }) {
            let isDead = planner.view.deadNodes.contains(node)
            let detail = Self.services(count) + (isDead ? ", but it does not answer" : "")
            sources.append(
                .init(node, isDead ? .failed : .good, detail, nextStep: isDead ? "see meshctl why \(node)" : nil))
        }
        return sources
    }

    static func services(_ count: Int) -> String { count == 1 ? "1 service" : "\(count) services" }
}
