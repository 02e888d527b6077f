package import Wire

/// Which parts of a plan are others now; each list is sorted.
package struct PlanChange: Equatable, Sendable {
    package var frontends: [ServicePlan.Key] = []
    package var nodePorts: [ServicePlan.NodePortKey] = []
    package var pingable: [IPAddress] = []
    package var localEndpoints: [IPAddress] = []
    /// The prefixes of clients or the ranges of services.
    package var prefixes = false

    package var isEmpty: Bool {
        frontends.isEmpty && nodePorts.isEmpty && pingable.isEmpty && localEndpoints.isEmpty && !prefixes
    }

    package init() {}
}

/// Keeps one node's plan in step with a catalog and with what the node sees around it, service by service.
///
/// Where two services claim one address and port, or one node port, the service whose cluster address it is has it, else
/// the lower name; the other gets it when that one leaves.
package struct ServicePlanner: Sendable {
    /// What a service added to the plan, or would add if another were not in its way.
    private struct Record: Sendable {
        var keys: [ServicePlan.Key] = []
        var nodePorts: [ServicePlan.NodePortKey] = []
        var localEndpoints: Set<IPAddress> = []
        var pingable: Set<IPAddress> = []
        var near: Set<String> = []
        var prefersNearest = false
        var countsConnections = false
    }

    package private(set) var plan = ServicePlan()
    package private(set) var view: LocalView
    private var records: [ServiceName: Record] = [:]
    /// Keys that more than one service has claimed.
    private var rivals: [ServicePlan.Key: Set<ServiceName>] = [:]
    private var nodePortRivals: [ServicePlan.NodePortKey: Set<ServiceName>] = [:]
    private var localEndpoints = UseCounts()
    private var pingable = UseCounts()

    package init(view: LocalView) {
        self.view = view
        plan.clientPrefixes = Self.clientPrefixes(view)
        plan.serviceRanges = view.serviceRanges.sorted()
    }

    /// Plans services anew that a catalog says are different.
    package mutating func update(_ names: [ServiceName], from catalog: Catalog) -> PlanChange {
        var differences = Differences()
        let context = PlanningContext(catalog: catalog, view: view)
        var pending = names
        while let name = pending.popLast() {
            plan(name, context, &differences, &pending)
        }
        return differences.change(localEndpoints, pingable, in: &plan)
    }

    /// Takes over what the node sees now, and plans those services anew that depend on what is different.
    package mutating func adopt(_ view: LocalView, from catalog: Catalog) -> PlanChange {
        let old = self.view
        self.view = view
        let names = services(dependingOnChangeFrom: old, in: catalog)
        var change = names.isEmpty ? PlanChange() : update(names, from: catalog)
        let prefixes = Self.clientPrefixes(view)
        let ranges = view.serviceRanges.sorted()
        change.prefixes = prefixes != plan.clientPrefixes || ranges != plan.serviceRanges
        plan.clientPrefixes = prefixes
        plan.serviceRanges = ranges
        return change
    }

    /// Ready endpoints of a service on this node: what `healthCheckNodePort` is answered by.
    package func localReadyCount(of name: ServiceName, in catalog: Catalog) -> Int {
        guard let entry = catalog.entry(name) else { return 0 }
        let context = PlanningContext(catalog: catalog, view: view)
        var addresses: Set<IPAddress> = []
        for endpoint in entry.slices.lazy.flatMap(\.members) where endpoint.isReady && context.isLocal(endpoint) {
            let place = LocalView.Place(node: view.node, address: endpoint.address)
            if !view.downEndpoints.contains(place) { addresses.insert(endpoint.address) }
        }
        return addresses.count
    }

    private func services(dependingOnChangeFrom old: LocalView, in catalog: Catalog) -> [ServiceName] {
        guard old.node == view.node, old.zone == view.zone, old.addresses == view.addresses,
            old.podPrefixes == view.podPrefixes, old.labelFilter == view.labelFilter,
            old.answersPing == view.answersPing
        else { return Set(catalog.serviceNames).union(records.keys).sorted() }
        var nodes = view.translation.nodes(differingFrom: old.translation)
        nodes.formUnion(old.deadNodes.symmetricDifference(view.deadNodes))
        nodes.formUnion(old.downEndpoints.symmetricDifference(view.downEndpoints).map(\.node))
        var names = Set(catalog.services(withEndpointsOn: nodes))
        if old.roundTrips != view.roundTrips || old.neighbours != view.neighbours {
            names.formUnion(records.filter(\.value.prefersNearest).map(\.key))
        }
        if old.connections != view.connections {
            names.formUnion(records.filter(\.value.countsConnections).map(\.key))
        }
        return names.sorted()
    }

    private static func clientPrefixes(_ view: LocalView) -> [IPPrefix] {
        Set(view.podPrefixes + view.meshPrefixes).sorted()
    }

    /// Plans one service; those that may take over what it leaves are added to `pending`.
    private mutating func plan(
        _ name: ServiceName, _ context: PlanningContext, _ differences: inout Differences,
        _ pending: inout [ServiceName]
    ) {
        let old = records[name] ?? Record()
        var contribution = FrontendBuilder.Contribution()
        var new: Record?
        if let service = context.catalog.service(name), let entry = context.catalog.entry(name),
            FrontendBuilder.serves(service, view.labelFilter)
        {
            contribution = FrontendBuilder(context: context, service: service, entry: entry)
                .contribution(near: old.near)
            new = Record(
                keys: contribution.frontends.keys.sorted(), nodePorts: contribution.nodePorts.keys.sorted(),
                localEndpoints: contribution.localEndpoints, pingable: contribution.pingable, near: contribution.near,
                prefersNearest: service.distribution == .preferNearest,
                countsConnections: service.balancing == .leastConnections)
        }
        records[name] = new
        for key in old.keys where contribution.frontends[key] == nil {
            if plan.frontends[key]?.service == name {
                differences.note(key, plan)
                plan.frontends[key] = nil
            }
            pending += Self.leave(name, key, &rivals)
        }
        for key in new?.keys ?? [] {
            let owner = plan.frontends[key]?.service
            guard Self.owns(name, key.address, before: owner, context.catalog, key, &rivals) else { continue }
            differences.note(key, plan)
            plan.frontends[key] = contribution.frontends[key]
        }
        for key in old.nodePorts where contribution.nodePorts[key] == nil {
            if plan.nodePorts[key]?.service == name {
                differences.note(key, plan)
                plan.nodePorts[key] = nil
            }
            pending += Self.leave(name, key, &nodePortRivals)
        }
        for key in new?.nodePorts ?? [] {
            let owner = plan.nodePorts[key]?.service
            guard Self.owns(name, nil, before: owner, context.catalog, key, &nodePortRivals) else { continue }
            differences.note(key, plan)
            plan.nodePorts[key] = contribution.nodePorts[key]
        }
        differences.localEndpoints.formUnion(
            localEndpoints.replace(old.localEndpoints, by: contribution.localEndpoints))
        differences.pingable.formUnion(pingable.replace(old.pingable, by: contribution.pingable))
    }

    /// Whether a service has a key that `owner` has in the plan so far; both are remembered as rivals for it.
    private static func owns<Key: Hashable>(
        _ name: ServiceName, _ address: IPAddress?, before owner: ServiceName?, _ catalog: Catalog, _ key: Key,
        _ rivals: inout [Key: Set<ServiceName>]
    ) -> Bool {
        guard let owner, owner != name else { return true }
        rivals[key, default: []].formUnion([owner, name])
        let holder = address.flatMap { catalog.service(atClusterIP: $0) }
        return holder == name || (holder != owner && name < owner)
    }

    /// Those who wait for a key that a service leaves.
    private static func leave<Key: Hashable>(
        _ name: ServiceName, _ key: Key, _ rivals: inout [Key: Set<ServiceName>]
    ) -> [ServiceName] {
        guard var others = rivals[key] else { return [] }
        others.remove(name)
        rivals[key] = others.count > 1 ? others : nil
        return others.sorted()
    }
}

