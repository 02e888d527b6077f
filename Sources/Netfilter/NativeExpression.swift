import CNetfilter

/// An expression as libnftnl knows it: its kind and its attributes.
struct NativeExpression {
    private let name: String
    private var numbers: [(attribute: Int, value: UInt32)]
    private var blocks: [(attribute: Int, value: [UInt8])] = []
    private var text: (attribute: Int, value: String)?

    init(_ name: String, _ numbers: (Int, UInt32)...) {
        self.name = name
        self.numbers = numbers.map { (attribute: $0.0, value: $0.1) }
    }

    consuming func number(_ attribute: Int, _ value: UInt32) -> NativeExpression {
        numbers.append((attribute, value))
        return self
    }

    consuming func block(_ attribute: Int, _ value: [UInt8]) -> NativeExpression {
        blocks.append((attribute, value))
        return self
    }

    consuming func text(_ attribute: Int, _ value: String) -> NativeExpression {
        text = (attribute, value)
        return self
    }

    /// The libnftnl object; the rule that it is added to frees it.
    @unsafe
    func makeObject() -> OpaquePointer {
        guard let object = unsafe nftnl_expr_alloc(name) else { preconditionFailure("libnftnl lacks \(name)") }
        for (attribute, value) in numbers { unsafe nftnl_expr_set_u32(object, UInt16(attribute), value) }
        for (attribute, value) in blocks {
            unsafe nftnl_expr_set(object, UInt16(attribute), value, UInt32(value.count))
        }
        if let text { unsafe nftnl_expr_set_str(object, UInt16(text.attribute), text.value) }
        return unsafe object
    }
}

