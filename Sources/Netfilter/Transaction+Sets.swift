import CNetfilter
import Netlink

extension Transaction {
    /// Makes the table unless it is there; its comment tells a later reader whose and of which layout it is.
    mutating func add(_ table: TableID, comment: String) {
        let text = Array(comment.utf8) + [0]
        let userData = [UInt8(NFTNL_UDATA_TABLE_COMMENT.rawValue), UInt8(text.count)] + text
        append(NFT_MSG_NEWTABLE, table, flags: NLM_F_CREATE, object: "table \(table)") { message in
            message.put(UInt16(NFTA_TABLE_NAME.rawValue), text: table.name)
            message.put(UInt16(NFTA_TABLE_USERDATA.rawValue), bytes: userData)
        }
    }

    /// Makes the set unless it is there.
    mutating func add(_ set: SetDefinition, id: UInt32, to table: TableID) {
        let object = unsafe set.makeObject(in: table, id: id)
        defer { unsafe nftnl_set_free(object) }
        let name = "set \(set.name) in table \(table)"
        append(NFT_MSG_NEWSET, table, flags: NLM_F_CREATE, object: name) { message in
            unsafe message.append { unsafe nftnl_set_nlmsg_build_payload($0, object) }
        }
    }

    mutating func addRule(_ steps: [ServiceStep], to chain: String, in table: TableID) {
        guard let object = unsafe nftnl_rule_alloc() else { preconditionFailure("out of memory") }
        defer { unsafe nftnl_rule_free(object) }
        unsafe nftnl_rule_set_str(object, UInt16(NFTNL_RULE_TABLE.rawValue), table.name)
        unsafe nftnl_rule_set_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue), chain)
        unsafe nftnl_rule_set_u32(object, UInt16(NFTNL_RULE_FAMILY.rawValue), UInt32(table.family))
        for step in steps { unsafe nftnl_rule_add_expr(object, step.native.makeObject()) }
        let name = "a rule of chain \(chain) in table \(table)"
        append(NFT_MSG_NEWRULE, table, flags: NLM_F_CREATE | NLM_F_APPEND, object: name) { message in
            unsafe message.append { unsafe nftnl_rule_nlmsg_build_payload($0, object) }
        }
    }

    /// Deletes all rules of a chain, or of all chains.
    mutating func deleteRules(of chain: String?, in table: TableID) {
        let name = chain.map { "the rules of chain \($0)" } ?? "the rules"
        append(NFT_MSG_DELRULE, table, flags: 0, object: "\(name) in table \(table)") { message in
            message.put(UInt16(NFTA_RULE_TABLE.rawValue), text: table.name)
            if let chain { message.put(UInt16(NFTA_RULE_CHAIN.rawValue), text: chain) }
        }
    }

    mutating func deleteChain(_ chain: String, in table: TableID) {
        append(NFT_MSG_DELCHAIN, table, flags: 0, object: "chain \(chain) in table \(table)") { message in
            message.put(UInt16(NFTA_CHAIN_TABLE.rawValue), text: table.name)
            message.put(UInt16(NFTA_CHAIN_NAME.rawValue), text: chain)
        }
    }

    /// Deletes all elements of a set.
    mutating func empty(_ set: String, in table: TableID) {
        append(NFT_MSG_DELSETELEM, table, flags: 0, object: "the elements of set \(set) in table \(table)") { message in
            message.put(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), text: table.name)
            message.put(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), text: set)
        }
    }

    /// Adds or deletes elements; those of a list are in as many messages as they need.
    mutating func change(_ elements: ElementList, adding isAddition: Bool, of set: String, in table: TableID) {
        let object = "elements of set \(set) in table \(table)"
        for block in elements.blocks {
            append(
                isAddition ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, table, flags: isAddition ? NLM_F_CREATE : 0,
                object: object
            ) { message in
                message.put(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), text: table.name)
                message.put(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), text: set)
                message.put(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) | UInt16(NLA_F_NESTED), bytes: block)
            }
        }
    }
}
