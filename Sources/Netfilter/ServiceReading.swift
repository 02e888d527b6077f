import CNetfilter
import Netlink
import Services
import Wire

/// What one family's table holds, read back after a start or a change by others.
struct ServiceReading: Sendable {
    private(set) var entries: [ServiceKey: ServiceEntry] = [:]
    private(set) var addresses: Set<IPAddress> = []
    private(set) var pingable: Set<IPAddress> = []
    private(set) var hairpin: Set<IPAddress> = []
    /// Names of all chains.
    private(set) var chains: Set<String> = []
    /// Slots after a gap in their numbers, which no chain chooses.
    private(set) var strays: [(key: ServiceKey, number: UInt32, isSticky: Bool)] = []

    /// `nil` where there is no table, or one of another layout, which can only be made anew.
    static func read(_ family: ServiceFamily, by socket: inout RuleSocket) throws(RuleError) -> ServiceReading? {
        guard try socket.comment(of: family.table) == ServiceLayout.version else { return nil }
        var reading = ServiceReading()
        reading.chains = try socket.chainNames(of: family.table)
        for (set, isOfNode) in [(ServiceLayout.services, false), (ServiceLayout.nodePorts, true)] {
            try socket.forEachElement(of: set, in: family.table) { element in
                let key = isOfNode ? element.nodePortKey(family) : element.serviceKey(family)
                if let key { reading.entries[key, default: ServiceEntry()].chain = element.chain }
            }
        }
        try socket.forEachElement(of: ServiceLayout.guarded, in: family.table) { element in
            guard let key = element.serviceKey(family) else { return }
            reading.entries[key, default: ServiceEntry()].guardedChain = element.chain
        }
        try reading.readSlots(of: ServiceLayout.sticky, family, by: &socket)
        try reading.readSlots(of: ServiceLayout.endpoints, family, by: &socket)
        try reading.readFlags(family, by: &socket)
        return reading
    }

    private mutating func readSlots(
        of set: String, _ family: ServiceFamily, by socket: inout RuleSocket
    ) throws(RuleError) {
        let isSticky = set == ServiceLayout.sticky
        var slots: [ServiceKey: [(number: UInt32, target: ServiceTarget)]] = [:]
        let start = family.addressBytes + 8
        try socket.forEachElement(of: set, in: family.table) { element in
            guard let key = element.serviceKey(family), element.key.count == start + 4,
                let target = element.target(in: element.value, from: isSticky ? 4 : 0, family)
            else { return }
            slots[key, default: []].append((element.number(at: start), target))
        }
        for (key, numbered) in slots {
            var entry = entries[key] ?? ServiceEntry()
            // An entry has its slots in one of both maps.
            let isStray = entry.isSticky && !isSticky
            entry.isSticky = entry.isSticky || isSticky
            for slot in numbered.sorted(by: { $0.number < $1.number }) {
                if isStray {
                    strays.append((key, slot.number, isSticky))
                } else if slot.number == UInt32(entry.slots.count) {
                    entry.slots.append(slot.target)
                } else if slot.number == ServiceChain.insideOffset + UInt32(entry.insideSlots.count) {
                    entry.insideSlots.append(slot.target)
                } else {
                    strays.append((key, slot.number, isSticky))
                }
            }
            entries[key] = entry
        }
    }

    private mutating func readFlags(_ family: ServiceFamily, by socket: inout RuleSocket) throws(RuleError) {
        try socket.forEachElement(of: ServiceLayout.members, in: family.table) { element in
            guard let key = element.serviceKey(family),
                let target = element.target(in: element.key, from: family.addressBytes + 8, family)
            else { return }
            entries[key, default: ServiceEntry()].members.append(target)
        }
        for key in entries.keys { entries[key]?.members.sort() }
        try socket.forEachElement(of: ServiceLayout.masqueraded, in: family.table) { element in
            if let key = element.serviceKey(family) { entries[key, default: ServiceEntry()].isMasqueraded = true }
        }
        try socket.forEachElement(of: ServiceLayout.kept, in: family.table) { element in
            if let key = element.serviceKey(family) { entries[key, default: ServiceEntry()].isKept = true }
        }
        try socket.forEachElement(of: ServiceLayout.sources, in: family.table) { element in
            guard let key = element.serviceKey(family), let prefix = element.prefix(from: family.addressBytes + 8)
            else { return }
            entries[key, default: ServiceEntry()].sources.append(prefix)
        }
        for key in entries.keys where entries[key]?.sources.isEmpty == false { entries[key]?.sources.sort() }
        addresses = try readAddresses(ServiceLayout.addresses, family, by: &socket)
        pingable = try readAddresses(ServiceLayout.pingable, family, by: &socket)
        hairpin = try readAddresses(ServiceLayout.hairpin, family, by: &socket)
    }

    private func readAddresses(
        _ set: String, _ family: ServiceFamily, by socket: inout RuleSocket
    ) throws(RuleError) -> Set<IPAddress> {
        var addresses: Set<IPAddress> = []
        try socket.forEachElement(of: set, in: family.table) { element in
            if let address = IPAddress(packed: element.key.prefix(family.addressBytes)) { addresses.insert(address) }
        }
        return addresses
    }
}

