import CNetfilter
import Wire

/// One step of a rule. Values pass through register 1; a translation to a block takes its bounds from registers 1 and 2.
///
/// The forms are those that the `nft` program writes, so that it lists our rules as one would type them.
enum Expression: Hashable, Sendable {
    enum Direction: Hashable, Sendable {
        case source
        case destination
    }

    enum Verdict: Hashable, Sendable {
        case accept
        case drop
        case jump(String)
    }

    case inputInterface
    case outputInterface
    /// IPv4 or IPv6, one byte.
    case networkProtocol
    case transportProtocol
    case networkHeader(offset: UInt32, count: UInt32)
    case transportHeader(offset: UInt32, count: UInt32)
    /// The destination that the connection's first packet was sent to, before any translation.
    case originalDestination(isIPv4: Bool)
    case connectionState
    /// What the destination is to this host (`RTN_*`), four bytes in the machine's order.
    case destinationType
    case mask([UInt8])
    case equals([UInt8])
    case differs([UInt8])
    /// Replaces the key by its value in a map; a key that is not there ends the rule.
    case map(name: String, id: UInt32)
    case load(register: UInt32, [UInt8])
    /// Translates to the address in register 1, or one to one into the block between registers 1 and 2.
    case translate(Direction, isIPv4: Bool, intoBlock: Bool)
    /// The largest TCP segment that the route and the route back take, in network order.
    case routeSegmentSize
    /// Lowers the segment size that a SYN announces (TCP option 2).
    case writeSegmentSize
    case counter
    case verdict(Verdict)
}

extension Expression {
    /// The libnftnl objects, which the rule they are added to frees.
    @unsafe
    func makeObjects() -> [OpaquePointer] {
        switch self {
        case .inputInterface: unsafe [meta(NFT_META_IIFNAME)]
        case .outputInterface: unsafe [meta(NFT_META_OIFNAME)]
        case .networkProtocol: unsafe [meta(NFT_META_NFPROTO)]
        case .transportProtocol: unsafe [meta(NFT_META_L4PROTO)]
        case .networkHeader(let offset, let count):
            unsafe [payload(NFT_PAYLOAD_NETWORK_HEADER, offset, count)]
        case .transportHeader(let offset, let count):
            unsafe [payload(NFT_PAYLOAD_TRANSPORT_HEADER, offset, count)]
        case .originalDestination(let isIPv4):
            unsafe [
                make(
                    "ct",
                    [
                        (NFTNL_EXPR_CT_KEY, isIPv4 ? NFT_CT_DST_IP.rawValue : NFT_CT_DST_IP6.rawValue),
                        (NFTNL_EXPR_CT_DREG, Self.register),
                    ],
                    bytes: [(NFTNL_EXPR_CT_DIR, [UInt8(IP_CT_DIR_ORIGINAL.rawValue)])])
            ]
        case .connectionState:
            unsafe [make("ct", [(NFTNL_EXPR_CT_KEY, NFT_CT_STATE.rawValue), (NFTNL_EXPR_CT_DREG, Self.register)])]
        case .destinationType:
            unsafe [
                make(
                    "fib",
                    [
                        (NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE.rawValue),
                        (NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR.rawValue), (NFTNL_EXPR_FIB_DREG, Self.register),
                    ])
            ]
        case .mask(let mask):
            unsafe [
                make(
                    "bitwise",
                    [
                        (NFTNL_EXPR_BITWISE_SREG, Self.register), (NFTNL_EXPR_BITWISE_DREG, Self.register),
                        (NFTNL_EXPR_BITWISE_LEN, UInt32(mask.count)),
                    ],
                    bytes: [
                        (NFTNL_EXPR_BITWISE_MASK, mask),
                        (NFTNL_EXPR_BITWISE_XOR, [UInt8](repeating: 0, count: mask.count)),
                    ])
            ]
        case .equals(let value): unsafe [compare(NFT_CMP_EQ, value)]
        case .differs(let value): unsafe [compare(NFT_CMP_NEQ, value)]
        case .map(let name, let id):
            unsafe [
                make(
                    "lookup",
                    [
                        (NFTNL_EXPR_LOOKUP_SREG, Self.register), (NFTNL_EXPR_LOOKUP_DREG, Self.register),
                        (NFTNL_EXPR_LOOKUP_SET_ID, id),
                    ], text: (NFTNL_EXPR_LOOKUP_SET, name))
            ]
        case .load(let register, let value):
            unsafe [make("immediate", [(NFTNL_EXPR_IMM_DREG, register)], bytes: [(NFTNL_EXPR_IMM_DATA, value)])]
        case .translate(let direction, let isIPv4, let intoBlock):
            unsafe [translation(direction, isIPv4, intoBlock)]
        case .routeSegmentSize: unsafe segmentSizeObjects()
        case .writeSegmentSize:
            unsafe [
                make(
                    "exthdr",
                    [
                        (NFTNL_EXPR_EXTHDR_SREG, Self.register), (NFTNL_EXPR_EXTHDR_OFFSET, 2),
                        (NFTNL_EXPR_EXTHDR_LEN, 2), (NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT.rawValue),
                    ],
                    bytes: [(NFTNL_EXPR_EXTHDR_TYPE, [2])])
            ]
        case .counter: unsafe [make("counter", [])]
        case .verdict(let verdict): unsafe [verdictObject(verdict)]
        }
    }