/// How many services use each address.
private struct UseCounts: Sendable {
    private var counts: [IPAddress: Int] = [:]

    func contains(_ address: IPAddress) -> Bool { counts[address] != nil }

    /// Returns the addresses that are used now and were not, or the reverse.
    mutating func replace(_ old: Set<IPAddress>, by new: Set<IPAddress>) -> Set<IPAddress> {
        var changed: Set<IPAddress> = []
        for address in new.subtracting(old) {
            if counts[address] == nil { changed.insert(address) }
            counts[address, default: 0] += 1
        }
        for address in old.subtracting(new) {
            let left = counts[address, default: 1] - 1
            counts[address] = left > 0 ? left : nil
            if left <= 0 { changed.insert(address) }
        }
        return changed
    }
}

/// What an update touched, with what was there before.
private struct Differences {
    var frontends: [ServicePlan.Key: ServicePlan.Frontend?] = [:]
    var nodePorts: [ServicePlan.NodePortKey: ServicePlan.Frontend?] = [:]
    var localEndpoints: Set<IPAddress> = []
    var pingable: Set<IPAddress> = []

    mutating func note(_ key: ServicePlan.Key, _ plan: ServicePlan) {
        if frontends[key] == nil { frontends[key] = .some(plan.frontends[key]) }
    }

    mutating func note(_ key: ServicePlan.NodePortKey, _ plan: ServicePlan) {
        if nodePorts[key] == nil { nodePorts[key] = .some(plan.nodePorts[key]) }
    }

    /// Brings the plan's sets of addresses up to date, and says what differs in the end.
    func change(_ locals: UseCounts, _ pings: UseCounts, in plan: inout ServicePlan) -> PlanChange {
        var change = PlanChange()
        change.frontends = frontends.filter { plan.frontends[$0.key] != $0.value }.map(\.key).sorted()
        change.nodePorts = nodePorts.filter { plan.nodePorts[$0.key] != $0.value }.map(\.key).sorted()
        change.localEndpoints = Self.update(&plan.localEndpoints, localEndpoints, locals)
        change.pingable = Self.update(&plan.pingable, pingable, pings)
        return change
    }

    private static func update(
        _ set: inout Set<IPAddress>, _ touched: Set<IPAddress>, _ counts: UseCounts
    ) -> [IPAddress] {
        touched.filter { address in
            let wasThere = set.contains(address)
            guard counts.contains(address) != wasThere else { return false }
            if wasThere { set.remove(address) } else { set.insert(address) }
            return true
        }.sorted()
    }
}
