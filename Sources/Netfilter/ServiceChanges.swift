import Services
import Wire

/// Elements to be deleted and added, collected for one transaction.
struct ServiceChanges: Sendable {
    /// Sets whose elements come and go with services.
    enum Place: Int, CaseIterable, Sendable {
        case services, nodePorts, guarded, endpoints, sticky, members, sources, masqueraded, kept, addresses, pingable,
            hairpin

        var set: String {
            switch self {
            case .services: ServiceLayout.services
            case .nodePorts: ServiceLayout.nodePorts
            case .guarded: ServiceLayout.guarded
            case .endpoints: ServiceLayout.endpoints
            case .sticky: ServiceLayout.sticky
            case .members: ServiceLayout.members
            case .sources: ServiceLayout.sources
            case .masqueraded: ServiceLayout.masqueraded
            case .kept: ServiceLayout.kept
            case .addresses: ServiceLayout.addresses
            case .pingable: ServiceLayout.pingable
            case .hairpin: ServiceLayout.hairpin
            }
        }
    }

    private var deletions = [ElementList](repeating: ElementList(), count: 2 * Place.allCases.count)
    private var additions = [ElementList](repeating: ElementList(), count: 2 * Place.allCases.count)
    private(set) var deletedCount = 0
    private(set) var addedCount = 0

    /// Deletions come first, so that a key may get another value.
    func append(to transaction: inout Transaction) {
        for isAddition in [false, true] {
            for place in Place.allCases {
                for family in ServiceFamily.both {
                    let list = (isAddition ? additions : deletions)[Self.index(place, family.isIPv4)]
                    transaction.change(list, adding: isAddition, of: place.set, in: family.table)
                }
            }
        }
    }

    // MARK: services

    /// What makes one entry of the other.
    mutating func change(_ key: ServiceKey, from old: ServiceEntry?, to new: ServiceEntry?) {
        guard old != new else { return }
        let map: Place = key.isOfNode ? .nodePorts : .services
        if old?.chain != new?.chain {
            let bytes = key.isOfNode ? key.nodePortBytes : key.bytes
            if old?.chain != nil { delete(bytes, of: map, key) }
            if let chain = new?.chain { add(bytes, chain: chain, to: map, key) }
        }
        if old?.guardedChain != new?.guardedChain {
            if old?.guardedChain != nil { delete(key.bytes, of: .guarded, key) }
            if let chain = new?.guardedChain { add(key.bytes, chain: chain, to: .guarded, key) }
        }
        changeSlots(key, old, new, \.slots, offset: 0)
        changeSlots(key, old, new, \.insideSlots, offset: ServiceChain.insideOffset)
        changeMembers(key, from: old?.members ?? [], to: new?.members ?? [])
        changeFlag(.masqueraded, key, from: old?.isMasqueraded ?? false, to: new?.isMasqueraded ?? false)
        changeFlag(.kept, key, from: old?.isKept ?? false, to: new?.isKept ?? false)
        changeSources(key, from: old?.sources ?? [], to: new?.sources ?? [])
    }

    /// A slot that was read back and belongs to no run of slots from the first.
    mutating func deleteSlot(_ number: UInt32, of key: ServiceKey, isSticky: Bool) {
        delete(Self.slotKey(key.bytes, number), of: isSticky ? .sticky : .endpoints, key)
    }

    private mutating func changeSlots(
        _ key: ServiceKey, _ old: ServiceEntry?, _ new: ServiceEntry?, _ slots: KeyPath<ServiceEntry, [ServiceTarget]>,
        offset: UInt32
    ) {
        let (before, after) = (old?[keyPath: slots] ?? [], new?[keyPath: slots] ?? [])
        if let old, let new, old.isSticky != new.isSticky {
            changeSlots(key, from: before, to: [], isSticky: old.isSticky, offset: offset)
            changeSlots(key, from: [], to: after, isSticky: new.isSticky, offset: offset)
        } else {
            changeSlots(
                key, from: before, to: after, isSticky: new?.isSticky ?? old?.isSticky ?? false, offset: offset)
        }
    }

