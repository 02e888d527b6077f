import CNetfilter
import Glibc
import Netlink
import Wire

/// Which hook of the kernel a chain hangs on.
struct Hook: Hashable, Sendable {
    enum Kind: String, Sendable {
        case filter
        case nat
    }

    let kind: Kind
    /// `NF_INET_*`.
    let number: UInt32
    /// Chains of one hook run from the lowest priority up.
    let priority: Int32
}

/// A table's place: its address family and name.
struct TableID: Hashable, Sendable, CustomStringConvertible {
    /// `NFPROTO_*`.
    let family: UInt8
    let name: String

    static let own = TableID(family: UInt8(NFPROTO_INET), name: "kubemesh")

    /// "ip filter", as `nft` writes it.
    var description: String { "\(familyName) \(name)" }

    var familyName: String {
        switch Int32(family) {
        case Int32(NFPROTO_IPV4): "ip"
        case Int32(NFPROTO_IPV6): "ip6"
        case Int32(NFPROTO_INET): "inet"
        case Int32(NFPROTO_ARP): "arp"
        case Int32(NFPROTO_BRIDGE): "bridge"
        case Int32(NFPROTO_NETDEV): "netdev"
        default: "family \(family)"
        }
    }
}

/// A list of changes that the kernel makes all together or not at all.
struct Transaction: Sendable {
    /// One message, not yet numbered, and the object that an error names.
    struct Step: Sendable {
        let bytes: [UInt8]
        let object: String
    }

    /// Elements in one message: at most 60 bytes each, in an attribute that holds 65,535.
    private static let elementsPerMessage = 500

    private(set) var steps: [Step] = []

    /// Makes the table unless it is there.
    mutating func add(_ table: TableID) {
        append(NFT_MSG_NEWTABLE, table, flags: NLM_F_CREATE, object: "table \(table)") { message in
            message.put(UInt16(NFTA_TABLE_NAME.rawValue), text: table.name)
        }
    }

    /// Deletes the table with all in it; it must be there.
    mutating func delete(_ table: TableID) {
        append(NFT_MSG_DELTABLE, table, flags: 0, object: "table \(table)") { message in
            message.put(UInt16(NFTA_TABLE_NAME.rawValue), text: table.name)
        }
    }

