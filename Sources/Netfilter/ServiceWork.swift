import CNetfilter
import Services
import Wire

/// One change of the tables of services on its way into the kernel.
struct ServiceWork {
    /// Tables, sets, chains and rules: what comes before the elements that name them.
    var structure = Transaction()
    var changes = ServiceChanges()
    var staleFlows = StaleFlows()
    /// Chains that nothing goes to any more.
    var unused: [(name: String, family: ServiceFamily)] = []

    /// Replaces one service's elements, and makes the chains that it needs. `chains` are those of its family by name.
    mutating func replace(
        _ key: ServiceKey, _ old: ServiceEntry?, by design: ServiceDesign?, chains: inout [String: ServiceChain]
    ) {
        for chain in design?.chains ?? []
        where chains[chain.name] != chain && !ServiceLayout.lastingChains.contains(chain) {
            structure.make(chain, anew: chains[chain.name] != nil, key.family)
            chains[chain.name] = chain
        }
        changes.change(key, from: old, to: design?.entry)
        staleFlows.note(key, from: old, to: design?.entry)
        let kept = Set((design?.chains ?? []).map(\.name))
        for name in [old?.chain, old?.guardedChain].compactMap({ $0 }) where !kept.contains(name) {
            for part in chains[name]?.parts ?? [] where part.isOwned && !kept.contains(part.name) {
                chains[part.name] = nil
                unused.append((part.name, key.family))
            }
        }
    }

    /// Adds or deletes those of `addresses` whose place in the set is another in the plan.
    mutating func change(
        _ place: ServiceChanges.Place, _ addresses: [IPAddress], of set: inout Set<IPAddress>, to wanted: Set<IPAddress>
    ) {
        for address in addresses {
            let isWanted = wanted.contains(address)
            guard isWanted ? set.insert(address).inserted : set.remove(address) != nil else { continue }
            changes.change(place, address, isAddition: isWanted)
        }
    }

    mutating func commit(by socket: inout RuleSocket) throws(RuleError) -> ServiceTable.Outcome {
        var outcome = ServiceTable.Outcome()
        outcome.elementsAdded = changes.addedCount
        outcome.elementsDeleted = changes.deletedCount
        changes.append(to: &structure)
        let clock = ContinuousClock()
        let start = clock.now
        try socket.commit(structure)
        outcome.commitDuration = start.duration(to: clock.now)
        removeUnusedChains(by: &socket)
        outcome.flowsForgotten = try socket.forget(staleFlows)
        return outcome
    }

    /// Those that go to others first. Before Linux 6.2 a chain stays busy for a while after the last element that went to it
    /// is gone; such ones are left for the next start, since nothing goes to them.
    private func removeUnusedChains(by socket: inout RuleSocket) {
        var transaction = Transaction()
        let names = unused.sorted { ($0.family.isIPv4 ? 0 : 1, $0.name) < ($1.family.isIPv4 ? 0 : 1, $1.name) }
        // Emptied before any is deleted, so that none is still gone to.
        for (name, family) in names { transaction.deleteRules(of: name, in: family.table) }
        for (name, family) in names { transaction.deleteChain(name, in: family.table) }
        try? socket.commit(transaction)
    }
}

extension ServiceLayout {
    static var chainNames: Set<String> { Set(chains.map(\.0)).union(lastingChains.map(\.name)) }
}

extension Transaction {
    /// Makes a family's table with its sets and lasting chains, and writes their rules anew.
    mutating func lay(_ family: ServiceFamily, anew: Bool) {
        let table = family.table
        if anew {
            // Made first, so that deleting it cannot fail.
            add(table)
            delete(table)
        }
        add(table, comment: ServiceLayout.version)
        if !anew { deleteRules(of: nil, in: table) }
        for (index, set) in ServiceLayout.sets.enumerated() { add(set, id: UInt32(index) + 1, to: table) }
        for (name, hook) in ServiceLayout.chains { addChain(name, hook: hook, to: table) }
        for chain in ServiceLayout.lastingChains { make(chain, anew: false, family) }
        for (chain, steps) in ServiceLayout.rules(of: family) { addRule(steps, to: chain, in: table) }
    }

    /// Makes a chain with its rules, or with `anew` only replaces the rules.
    mutating func make(_ chain: ServiceChain, anew: Bool, _ family: ServiceFamily) {
        if anew {
            deleteRules(of: chain.name, in: family.table)
        } else {
            addChain(chain.name, hook: nil, to: family.table)
        }
        for rule in chain.rules(of: family) { addRule(rule, to: chain.name, in: family.table) }
    }

    /// Replaces the prefixes of a set; the other family's are passed over.
    mutating func replaceIntervals(_ prefixes: [IPPrefix], of set: String, _ family: ServiceFamily) {
        empty(set, in: family.table)
        var elements = ElementList()
        for prefix in IPPrefix.outermost(prefixes) where prefix.isIPv4 == family.isIPv4 {
            elements.append(key: prefix.address.bytes)
            // The end is the first address that is not in the block.
            if let end = prefix.addressAfter { elements.append(key: end, endsInterval: true) }
        }
        change(elements, adding: true, of: set, in: family.table)
    }
}