    private mutating func changeSlots(
        _ key: ServiceKey, from old: [ServiceTarget], to new: [ServiceTarget], isSticky: Bool, offset: UInt32
    ) {
        guard old != new else { return }
        let prefix = key.bytes
        let place: Place = isSticky ? .sticky : .endpoints
        for index in 0..<max(old.count, new.count) {
            let (before, after) = (index < old.count ? old[index] : nil, index < new.count ? new[index] : nil)
            guard before != after else { continue }
            let slot = Self.slotKey(prefix, offset + UInt32(index))
            if before != nil { delete(slot, of: place, key) }
            if let after {
                let value = isSticky ? key.portBytes + after.bytes : after.bytes
                additions[Self.index(place, key.address.isIPv4)].append(key: slot, value: value)
                addedCount += 1
            }
        }
    }

    private mutating func changeMembers(_ key: ServiceKey, from old: [ServiceTarget], to new: [ServiceTarget]) {
        guard old != new else { return }
        let (before, after) = (Set(old), Set(new))
        for target in old where !after.contains(target) { delete(key.bytes + target.bytes, of: .members, key) }
        for target in new where !before.contains(target) { add(key.bytes + target.bytes, to: .members, key) }
    }

    private mutating func changeFlag(_ place: Place, _ key: ServiceKey, from old: Bool, to new: Bool) {
        guard old != new else { return }
        if new { add(key.bytes, to: place, key) } else { delete(key.bytes, of: place, key) }
    }

    private mutating func changeSources(_ key: ServiceKey, from old: [IPPrefix], to new: [IPPrefix]) {
        guard old != new else { return }
        let index = Self.index(.sources, key.address.isIPv4)
        func bounds(_ prefix: IPPrefix) -> (first: [UInt8], last: [UInt8]) {
            (key.bytes + prefix.address.bytes, key.bytes + prefix.lastAddressBytes)
        }
        for prefix in old where !new.contains(prefix) {
            deletions[index].append(key: bounds(prefix).first, keyEnd: bounds(prefix).last)
            deletedCount += 1
        }
        for prefix in new where !old.contains(prefix) {
            additions[index].append(key: bounds(prefix).first, keyEnd: bounds(prefix).last)
            addedCount += 1
        }
    }

    // MARK: addresses

    mutating func change(_ place: Place, from old: Set<IPAddress>, to new: Set<IPAddress>) {
        guard old != new else { return }
        for address in old.subtracting(new).sorted() { change(place, address, isAddition: false) }
        for address in new.subtracting(old).sorted() { change(place, address, isAddition: true) }
    }

    mutating func change(_ place: Place, _ address: IPAddress, isAddition: Bool) {
        let bytes = place == .hairpin ? address.bytes + address.bytes : address.bytes
        let index = Self.index(place, address.isIPv4)
        if isAddition {
            additions[index].append(key: bytes)
            addedCount += 1
        } else {
            deletions[index].append(key: bytes)
            deletedCount += 1
        }
    }

    // MARK: steps

    private static func index(_ place: Place, _ isIPv4: Bool) -> Int { 2 * place.rawValue + (isIPv4 ? 0 : 1) }

    private static func slotKey(_ key: [UInt8], _ number: UInt32) -> [UInt8] {
        var bytes = key
        unsafe withUnsafeBytes(of: number) { unsafe bytes.append(contentsOf: $0) }
        return bytes
    }

    private mutating func delete(_ bytes: [UInt8], of place: Place, _ key: ServiceKey) {
        deletions[Self.index(place, key.address.isIPv4)].append(key: bytes)
        deletedCount += 1
    }

    private mutating func add(_ bytes: [UInt8], to place: Place, _ key: ServiceKey) {
        additions[Self.index(place, key.address.isIPv4)].append(key: bytes)
        addedCount += 1
    }

    private mutating func add(_ bytes: [UInt8], chain: String, to place: Place, _ key: ServiceKey) {
        additions[Self.index(place, key.address.isIPv4)].append(key: bytes, chain: chain)
        addedCount += 1
    }
}
