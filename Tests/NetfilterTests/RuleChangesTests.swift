import CNetfilter
import Netfilter
import Netlink
import SansIO
import Testing

@Suite struct RuleChangesTests {
    /// A notice of the kernel about an object of a table.
    private func notice(_ type: nf_tables_msg_types, family: Int, table: String, chain: String) -> [UInt8] {
        let message = MessageBuilder(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue), flags: 0)
        message.put(structure: nfgenmsg(nfgen_family: UInt8(family), version: 0, res_id: 0))
        message.put(UInt16(NFTA_RULE_TABLE.rawValue), text: table)
        message.put(UInt16(NFTA_RULE_CHAIN.rawValue), text: chain)
        return message.bytes
    }

    private func changes(_ bytes: [UInt8]) -> RuleChanges {
        NetlinkMessage.split(bytes).reduce(into: []) { $0.formUnion(RuleChanges(parsing: $1)) }
    }

    @Test func `notices are told apart by table and family`() {
        let (ip, inet) = (Int(NFPROTO_IPV4), Int(NFPROTO_INET))
        #expect(changes(notice(NFT_MSG_NEWRULE, family: ip, table: "filter", chain: "DOCKER-USER")) == .forwarding)
        #expect(changes(notice(NFT_MSG_DELRULE, family: inet, table: "kubemesh", chain: "clamp")) == .ownTable)
        #expect(changes(notice(NFT_MSG_NEWRULE, family: inet, table: "filter", chain: "DOCKER-USER")).isEmpty)
        #expect(changes(notice(NFT_MSG_DELRULE, family: ip, table: "kubemesh", chain: "dispatch")) == .services)
        #expect(changes(notice(NFT_MSG_NEWRULE, family: Int(NFPROTO_ARP), table: "kubemesh", chain: "x")).isEmpty)
        #expect(changes(notice(NFT_MSG_NEWRULE, family: ip, table: "nat", chain: "POSTROUTING")).isEmpty)
    }

    @Test func `a notice cut at any length or mutated is read or passed over`() {
        let whole = notice(NFT_MSG_NEWRULE, family: Int(NFPROTO_IPV4), table: "filter", chain: "DOCKER-USER")
        for length in whole.indices { #expect(changes(Array(whole[..<length])).isEmpty) }
        var random = SeededRandom(seed: 11)
        for _ in 0..<20_000 {
            var bytes = whole
            let index = Int.random(in: bytes.indices, using: &random)
            bytes[index] = UInt8.random(in: 0...255, using: &random)
            #expect(changes(bytes).isSubset(of: [.forwarding, .ownTable]))
        }
    }
}
