import CNetfilter

/// One step of a rule for services, with the registers that it reads and writes.
///
/// Registers are the kernel's sixteen of four bytes, numbered from 0. A value chosen by one step is the key of the next, so
/// that neither a packet mark nor a chain for each endpoint is needed. A rule reads only what it has itself loaded: newer
/// kernels insist on it.
enum ServiceStep: Hashable, Sendable {
    enum Change: Hashable, Sendable {
        /// A key that is there keeps its value and its timer.
        case add
        /// A key that is there keeps its value; its timer starts anew.
        case update
        case delete
    }

    enum Answer: Hashable, Sendable {
        case reset
        case portUnreachable
    }

    enum Verdict: Hashable, Sendable {
        case drop
        case leave
        case go(String)
    }

    case network(offset: UInt32, count: UInt32, into: UInt32)
    case transport(offset: UInt32, count: UInt32, into: UInt32)
    case transportProtocol(into: UInt32)
    case connectionState(into: UInt32)
    case connectionStatus(into: UInt32)
    /// Of the connection's first packet, before any translation.
    case originalDestination(isIPv4: Bool, into: UInt32)
    case originalPort(into: UInt32)
    /// What an address of the packet is to this host (`RTN_*`).
    case addressType(ofSource: Bool, into: UInt32)
    case value([UInt8], into: UInt32)
    case mask([UInt8], UInt32)
    case equals([UInt8], UInt32)
    case differs([UInt8], UInt32)
    /// A number from `offset` on, below `offset` and `count`.
    case random(count: UInt32, offset: UInt32, into: UInt32)
    case next(count: UInt32, offset: UInt32, into: UInt32)
    case hash(of: UInt32, bytes: UInt32, count: UInt32, offset: UInt32, into: UInt32)
    /// Ends the rule unless the key is in the set; of a map, puts the value into a register.
    case look(in: String, key: UInt32, into: UInt32?)
    case branch(by: String, key: UInt32)
    /// Ends the rule if it cannot be done, such as for a full set.
    case change(Change, set: String, key: UInt32, value: UInt32?, seconds: UInt32)
    case translateDestination(isIPv4: Bool, address: UInt32, port: UInt32)
    case masquerade
    case redirect
    case refuse(Answer, isIPv4: Bool)
    case counter
    case verdict(Verdict)

    /// Fixed, so that a client keeps its slot when the rules are written anew.
    private static let hashSeed: UInt32 = 0x6b75_6265

    private static func number(of register: UInt32) -> UInt32 { UInt32(NFT_REG32_00.rawValue) + register }

