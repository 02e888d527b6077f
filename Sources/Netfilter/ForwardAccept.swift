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