/// An element of a set as the kernel lists it.
struct ListedElement: Sendable {
    fileprivate(set) var key: ArraySlice<UInt8> = []
    fileprivate(set) var keyEnd: ArraySlice<UInt8> = []
    fileprivate(set) var value: ArraySlice<UInt8> = []
    fileprivate(set) var chain: String?

    /// `NFTA_LIST_ELEM`; `nil` without a key.
    init?(parsing element: AttributeCursor) {
        var attributes = element
        while let attribute = attributes.next() {
            switch UInt32(attribute.type) {
            case NFTA_SET_ELEM_KEY.rawValue: key = Self.value(in: attribute)
            case NFTA_SET_ELEM_KEY_END.rawValue: keyEnd = Self.value(in: attribute)
            case NFTA_SET_ELEM_DATA.rawValue:
                value = Self.value(in: attribute)
                let verdict = attribute.nested.first(UInt16(NFTA_DATA_VERDICT.rawValue))
                chain = verdict?.nested.first(UInt16(NFTA_VERDICT_CHAIN.rawValue))?.text
            default: break
            }
        }
        guard !key.isEmpty else { return nil }
    }

    private static func value(in attribute: AttributeCursor.Attribute) -> ArraySlice<UInt8> {
        attribute.nested.first(UInt16(NFTA_DATA_VALUE.rawValue))?.payload ?? []
    }

    /// `address . protocol . port` at the key's start.
    fileprivate func serviceKey(_ family: ServiceFamily) -> ServiceKey? {
        guard key.count >= family.addressBytes + 8, let address = IPAddress(packed: key.prefix(family.addressBytes))
        else { return nil }
        return Self.service(address, key.dropFirst(family.addressBytes))
    }

    /// `protocol . port`.
    fileprivate func nodePortKey(_ family: ServiceFamily) -> ServiceKey? {
        key.count == 8 ? Self.service(family.anyAddress, key) : nil
    }

    private static func service(_ address: IPAddress, _ bytes: ArraySlice<UInt8>) -> ServiceKey? {
        let start = bytes.startIndex
        guard let transport = TransportProtocol(rawValue: bytes[start]) else { return nil }
        return ServiceKey(address, transport, UInt16(bytes[start + 4]) << 8 | UInt16(bytes[start + 5]))
    }

    /// A number in the machine's order.
    fileprivate func number(at offset: Int) -> UInt32 {
        UInt32(littleEndian: key.dropFirst(offset).prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }

    fileprivate func target(in bytes: ArraySlice<UInt8>, from offset: Int, _ family: ServiceFamily) -> ServiceTarget? {
        let rest = bytes.dropFirst(offset)
        guard rest.count == family.addressBytes + 4, let address = IPAddress(packed: rest.prefix(family.addressBytes))
        else { return nil }
        let port = rest.startIndex + family.addressBytes
        return ServiceTarget(address, UInt16(rest[port]) << 8 | UInt16(rest[port + 1]))
    }

    /// The block from the address in the key to that in its end; the widest that fits, so another is told apart from it.
    fileprivate func prefix(from offset: Int) -> IPPrefix? {
        guard let first = IPAddress(packed: key.dropFirst(offset)) else { return nil }
        let last = Array(keyEnd.dropFirst(offset))
        return (0...first.bitCount).lazy.compactMap { IPPrefix(first, length: $0) }
            .first { $0.address == first && (last.isEmpty || $0.lastAddressBytes == last) }
    }
}

extension RuleSocket {
    /// A table's comment, empty without one; `nil` when there is no such table.
    fileprivate mutating func comment(of table: TableID) throws(RuleError) -> String? {
        let message = MessageBuilder(nftables: NFT_MSG_GETTABLE, family: table.family, flags: NLM_F_ACK)
        message.put(UInt16(NFTA_TABLE_NAME.rawValue), text: table.name)
        guard let answer = try request(message, reading: "table \(table)")?.first else { return nil }
        let userData = answer.attributes(after: nfgenmsg.self).bytes(UInt16(NFTA_TABLE_USERDATA.rawValue)) ?? []
        return Rule.comment(inUserData: userData) ?? ""
    }

    fileprivate mutating func chainNames(of table: TableID) throws(RuleError) -> Set<String> {
        let message = MessageBuilder(nftables: NFT_MSG_GETCHAIN, family: table.family, flags: NLM_F_DUMP)
        let chains = (try request(message, reading: "the chains") ?? []).compactMap(ListedChain.init(parsing:))
        return Set(chains.filter { $0.table == table }.map(\.name))
    }

    /// None where there is no such set.
    fileprivate mutating func forEachElement(
        of set: String, in table: TableID, _ body: (ListedElement) -> Void
    ) throws(RuleError) {
        let message = MessageBuilder(nftables: NFT_MSG_GETSETELEM, family: table.family, flags: NLM_F_DUMP)
        message.put(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), text: table.name)
        message.put(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), text: set)
        for answer in try request(message, reading: "set \(set) in table \(table)") ?? [] {
            let list = answer.cursor(after: nfgenmsg.self).first(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
            guard var cursor = list?.nested else { continue }
            while let attribute = cursor.next() {
                if let element = ListedElement(parsing: attribute.nested) { body(element) }
            }
        }
    }
}