    /// Each is one expression of the kernel's.
    var native: NativeExpression {
        switch self {
        case .network(let offset, let count, let target): payload(NFT_PAYLOAD_NETWORK_HEADER, offset, count, target)
        case .transport(let offset, let count, let target):
            payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, count, target)
        case .transportProtocol(let target):
            NativeExpression(
                "meta", (NFTNL_EXPR_META_KEY, NFT_META_L4PROTO.rawValue),
                (NFTNL_EXPR_META_DREG, Self.number(of: target)))
        case .connectionState(let target): connection(NFT_CT_STATE, target)
        case .connectionStatus(let target): connection(NFT_CT_STATUS, target)
        case .originalDestination(let isIPv4, let target):
            connection(isIPv4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, target)
                .block(NFTNL_EXPR_CT_DIR, [UInt8(IP_CT_DIR_ORIGINAL.rawValue)])
        case .originalPort(let target):
            connection(NFT_CT_PROTO_DST, target).block(NFTNL_EXPR_CT_DIR, [UInt8(IP_CT_DIR_ORIGINAL.rawValue)])
        case .addressType(let ofSource, let target):
            NativeExpression(
                "fib", (NFTNL_EXPR_FIB_DREG, Self.number(of: target)),
                (NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE.rawValue),
                (NFTNL_EXPR_FIB_FLAGS, ofSource ? NFTA_FIB_F_SADDR.rawValue : NFTA_FIB_F_DADDR.rawValue))
        case .value(let bytes, let target):
            NativeExpression("immediate", (NFTNL_EXPR_IMM_DREG, Self.number(of: target)))
                .block(NFTNL_EXPR_IMM_DATA, bytes)
        case .mask(let mask, let register):
            NativeExpression(
                "bitwise", (NFTNL_EXPR_BITWISE_SREG, Self.number(of: register)),
                (NFTNL_EXPR_BITWISE_DREG, Self.number(of: register)), (NFTNL_EXPR_BITWISE_LEN, UInt32(mask.count))
            )
            .block(NFTNL_EXPR_BITWISE_MASK, mask)
            .block(NFTNL_EXPR_BITWISE_XOR, [UInt8](repeating: 0, count: mask.count))
        case .equals(let bytes, let register): compare(NFT_CMP_EQ, bytes, register)
        case .differs(let bytes, let register): compare(NFT_CMP_NEQ, bytes, register)
        case .random(let count, let offset, let target): numbered(NFT_NG_RANDOM, count, offset, target)
        case .next(let count, let offset, let target): numbered(NFT_NG_INCREMENTAL, count, offset, target)
        case .hash(let source, let bytes, let count, let offset, let target):
            NativeExpression(
                "hash", (NFTNL_EXPR_HASH_SREG, Self.number(of: source)),
                (NFTNL_EXPR_HASH_DREG, Self.number(of: target)), (NFTNL_EXPR_HASH_LEN, bytes),
                (NFTNL_EXPR_HASH_MODULUS, count), (NFTNL_EXPR_HASH_SEED, Self.hashSeed),
                (NFTNL_EXPR_HASH_OFFSET, offset), (NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS.rawValue))
        case .look(let set, let key, let target): lookUp(set, key, target.map(Self.number(of:)))
        case .branch(let map, let key): lookUp(map, key, UInt32(NFT_REG_VERDICT.rawValue))
        case .change(let change, let set, let key, let value, let seconds):
            dynamic(change, set, key, value, seconds)
        case .translateDestination(let isIPv4, let address, let port):
            NativeExpression(
                "nat", (NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT.rawValue),
                (NFTNL_EXPR_NAT_FAMILY, UInt32(isIPv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)),
                (NFTNL_EXPR_NAT_REG_ADDR_MIN, Self.number(of: address)),
                (NFTNL_EXPR_NAT_REG_PROTO_MIN, Self.number(of: port)))
        case .masquerade:
            NativeExpression("masq", (NFTNL_EXPR_MASQ_FLAGS, UInt32(NF_NAT_RANGE_PROTO_RANDOM_FULLY)))
        case .redirect: NativeExpression("redir")
        case .refuse(let answer, let isIPv4): refusal(answer, isIPv4)
        case .counter: NativeExpression("counter")
        case .verdict(.drop): verdict(NF_DROP)
        case .verdict(.leave): verdict(NFT_RETURN.rawValue)
        case .verdict(.go(let chain)): verdict(NFT_GOTO.rawValue).text(NFTNL_EXPR_IMM_CHAIN, chain)
        }
    }

    private func payload(_ base: nft_payload_bases, _ offset: UInt32, _ count: UInt32, _ target: UInt32)
        -> NativeExpression
    {
        NativeExpression(
            "payload", (NFTNL_EXPR_PAYLOAD_BASE, base.rawValue), (NFTNL_EXPR_PAYLOAD_OFFSET, offset),
            (NFTNL_EXPR_PAYLOAD_LEN, count), (NFTNL_EXPR_PAYLOAD_DREG, Self.number(of: target)))
    }

    private func connection(_ key: nft_ct_keys, _ target: UInt32) -> NativeExpression {
        NativeExpression("ct", (NFTNL_EXPR_CT_KEY, key.rawValue), (NFTNL_EXPR_CT_DREG, Self.number(of: target)))
    }

    private func compare(_ operation: nft_cmp_ops, _ value: [UInt8], _ register: UInt32) -> NativeExpression {
        NativeExpression(
            "cmp", (NFTNL_EXPR_CMP_SREG, Self.number(of: register)), (NFTNL_EXPR_CMP_OP, operation.rawValue)
        )
        .block(NFTNL_EXPR_CMP_DATA, value)
    }

    private func numbered(_ type: nft_ng_types, _ count: UInt32, _ offset: UInt32, _ target: UInt32)
        -> NativeExpression
    {
        NativeExpression(
            "numgen", (NFTNL_EXPR_NG_DREG, Self.number(of: target)), (NFTNL_EXPR_NG_MODULUS, count),
            (NFTNL_EXPR_NG_TYPE, type.rawValue), (NFTNL_EXPR_NG_OFFSET, offset))
    }

    private func lookUp(_ set: String, _ key: UInt32, _ target: UInt32?) -> NativeExpression {
        let look = NativeExpression("lookup", (NFTNL_EXPR_LOOKUP_SREG, Self.number(of: key)))
            .text(NFTNL_EXPR_LOOKUP_SET, set)
        guard let target else { return look }
        return look.number(NFTNL_EXPR_LOOKUP_DREG, target)
    }

    private func dynamic(_ change: Change, _ set: String, _ key: UInt32, _ value: UInt32?, _ seconds: UInt32)
        -> NativeExpression
    {
        let operation =
            switch change {
            case .add: NFT_DYNSET_OP_ADD
            case .update: NFT_DYNSET_OP_UPDATE
            case .delete: NFT_DYNSET_OP_DELETE
            }
        var step = NativeExpression(
            "dynset", (NFTNL_EXPR_DYNSET_OP, operation.rawValue), (NFTNL_EXPR_DYNSET_SREG_KEY, Self.number(of: key))
        )
        .text(NFTNL_EXPR_DYNSET_SET_NAME, set)
        if let value { step = step.number(NFTNL_EXPR_DYNSET_SREG_DATA, Self.number(of: value)) }
        guard seconds > 0 else { return step }
        let milliseconds = UInt64(seconds) * 1000
        return step.block(NFTNL_EXPR_DYNSET_TIMEOUT, unsafe withUnsafeBytes(of: milliseconds) { unsafe Array($0) })
    }

    private func refusal(_ answer: Answer, _ isIPv4: Bool) -> NativeExpression {
        switch answer {
        case .reset:
            NativeExpression("reject", (NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST.rawValue))
                .block(NFTNL_EXPR_REJECT_CODE, [0])
        case .portUnreachable:
            // Port unreachable is 3 in ICMP (RFC 792) and 4 in ICMPv6 (RFC 4443 §3.1).
            NativeExpression("reject", (NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH.rawValue))
                .block(NFTNL_EXPR_REJECT_CODE, [isIPv4 ? 3 : 4])
        }
    }

    private func verdict(_ code: Int32) -> NativeExpression {
        NativeExpression("immediate", (NFTNL_EXPR_IMM_DREG, UInt32(NFT_REG_VERDICT.rawValue)))
            .number(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: code))
    }
}