extension Expression {
    /// Most are one expression of the kernel's, some two.
    var native: [NativeExpression] {
        let register = UInt32(NFT_REG_1.rawValue)
        return switch self {
        case .inputInterface: [meta(NFT_META_IIFNAME)]
        case .outputInterface: [meta(NFT_META_OIFNAME)]
        case .networkProtocol: [meta(NFT_META_NFPROTO)]
        case .transportProtocol: [meta(NFT_META_L4PROTO)]
        case .networkHeader(let offset, let count): [payload(NFT_PAYLOAD_NETWORK_HEADER, offset, count)]
        case .transportHeader(let offset, let count): [payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, count)]
        case .originalDestination(let isIPv4):
            [
                connection(isIPv4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6)
                    .block(NFTNL_EXPR_CT_DIR, [UInt8(IP_CT_DIR_ORIGINAL.rawValue)])
            ]
        case .connectionState: [connection(NFT_CT_STATE)]
        case .destinationType:
            [
                NativeExpression("fib", (NFTNL_EXPR_FIB_DREG, register))
                    .number(NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE.rawValue)
                    .number(NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR.rawValue)
            ]
        case .mask(let mask):
            [
                NativeExpression(
                    "bitwise", (NFTNL_EXPR_BITWISE_SREG, register), (NFTNL_EXPR_BITWISE_DREG, register),
                    (NFTNL_EXPR_BITWISE_LEN, UInt32(mask.count))
                )
                .block(NFTNL_EXPR_BITWISE_MASK, mask)
                .block(NFTNL_EXPR_BITWISE_XOR, [UInt8](repeating: 0, count: mask.count))
            ]
        case .equals(let value): [compare(NFT_CMP_EQ, value)]
        case .differs(let value): [compare(NFT_CMP_NEQ, value)]
        case .map(let name, let id):
            [
                NativeExpression("lookup", (NFTNL_EXPR_LOOKUP_SREG, register), (NFTNL_EXPR_LOOKUP_DREG, register))
                    .number(NFTNL_EXPR_LOOKUP_SET_ID, id)
                    .text(NFTNL_EXPR_LOOKUP_SET, name)
            ]
        case .load(let target, let value):
            [NativeExpression("immediate", (NFTNL_EXPR_IMM_DREG, target)).block(NFTNL_EXPR_IMM_DATA, value)]
        case .translate(let direction, let isIPv4, let intoBlock): [translation(direction, isIPv4, intoBlock)]
        case .routeSegmentSize:
            [
                NativeExpression("rt", (NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS.rawValue), (NFTNL_EXPR_RT_DREG, register)),
                NativeExpression(
                    "byteorder", (NFTNL_EXPR_BYTEORDER_SREG, register), (NFTNL_EXPR_BYTEORDER_DREG, register),
                    (NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON.rawValue), (NFTNL_EXPR_BYTEORDER_LEN, 2),
                    (NFTNL_EXPR_BYTEORDER_SIZE, 2)),
            ]
        case .writeSegmentSize:
            [
                NativeExpression(
                    "exthdr", (NFTNL_EXPR_EXTHDR_SREG, register), (NFTNL_EXPR_EXTHDR_OFFSET, 2),
                    (NFTNL_EXPR_EXTHDR_LEN, 2), (NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT.rawValue)
                )
                .block(NFTNL_EXPR_EXTHDR_TYPE, [2])
            ]
        case .counter: [NativeExpression("counter")]
        case .verdict(.accept): [verdict(NF_ACCEPT)]
        case .verdict(.drop): [verdict(NF_DROP)]
        case .verdict(.jump(let chain)): [verdict(NFT_JUMP.rawValue).text(NFTNL_EXPR_IMM_CHAIN, chain)]
        }
    }

    private func meta(_ key: nft_meta_keys) -> NativeExpression {
        NativeExpression(
            "meta", (NFTNL_EXPR_META_KEY, key.rawValue), (NFTNL_EXPR_META_DREG, UInt32(NFT_REG_1.rawValue)))
    }

    private func connection(_ key: nft_ct_keys) -> NativeExpression {
        NativeExpression("ct", (NFTNL_EXPR_CT_KEY, key.rawValue), (NFTNL_EXPR_CT_DREG, UInt32(NFT_REG_1.rawValue)))
    }

    private func payload(_ base: nft_payload_bases, _ offset: UInt32, _ count: UInt32) -> NativeExpression {
        NativeExpression(
            "payload", (NFTNL_EXPR_PAYLOAD_BASE, base.rawValue), (NFTNL_EXPR_PAYLOAD_OFFSET, offset),
            (NFTNL_EXPR_PAYLOAD_LEN, count), (NFTNL_EXPR_PAYLOAD_DREG, UInt32(NFT_REG_1.rawValue)))
    }

    private func compare(_ operation: nft_cmp_ops, _ value: [UInt8]) -> NativeExpression {
        NativeExpression(
            "cmp", (NFTNL_EXPR_CMP_SREG, UInt32(NFT_REG_1.rawValue)), (NFTNL_EXPR_CMP_OP, operation.rawValue)
        )
        .block(NFTNL_EXPR_CMP_DATA, value)
    }

    private func translation(_ direction: Direction, _ isIPv4: Bool, _ intoBlock: Bool) -> NativeExpression {
        let type = direction == .source ? NFT_NAT_SNAT : NFT_NAT_DNAT
        let toAddress = NativeExpression(
            "nat", (NFTNL_EXPR_NAT_TYPE, type.rawValue),
            (NFTNL_EXPR_NAT_FAMILY, UInt32(isIPv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)),
            (NFTNL_EXPR_NAT_REG_ADDR_MIN, UInt32(NFT_REG_1.rawValue)))
        guard intoBlock else { return toAddress }
        return
            toAddress
            .number(NFTNL_EXPR_NAT_REG_ADDR_MAX, UInt32(NFT_REG_2.rawValue))
            .number(NFTNL_EXPR_NAT_FLAGS, UInt32(NF_NAT_RANGE_NETMAP))
    }

    private func verdict(_ code: Int32) -> NativeExpression {
        NativeExpression("immediate", (NFTNL_EXPR_IMM_DREG, UInt32(NFT_REG_VERDICT.rawValue)))
            .number(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: code))
    }
}
