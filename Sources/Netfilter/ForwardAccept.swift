import CNetfilter
import Netlink
import Wire

/// Lets forwarded packets of the mesh pass where Docker drops them by policy.
///
/// Docker documents the chain DOCKER-USER of `ip filter` (and `ip6 filter`) for rules of others. Ours stand at its top and are
/// what `iptables -I DOCKER-USER -i mesh0 -m comment --comment kubemesh -j ACCEPT` would make. The comment tells the
/// administrator whose they are, and finds them again, also after `iptables-save` and `iptables-restore`.
package struct ForwardAccept: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// The chain is not there.
        case noChain
        /// The rules were there already.
        case inPlace
        /// The rules were put there now.
        case inserted
    }

    static let chain = "DOCKER-USER"
    static let comment = "kubemesh"
    static let tables = [NFPROTO_IPV4, NFPROTO_IPV6].map { TableID(family: UInt8($0), name: "filter") }

    /// The TUN interface.
    package let interface: String

    package init(interface: String) {
        self.interface = interface
    }

    /// Puts the rules where they are missing. Returns what was found for IPv4 and IPv6.
    package func ensure(by socket: inout RuleSocket) throws(RuleError) -> (ipv4: State, ipv6: State) {
        (try ensure(in: Self.tables[0], by: &socket), try ensure(in: Self.tables[1], by: &socket))
    }

    /// Removes every rule of ours, and nothing else. Whether there was any.
    @discardableResult
    package static func remove(by socket: inout RuleSocket) throws(RuleError) -> Bool {
        var transaction = Transaction()
        for table in tables {
            for rule in try socket.rules(of: chain, in: table) ?? [] where rule.isOurs {
                transaction.deleteRule(handle: rule.handle, chain: chain, table: table)
            }
        }
        try socket.commit(transaction)
        return !transaction.steps.isEmpty
    }

    private func ensure(in table: TableID, by socket: inout RuleSocket) throws(RuleError) -> State {
        guard let existing = try socket.rules(of: Self.chain, in: table) else { return .noChain }
        var transaction = Transaction()
        // Each goes to the top, so the last one put is the first.
        for isInput in [false, true] {
            let name = Array(interface.utf8) + [0]
            let isThere = existing.contains { $0.isOurs && $0.interface == interface && $0.isInput == isInput }
            guard !isThere else { continue }
            // iptables compares names up to their final zero.
            let match: [Expression] = [isInput ? .inputInterface : .outputInterface, .equals(name)]
            let rule = Rule(
                table, Self.chain, match + [.counter, .verdict(.accept)], comment: Self.comment)
            transaction.addRule(rule, atTop: true)
        }
        try socket.commit(transaction)
        return transaction.steps.isEmpty ? .inPlace : .inserted
    }
}

/// A rule of somebody's chain, as far as needed to find ours.
struct ListedRule: Hashable, Sendable {
    let handle: UInt64
    /// The interface that it compares with first, and whether packets come in there or go out.
    let interface: String?
    let isInput: Bool
    let comment: String?

    var isOurs: Bool { comment == ForwardAccept.comment }

    /// Reads `NFT_MSG_NEWRULE`; `nil` when libnftnl cannot.
    init?(parsing message: NetlinkMessage) {
        guard let rule = unsafe nftnl_rule_alloc() else { return nil }
        defer { unsafe nftnl_rule_free(rule) }
        let isRead = unsafe message.withHeader { unsafe nftnl_rule_nlmsg_parse($0, rule) >= 0 }
        guard isRead == true else { return nil }
        handle = unsafe nftnl_rule_get_u64(rule, UInt16(NFTNL_RULE_HANDLE.rawValue))
        var count: UInt32 = 0
        var comment: String?
        if let data = unsafe nftnl_rule_get_data(rule, UInt16(NFTNL_RULE_USERDATA.rawValue), &count) {
            comment = unsafe Rule.comment(inUserData: Array(UnsafeRawBufferPointer(start: data, count: Int(count))))
        }
        var interface: (isInput: Bool, name: String)?
        guard let steps = unsafe nftnl_expr_iter_create(rule) else { return nil }
        defer { unsafe nftnl_expr_iter_destroy(steps) }
        var loaded: UInt32?
        while let step = unsafe nftnl_expr_iter_next(steps) {
            guard let name = unsafe nftnl_expr_get_str(step, UInt16(NFTNL_EXPR_NAME)) else { continue }
            switch unsafe String(cString: name) {
            case "meta":
                loaded = unsafe nftnl_expr_get_u32(step, UInt16(NFTNL_EXPR_META_KEY))
            case "cmp"
            where interface == nil && [NFT_META_IIFNAME.rawValue, NFT_META_OIFNAME.rawValue].contains(loaded):
                let text = unsafe Self.text(of: step, UInt16(NFTNL_EXPR_CMP_DATA))
                interface = (loaded == NFT_META_IIFNAME.rawValue, text)
            case "match" where comment == nil:
                // The form of iptables itself: `-m comment`, whose data is the zero-filled text.
                guard let match = unsafe nftnl_expr_get_str(step, UInt16(NFTNL_EXPR_MT_NAME)) else { continue }
                if unsafe String(cString: match) == "comment" {
                    comment = unsafe Self.text(of: step, UInt16(NFTNL_EXPR_MT_INFO))
                }
            default: continue
            }
        }
        self.interface = interface?.name
        isInput = interface?.isInput ?? false
        self.comment = comment
    }

    /// An attribute's bytes up to the first zero.
    @unsafe
    private static func text(of expression: OpaquePointer, _ attribute: UInt16) -> String {
        var count: UInt32 = 0
        guard let data = unsafe nftnl_expr_get(expression, attribute, &count) else { return "" }
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: Int(count))
        return unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension RuleSocket {
    /// The rules of a chain in order; `nil` when there is no such chain.
    mutating func rules(of chain: String, in table: TableID) throws(RuleError) -> [ListedRule]? {
        guard try hasChain(chain, in: table) else { return nil }
        let message = MessageBuilder(nftables: NFT_MSG_GETRULE, family: table.family, flags: NLM_F_DUMP)
        message.put(UInt16(NFTA_RULE_TABLE.rawValue), text: table.name)
        message.put(UInt16(NFTA_RULE_CHAIN.rawValue), text: chain)
        let answers = try request(message, reading: "chain \(chain) in table \(table)")
        return answers?.compactMap(ListedRule.init(parsing:))
    }

    mutating func hasChain(_ chain: String, in table: TableID) throws(RuleError) -> Bool {
        let message = MessageBuilder(nftables: NFT_MSG_GETCHAIN, family: table.family, flags: NLM_F_ACK)
        message.put(UInt16(NFTA_CHAIN_TABLE.rawValue), text: table.name)
        message.put(UInt16(NFTA_CHAIN_NAME.rawValue), text: chain)
        return try request(message, reading: "chain \(chain) in table \(table)") != nil
    }
}
