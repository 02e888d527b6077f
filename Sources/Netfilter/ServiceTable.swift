package import Services
package import Wire

/// Keeps the kernel's tables of services (`ServiceLayout`) as a plan wants them, by the difference only.
///
/// Every change is one transaction: a connection finds a service as it was or as it is to be, never in between. What the
/// kernel holds outlives this value: the next one reads it back, so neither affinity nor flows notice a restart.
package struct ServiceTable {
    /// Which parts of a plan may differ from the plan before.
    package struct Scope: Sendable {
        package var frontends: [ServicePlan.Key]
        package var nodePorts: [ServicePlan.NodePortKey]
        package var pingable: [IPAddress]
        package var localEndpoints: [IPAddress]
        /// The prefixes of clients; the ranges of services are always compared.
        package var prefixes: Bool

        package init(
            frontends: [ServicePlan.Key] = [], nodePorts: [ServicePlan.NodePortKey] = [], pingable: [IPAddress] = [],
            localEndpoints: [IPAddress] = [], prefixes: Bool = false
        ) {
            self.frontends = frontends
            self.nodePorts = nodePorts
            self.pingable = pingable
            self.localEndpoints = localEndpoints
            self.prefixes = prefixes
        }
    }

    /// What was done.
    package struct Outcome: Equatable, Sendable {
        package var elementsAdded = 0
        package var elementsDeleted = 0
        /// UDP and SCTP flows that were on their way to where their service no longer is.
        package var flowsForgotten = 0
        /// How long the kernel took.
        package var commitDuration = Duration.zero
    }

    /// What the kernel holds. No plan is kept: a copy would have to be made whole at its owner's next change.
    private struct State {
        let ranges: [IPPrefix]
        var clients: [IPPrefix]
        var pingable: Set<IPAddress>
        var localEndpoints: Set<IPAddress>
        var entries: [ServiceKey: ServiceEntry] = [:]
        /// How many services an address has, but for ports of this node.
        var uses: [IPAddress: Int] = [:]
        /// Chains by their names: with one name, a chain of round robin may have other rules than before.
        var chains: [ServiceFamily: [String: ServiceChain]] = [:]

        init(_ plan: ServicePlan) {
            ranges = plan.serviceRanges
            clients = plan.clientPrefixes
            // Sets of our own, for the reason above.
            pingable = Set(Array(plan.pingable))
            localEndpoints = Set(Array(plan.localEndpoints))
        }
    }

    /// `nil` until the kernel was read, and after it refused something.
    private var state: State?

    package init() {}

    /// Brings the kernel from whatever it holds to the plan.
    package mutating func apply(_ plan: ServicePlan, by socket: inout RuleSocket) throws(RuleError) -> Outcome {
        guard let state else { return try reconcile(plan, by: &socket) }
        var scope = Scope(prefixes: true)
        scope.frontends = Array(plan.frontends.keys)
        scope.nodePorts = Array(plan.nodePorts.keys)
        for key in state.entries.keys {
            if key.isOfNode {
                let nodePort = ServicePlan.NodePortKey(isIPv4: key.address.isIPv4, key.transport, key.port)
                if plan.nodePorts[nodePort] == nil { scope.nodePorts.append(nodePort) }
            } else {
                let frontend = ServicePlan.Key(key.address, key.transport, key.port)
                if plan.frontends[frontend] == nil { scope.frontends.append(frontend) }
            }
        }
        scope.pingable = state.pingable.symmetricDifference(plan.pingable).sorted()
        scope.localEndpoints = state.localEndpoints.symmetricDifference(plan.localEndpoints).sorted()
        return try apply(plan, changed: scope, by: &socket)
    }

    /// The same where the caller knows what has changed: costs as much as the change, however many services there are.
    package mutating func apply(
        _ plan: ServicePlan, changed scope: Scope, by socket: inout RuleSocket
    ) throws(RuleError) -> Outcome {
        guard var next = state, next.ranges == plan.serviceRanges else { return try reconcile(plan, by: &socket) }
        // Unknown from here to the end: a refusal leaves the kernel as it was, and the next call reads it.
        state = nil
        var work = ServiceWork()
        let keys = scope.frontends.map { (ServiceKey($0), plan.frontends[$0]) }
        let nodeKeys = scope.nodePorts.map { (ServiceKey($0), plan.nodePorts[$0]) }
        for (key, frontend) in (keys + nodeKeys).sorted(by: { $0.0 < $1.0 }) {
            let old = next.entries[key]
            let design = frontend.map { ServiceDesign($0, at: key, ranges: plan.serviceRanges, keeping: old) }
            work.replace(key, old, by: design, chains: &next.chains[key.family, default: [:]])
            if old != design?.entry { next.entries[key] = design?.entry }
            Self.count(key, was: old != nil, is: design != nil, in: &next.uses, &work.changes)
        }
        work.change(.pingable, scope.pingable, of: &next.pingable, to: plan.pingable)
        work.change(.hairpin, scope.localEndpoints, of: &next.localEndpoints, to: plan.localEndpoints)
        if scope.prefixes, next.clients != plan.clientPrefixes {
            next.clients = plan.clientPrefixes
            for family in ServiceFamily.both {
                work.structure.replaceIntervals(plan.clientPrefixes, of: ServiceLayout.clients, family)
            }
        }
        let outcome = try work.commit(by: &socket)
        state = next
        return outcome
    }

    /// Puts right what others have changed: reads the kernel, whatever was known of it, and applies the plan.
    package mutating func repair(_ plan: ServicePlan, by socket: inout RuleSocket) throws(RuleError) -> Outcome {
        try reconcile(plan, by: &socket)
    }

    /// How many open connections to services of this plan each endpoint has from here, as the kernel tracks them; for
    /// balancing by least connections. Endpoints without any are left out.
    package func openConnections(by socket: inout RuleSocket) throws(RuleError) -> [ServicePlan.Key: Int] {
        guard let entries = state?.entries else { return [:] }
        var counts: [ServicePlan.Key: Int] = [:]
        try socket.forEachConnection { connection in
            guard connection.isOpen, let transport = connection.transport else { return }
            let port = connection.destinationPort
            let target = ServiceTarget(connection.answerSource, connection.answerPort)
            let anyAddress: IPAddress = connection.destination.isIPv4 ? .v4(.any) : .v6(.any)
            let entry =
                entries[ServiceKey(connection.destination, transport, port)]
                ?? entries[ServiceKey(anyAddress, transport, port)]
            guard let entry, entry.slots.contains(target) || entry.insideSlots.contains(target) else { return }
            counts[ServicePlan.Key(target.address, transport, target.port), default: 0] += 1
        }
        return counts
    }

    /// Deletes the tables of services. Success, too, if they are not there.
    package static func remove(by socket: inout RuleSocket) throws(RuleError) {
        var transaction = Transaction()
        for family in ServiceFamily.both {
            transaction.add(family.table)
            transaction.delete(family.table)
        }
        try socket.commit(transaction)
    }

    // MARK: steps

    /// Reads what the kernel holds, writes all rules anew, and changes the elements that differ.
    private mutating func reconcile(_ plan: ServicePlan, by socket: inout RuleSocket) throws(RuleError) -> Outcome {
        state = nil
        var next = State(plan)
        var work = ServiceWork()
        var old: [ServiceKey: ServiceEntry] = [:]
        var (pingable, hairpin, addresses) = (Set<IPAddress>(), Set<IPAddress>(), Set<IPAddress>())
        var existing: [ServiceFamily: Set<String>] = [:]
        for family in ServiceFamily.both {
            let reading = try ServiceReading.read(family, by: &socket)
            work.structure.lay(family, anew: reading == nil)
            work.structure.replaceIntervals(plan.clientPrefixes, of: ServiceLayout.clients, family)
            work.structure.replaceIntervals(plan.serviceRanges, of: ServiceLayout.ranges, family)
            guard let reading else { continue }
            old.merge(reading.entries) { $1 }
            pingable.formUnion(reading.pingable)
            hairpin.formUnion(reading.hairpin)
            addresses.formUnion(reading.addresses)
            existing[family] = reading.chains
            for stray in reading.strays {
                work.changes.deleteSlot(stray.number, of: stray.key, isSticky: stray.isSticky)
            }
        }
        let frontends = plan.frontends.map { (ServiceKey($0.key), $0.value) }
        let nodePorts = plan.nodePorts.map { (ServiceKey($0.key), $0.value) }
        next.entries.reserveCapacity(frontends.count + nodePorts.count)
        for (key, frontend) in frontends + nodePorts {
            let before = old.removeValue(forKey: key)
            let design = ServiceDesign(frontend, at: key, ranges: plan.serviceRanges, keeping: before)
            work.replace(key, before, by: design, chains: &next.chains[key.family, default: [:]])
            next.entries[key] = design.entry
            if !key.isOfNode { next.uses[key.address, default: 0] += 1 }
        }
        for (key, entry) in old {
            work.replace(key, entry, by: nil, chains: &next.chains[key.family, default: [:]])
        }
        work.changes.change(.addresses, from: addresses, to: Set(next.uses.keys))
        work.changes.change(.pingable, from: pingable, to: plan.pingable)
        work.changes.change(.hairpin, from: hairpin, to: plan.localEndpoints)
        for family in ServiceFamily.both {
            let wanted = Set((next.chains[family] ?? [:]).keys).union(ServiceLayout.chainNames)
            for name in existing[family, default: []].subtracting(wanted) { work.unused.append((name, family)) }
        }
        let outcome = try work.commit(by: &socket)
        state = next
        return outcome
    }

    private static func count(
        _ key: ServiceKey, was: Bool, is isNow: Bool, in uses: inout [IPAddress: Int], _ changes: inout ServiceChanges
    ) {
        guard !key.isOfNode, was != isNow else { return }
        let count = uses[key.address, default: 0] + (isNow ? 1 : -1)
        uses[key.address] = count == 0 ? nil : count
        if count == (isNow ? 1 : 0) { changes.change(.addresses, key.address, isAddition: isNow) }
    }
}