    mutating func addChain(_ name: String, hook: Hook?, to table: TableID) {
        guard let chain = unsafe nftnl_chain_alloc() else { preconditionFailure("out of memory") }
        defer { unsafe nftnl_chain_free(chain) }
        unsafe nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_TABLE.rawValue), table.name)
        unsafe nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_NAME.rawValue), name)
        if let hook {
            unsafe nftnl_chain_set_u32(chain, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue), hook.number)
            unsafe nftnl_chain_set_s32(chain, UInt16(NFTNL_CHAIN_PRIO.rawValue), hook.priority)
            unsafe nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_TYPE.rawValue), hook.kind.rawValue)
            unsafe nftnl_chain_set_u32(chain, UInt16(NFTNL_CHAIN_POLICY.rawValue), UInt32(NF_ACCEPT))
        }
        append(NFT_MSG_NEWCHAIN, table, flags: NLM_F_CREATE, object: "chain \(name) in table \(table)") { message in
            unsafe message.append { unsafe nftnl_chain_nlmsg_build_payload($0, chain) }
        }
    }

    /// Makes a map from addresses to addresses of one family. `id` ties rules of this transaction to it.
    mutating func addMap(_ map: AddressMap, to table: TableID) {
        guard let set = unsafe makeSet(map, in: table) else { preconditionFailure("out of memory") }
        defer { unsafe nftnl_set_free(set) }
        unsafe nftnl_set_set_u32(set, UInt16(NFTNL_SET_FLAGS.rawValue), NFT_SET_MAP.rawValue)
        for (type, length) in [(NFTNL_SET_KEY_TYPE, NFTNL_SET_KEY_LEN), (NFTNL_SET_DATA_TYPE, NFTNL_SET_DATA_LEN)] {
            // Numbers of the nft program: 7 is ipv4_addr, 8 is ipv6_addr. The kernel only keeps them for it.
            unsafe nftnl_set_set_u32(set, UInt16(type.rawValue), map.isIPv4 ? 7 : 8)
            unsafe nftnl_set_set_u32(set, UInt16(length.rawValue), map.isIPv4 ? 4 : 16)
        }
        append(NFT_MSG_NEWSET, table, flags: NLM_F_CREATE, object: "map \(map.name) in table \(table)") { message in
            unsafe message.append { unsafe nftnl_set_nlmsg_build_payload($0, set) }
        }
        var start = 0
        while start < map.elements.count {
            let end = min(start + Self.elementsPerMessage, map.elements.count)
            addElements(map.elements[start..<end], of: map, to: table)
            start = end
        }
    }

    /// Puts a rule at the end of a chain, or before all others.
    mutating func addRule(_ rule: Rule, atTop: Bool = false) {
        guard let object = unsafe nftnl_rule_alloc() else { preconditionFailure("out of memory") }
        defer { unsafe nftnl_rule_free(object) }
        unsafe nftnl_rule_set_str(object, UInt16(NFTNL_RULE_TABLE.rawValue), rule.table.name)
        unsafe nftnl_rule_set_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue), rule.chain)
        unsafe nftnl_rule_set_u32(object, UInt16(NFTNL_RULE_FAMILY.rawValue), UInt32(rule.table.family))
        for expression in rule.expressions {
            for part in expression.native { unsafe nftnl_rule_add_expr(object, part.makeObject()) }
        }
        if let comment = rule.comment {
            let userData = Rule.userData(comment: comment)
            unsafe nftnl_rule_set_data(
                object, UInt16(NFTNL_RULE_USERDATA.rawValue), userData, UInt32(userData.count))
        }
        let flags = NLM_F_CREATE | (atTop ? 0 : NLM_F_APPEND)
        let name = "a rule of chain \(rule.chain) in table \(rule.table)"
        append(NFT_MSG_NEWRULE, rule.table, flags: flags, object: name) { message in
            unsafe message.append { unsafe nftnl_rule_nlmsg_build_payload($0, object) }
        }
    }

    mutating func deleteRule(handle: UInt64, chain: String, table: TableID) {
        append(NFT_MSG_DELRULE, table, flags: 0, object: "a rule of chain \(chain) in table \(table)") { message in
            message.put(UInt16(NFTA_RULE_TABLE.rawValue), text: table.name)
            message.put(UInt16(NFTA_RULE_CHAIN.rawValue), text: chain)
            message.put(UInt16(NFTA_RULE_HANDLE.rawValue), bytes: handle.bigEndianBytes)
        }
    }

    private mutating func addElements(_ elements: ArraySlice<AddressMap.Element>, of map: AddressMap, to table: TableID)
    {
        guard let set = unsafe makeSet(map, in: table) else { preconditionFailure("out of memory") }
        defer { unsafe nftnl_set_free(set) }
        for element in elements {
            guard let object = unsafe nftnl_set_elem_alloc() else { preconditionFailure("out of memory") }
            let (key, value) = (element.key.bytes, element.value.bytes)
            unsafe nftnl_set_elem_set(object, UInt16(NFTNL_SET_ELEM_KEY), key, UInt32(key.count))
            unsafe nftnl_set_elem_set(object, UInt16(NFTNL_SET_ELEM_DATA), value, UInt32(value.count))
            unsafe nftnl_set_elem_add(set, object)
        }
        let object = "elements of map \(map.name) in table \(table)"
        append(NFT_MSG_NEWSETELEM, table, flags: NLM_F_CREATE, object: object) { message in
            unsafe message.append { unsafe nftnl_set_elems_nlmsg_build_payload($0, set) }
        }
    }

    @unsafe
    private func makeSet(_ map: AddressMap, in table: TableID) -> OpaquePointer? {
        guard let set = unsafe nftnl_set_alloc() else { return nil }
        unsafe nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), table.name)
        unsafe nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), map.name)
        unsafe nftnl_set_set_u32(set, UInt16(NFTNL_SET_FAMILY.rawValue), UInt32(table.family))
        unsafe nftnl_set_set_u32(set, UInt16(NFTNL_SET_ID.rawValue), map.id)
        return unsafe set
    }

    mutating func append(
        _ type: nf_tables_msg_types, _ table: TableID, flags: Int32, object: String,
        _ body: (borrowing MessageBuilder) -> Void
    ) {
        let message = MessageBuilder(nftables: type, family: table.family, flags: flags | NLM_F_ACK)
        body(message)
        steps.append(Step(bytes: message.bytes, object: object))
    }
}

extension MessageBuilder {
    /// A message to nftables with its family header.
    init(nftables type: nf_tables_msg_types, family: UInt8, flags: Int32) {
        self.init(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue), flags: NLM_F_REQUEST | flags)
        put(structure: nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: 0))
    }

    /// The first or last message of a transaction.
    init(batch type: Int32) {
        self.init(type: Int(type), flags: NLM_F_REQUEST)
        put(
            structure: nfgenmsg(
                nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0),
                res_id: UInt16(NFNL_SUBSYS_NFTABLES).bigEndian))
    }
}

extension FixedWidthInteger {
    var bigEndianBytes: [UInt8] {
        (0..<(Self.bitWidth / 8)).reversed().map { UInt8(truncatingIfNeeded: self >> (8 * Self($0))) }
    }
}
