import CNetfilter
import Netlink
import SansIO
import Testing

@testable import Netfilter

@Suite struct ListedRuleTests {
    /// `iifname "mesh0" ...`, with a comment as nft keeps it or as iptables does.
    private func rule(type: Int = Int(NFT_MSG_NEWRULE.rawValue), hasNativeComment: Bool = true) -> [UInt8] {
        let message = MessageBuilder(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | type, flags: 0)
        message.put(structure: nfgenmsg(nfgen_family: 2, version: 0, res_id: 0))
        message.put(UInt16(NFTA_RULE_TABLE.rawValue), text: "filter")
        message.put(UInt16(NFTA_RULE_HANDLE.rawValue), bytes: [0, 0, 0, 0, 0, 0, 1, 2])
        message.nest(UInt16(NFTA_RULE_EXPRESSIONS.rawValue)) { steps in
            steps.nest(UInt16(NFTA_LIST_ELEM.rawValue)) { step in
                step.put(UInt16(NFTA_EXPR_NAME.rawValue), text: "meta")
                step.nest(UInt16(NFTA_EXPR_DATA.rawValue)) {
                    $0.put(UInt16(NFTA_META_KEY.rawValue), bytes: [0, 0, 0, UInt8(NFT_META_IIFNAME.rawValue)])
                }
            }
            steps.nest(UInt16(NFTA_LIST_ELEM.rawValue)) { step in
                step.put(UInt16(NFTA_EXPR_NAME.rawValue), text: "cmp")
                step.nest(UInt16(NFTA_EXPR_DATA.rawValue)) { data in
                    data.nest(UInt16(NFTA_CMP_DATA.rawValue)) {
                        $0.put(UInt16(NFTA_DATA_VALUE.rawValue), bytes: Array("mesh0".utf8) + [0, 0, 0])
                    }
                }
            }
            if hasNativeComment { return }
            steps.nest(UInt16(NFTA_LIST_ELEM.rawValue)) { step in
                step.put(UInt16(NFTA_EXPR_NAME.rawValue), text: "match")
                step.nest(UInt16(NFTA_EXPR_DATA.rawValue)) { data in
                    data.put(UInt16(NFTA_MATCH_NAME.rawValue), text: "comment")
                    data.put(UInt16(NFTA_MATCH_INFO.rawValue), bytes: Array("kubemesh".utf8) + [0, 0])
                }
            }
        }
        if hasNativeComment {
            let text = Array("kubemesh".utf8) + [0]
            message.put(UInt16(NFTA_RULE_USERDATA.rawValue), bytes: [0, UInt8(text.count)] + text)
        }
        return message.bytes
    }

    @Test(arguments: [true, false])
    func `a rule tells its interface and its comment, in either form`(hasNativeComment: Bool) throws {
        let message = try #require(NetlinkMessage.split(rule(hasNativeComment: hasNativeComment)).first)
        let listed = try #require(ListedRule(parsing: message))
        #expect(listed.handle == 258)
        #expect(listed.interface == "mesh0" && listed.isInput)
        #expect(listed.comment == "kubemesh" && listed.isOurs)
    }

    @Test func `another message is no rule`() throws {
        let other = try #require(NetlinkMessage.split(rule(type: Int(NFT_MSG_NEWCHAIN.rawValue))).first)
        #expect(ListedRule(parsing: other) == nil)
    }

    @Test func `a rule cut or changed anywhere is read or refused`() throws {
        let whole = rule()
        var random = SeededRandom(seed: 5)
        for round in 0..<20_000 {
            var bytes = whole
            let index = Int.random(in: 16..<bytes.count, using: &random)
            bytes[index] = UInt8.random(in: 0...255, using: &random)
            if round.isMultiple(of: 2) { bytes.removeLast(Int.random(in: 0..<64, using: &random) & ~3) }
            bytes[0] = UInt8(bytes.count & 255)
            bytes[1] = UInt8(bytes.count >> 8)
            let message = try #require(NetlinkMessage.split(bytes).first)
            #expect((ListedRule(parsing: message)?.interface?.utf8.count ?? 0) <= whole.count)
        }
    }
}