    private static let register = UInt32(NFT_REG_1.rawValue)

    private func meta(_ key: nft_meta_keys) -> OpaquePointer {
        unsafe make("meta", [(NFTNL_EXPR_META_KEY, key.rawValue), (NFTNL_EXPR_META_DREG, Self.register)])
    }

    private func payload(_ base: nft_payload_bases, _ offset: UInt32, _ count: UInt32) -> OpaquePointer {
        unsafe make(
            "payload",
            [
                (NFTNL_EXPR_PAYLOAD_BASE, base.rawValue), (NFTNL_EXPR_PAYLOAD_OFFSET, offset),
                (NFTNL_EXPR_PAYLOAD_LEN, count), (NFTNL_EXPR_PAYLOAD_DREG, Self.register),
            ])
    }

    private func compare(_ operation: nft_cmp_ops, _ value: [UInt8]) -> OpaquePointer {
        unsafe make(
            "cmp", [(NFTNL_EXPR_CMP_SREG, Self.register), (NFTNL_EXPR_CMP_OP, operation.rawValue)],
            bytes: [(NFTNL_EXPR_CMP_DATA, value)])
    }

    private func translation(_ direction: Direction, _ isIPv4: Bool, _ intoBlock: Bool) -> OpaquePointer {
        let type = direction == .source ? NFT_NAT_SNAT : NFT_NAT_DNAT
        var values = [
            (NFTNL_EXPR_NAT_TYPE, type.rawValue),
            (NFTNL_EXPR_NAT_FAMILY, UInt32(isIPv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)),
            (NFTNL_EXPR_NAT_REG_ADDR_MIN, Self.register),
        ]
        if intoBlock {
            values.append((NFTNL_EXPR_NAT_REG_ADDR_MAX, UInt32(NFT_REG_2.rawValue)))
            values.append((NFTNL_EXPR_NAT_FLAGS, UInt32(NF_NAT_RANGE_NETMAP)))
        }
        return unsafe make("nat", values)
    }

    private func segmentSizeObjects() -> [OpaquePointer] {
        let load = unsafe make(
            "rt", [(NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS.rawValue), (NFTNL_EXPR_RT_DREG, Self.register)])
        let order = unsafe make(
            "byteorder",
            [
                (NFTNL_EXPR_BYTEORDER_SREG, Self.register), (NFTNL_EXPR_BYTEORDER_DREG, Self.register),
                (NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON.rawValue), (NFTNL_EXPR_BYTEORDER_LEN, 2),
                (NFTNL_EXPR_BYTEORDER_SIZE, 2),
            ])
        return unsafe [load, order]
    }

    private func verdictObject(_ verdict: Verdict) -> OpaquePointer {
        let (code, chain): (Int32, String?) =
            switch verdict {
            case .accept: (NF_ACCEPT, nil)
            case .drop: (NF_DROP, nil)
            case .jump(let chain): (NFT_JUMP.rawValue, chain)
            }
        return unsafe make(
            "immediate",
            [
                (NFTNL_EXPR_IMM_DREG, UInt32(NFT_REG_VERDICT.rawValue)),
                (NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: code)),
            ], text: chain.map { (NFTNL_EXPR_IMM_CHAIN, $0) })
    }

    private func make(
        _ name: String, _ values: [(Int, UInt32)], bytes: [(Int, [UInt8])] = [], text: (Int, String)? = nil
    ) -> OpaquePointer {
        guard let object = unsafe nftnl_expr_alloc(name) else { preconditionFailure("libnftnl lacks \(name)") }
        for (attribute, value) in values { unsafe nftnl_expr_set_u32(object, UInt16(attribute), value) }
        for (attribute, value) in bytes {
            unsafe nftnl_expr_set(object, UInt16(attribute), value, UInt32(value.count))
        }
        if let text { unsafe nftnl_expr_set_str(object, UInt16(text.0), text.1) }
        return unsafe object
    }
}
