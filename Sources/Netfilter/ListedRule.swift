import CNetfilter
import Netlink

/// A rule of somebody's chain, as far as needed to find ours.
///
/// Read by our own cursor: libnftnl ends the whole process at an attribute that it does not expect.
struct ListedRule: Hashable, Sendable {
    let handle: UInt64
    /// The interface that it compares with first, and whether packets come in there or go out.
    private(set) var interface: String?
    private(set) var isInput = false
    private(set) var comment: String?

    var isOurs: Bool { comment == ForwardAccept.comment }

    /// Reads `NFT_MSG_NEWRULE`; `nil` for other messages.
    init?(parsing message: NetlinkMessage) {
        guard message.type == Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(NFT_MSG_NEWRULE.rawValue) else { return nil }
        let attributes = message.cursor(after: nfgenmsg.self)
        guard let handle = attributes.first(UInt16(NFTA_RULE_HANDLE.rawValue))?.bigEndian(UInt64.self) else {
            return nil
        }
        self.handle = handle
        if let data = attributes.first(UInt16(NFTA_RULE_USERDATA.rawValue)) {
            comment = Rule.comment(inUserData: Array(data.payload))
        }
        guard var steps = attributes.first(UInt16(NFTA_RULE_EXPRESSIONS.rawValue))?.nested else { return }
        var loaded: UInt32?
        while let step = steps.next() { read(step.nested, &loaded) }
    }

    /// One expression; `loaded` is what of the packet's circumstances the latest one of them took.
    private mutating func read(_ expression: AttributeCursor, _ loaded: inout UInt32?) {
        guard let data = expression.first(UInt16(NFTA_EXPR_DATA.rawValue))?.nested else { return }
        switch expression.first(UInt16(NFTA_EXPR_NAME.rawValue))?.text {
        case "meta":
            loaded = data.first(UInt16(NFTA_META_KEY.rawValue))?.bigEndian(UInt32.self)
        case "cmp" where interface == nil:
            guard loaded == NFT_META_IIFNAME.rawValue || loaded == NFT_META_OIFNAME.rawValue else { return }
            let value = data.first(UInt16(NFTA_CMP_DATA.rawValue))?.nested.first(UInt16(NFTA_DATA_VALUE.rawValue))
            interface = value?.text ?? ""
            isInput = loaded == NFT_META_IIFNAME.rawValue
        case "match" where comment == nil:
            // The form of iptables itself: `-m comment`, whose data is the zero-filled text.
            guard data.first(UInt16(NFTA_MATCH_NAME.rawValue))?.text == "comment" else { return }
            comment = data.first(UInt16(NFTA_MATCH_INFO.rawValue))?.text
        default: return
        }
    }
}
