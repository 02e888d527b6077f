import CNetfilter
import Wire

// The rules as nftables has them, for one mapped block:
//
//     table inet kubemesh {
//         chain prerouting {                    # nat, just before everybody else's translation of destinations
//             fib daddr type local accept
//             iifname "mesh0" jump inbound
//             iifname "docker0" jump inbound    # another container of this host by its mesh address
//         }
//         chain output { ... jump inbound }     # the host itself
//         chain inbound { ip daddr 10.130.7.0/24 dnat ip prefix to 172.17.0.0/24 }
//         chain postrouting {                   # nat, just before Docker's masquerade: the first translation stays
//             oifname "mesh0" jump outbound
//             ct original ip daddr 10.128.0.0/9 jump outbound
//         }
//         chain outbound { ip saddr 172.17.0.0/24 snat ip prefix to 10.130.7.0/24 }
//         chain clamp { ... tcp option maxseg size set rt mtu }
//         chain forward { iifname "mesh0" jump arriving }
//         chain arriving { accept what is for the mesh or answers a connection, drop the rest }
//         chain redirects { oifname "mesh0" icmp type redirect drop }
//     }
extension HostRules {
    /// The changes that put these rules in the place of whatever the table held before.
    var transaction: Transaction {
        var transaction = Transaction()
        let table = TableID.own
        // Made first, so that deleting it cannot fail.
        transaction.add(table)
        transaction.delete(table)
        transaction.add(table)
        let inbound = addressMaps(direction: .destination)
        let outbound = addressMaps(direction: .source)
        for map in inbound + outbound { transaction.addMap(map, to: table) }
        for (name, hook) in Self.chains { transaction.addChain(name, hook: hook, to: table) }
        for (chain, expressions) in destinationRules(inbound) + sourceRules(outbound) + clampRules + arrivalRules
            + redirectRules
        {
            transaction.addRule(Rule(table, chain, expressions))
        }
        return transaction
    }

    private static let destinationPriority: Int32 = -101
    private static let sourcePriority: Int32 = 99
    private static let manglePriority: Int32 = -150

    private static let chains: [(String, Hook?)] = [
        ("prerouting", Hook(kind: .nat, number: NF_INET_PRE_ROUTING.rawValue, priority: destinationPriority)),
        ("output", Hook(kind: .nat, number: NF_INET_LOCAL_OUT.rawValue, priority: destinationPriority)),
        ("inbound", nil),
        ("postrouting", Hook(kind: .nat, number: NF_INET_POST_ROUTING.rawValue, priority: sourcePriority)),
        ("outbound", nil),
        ("clamp", Hook(kind: .filter, number: NF_INET_FORWARD.rawValue, priority: manglePriority)),
        ("forward", Hook(kind: .filter, number: NF_INET_FORWARD.rawValue, priority: 0)),
        ("arriving", nil),
        ("redirects", Hook(kind: .filter, number: NF_INET_LOCAL_OUT.rawValue, priority: 0)),
    ]

    private typealias ChainRules = [(String, [Expression])]

    private var blocks: [Mapping] { mappings.filter { !$0.mesh.isSingleAddress } }

    /// Interfaces of mapped containers, each once, in a lasting order.
    private var bridges: [String] { Set(mappings.map(\.bridge)).sorted() }

    private func addressMaps(direction: Expression.Direction) -> [AddressMap] {
        let name = direction == .destination ? "inbound" : "outbound"
        return [true, false].compactMap { isIPv4 in
            let singles = mappings.filter { $0.mesh.isSingleAddress && $0.mesh.isIPv4 == isIPv4 }
            guard !singles.isEmpty else { return nil }
            let elements = singles.map { mapping in
                direction == .destination
                    ? AddressMap.Element(key: mapping.mesh.address, value: mapping.containers.address)
                    : AddressMap.Element(key: mapping.containers.address, value: mapping.mesh.address)
            }
            let id: UInt32 = (direction == .destination ? 1 : 3) + (isIPv4 ? 0 : 1)
            return AddressMap(name: name + (isIPv4 ? "4" : "6"), id: id, isIPv4: isIPv4, elements: elements)
        }
    }

    private func destinationRules(_ maps: [AddressMap]) -> ChainRules {
        // What is the host's own stays with the host, also where a mapped block covers it.
        let ownAddress: [Expression] = [
            .destinationType, .equals(UInt32(RTN_LOCAL).nativeBytes), .verdict(.accept),
        ]
        var rules: ChainRules = [("prerouting", ownAddress)]
        for name in [interface] + bridges {
            rules.append(("prerouting", Expression.isFrom(name) + [.verdict(.jump("inbound"))]))
        }
        for prefix in identities {
            rules.append(("prerouting", Expression.has(.source, in: prefix) + [.verdict(.jump("inbound"))]))
        }
        rules += [("output", ownAddress), ("output", [.verdict(.jump("inbound"))])]
        for block in blocks {
            let translation = Expression.translate(.destination, to: block.containers)
            rules.append(("inbound", Expression.has(.destination, in: block.mesh) + translation))
        }
        for map in maps { rules.append(("inbound", Expression.translate(.destination, by: map))) }
        return rules
    }

    private func sourceRules(_ maps: [AddressMap]) -> ChainRules {
        let jump = [Expression.verdict(.jump("outbound"))]
        var rules: ChainRules = [("postrouting", Expression.isTo(interface) + jump)]
        // Containers of this host that meet by mesh addresses: without it the answer would go past the translation.
        for prefix in meshPrefixes { rules.append(("postrouting", Expression.wasSent(to: prefix) + jump)) }
        for block in blocks {
            let translation = Expression.translate(.source, to: block.mesh)
            rules.append(("outbound", Expression.has(.source, in: block.containers) + translation))
        }
        for map in maps { rules.append(("outbound", Expression.translate(.source, by: map))) }
        for prefix in identities {
            let translation = Expression.translate(.source, to: prefix)
            rules.append(("outbound", Expression.has(.source, in: prefix) + translation))
        }
        return rules
    }

    /// SYN packets either way announce no larger segment than the mesh carries; containers assume their bridge's MTU.
    private var clampRules: ChainRules {
        let isSYN: [Expression] = [
            .transportProtocol, .equals([UInt8(IPPROTO_TCP)]),
            .transportHeader(offset: 13, count: 1), .mask([0x06]), .equals([0x02]),
        ]
        return [Expression.isTo(interface), Expression.isFrom(interface)].map { direction in
            ("clamp", direction + isSYN + [.routeSegmentSize, .writeSegmentSize])
        }
    }

    private var arrivalRules: ChainRules {
        let accept = [Expression.verdict(.accept)]
        let answered = UInt32(1 << IP_CT_ESTABLISHED.rawValue | 1 << IP_CT_RELATED.rawValue) << 1
        var rules: ChainRules = [
            ("forward", Expression.isFrom(interface) + [.verdict(.jump("arriving"))]),
            (
                "arriving",
                [.connectionState, .mask(answered.nativeBytes), .differs(UInt32(0).nativeBytes)] + accept
            ),
        ]
        for prefix in meshPrefixes + identities + gateways {
            rules.append(("arriving", Expression.wasSent(to: prefix) + accept))
        }
        rules.append(("arriving", [.counter, .verdict(.drop)]))
        return rules
    }

    /// A stock client's packets for other nodes leave by the interface that they came in by, and the kernel would tell the
    /// client, packet for packet, to send them straight to their destination.
    private var redirectRules: ChainRules {
        let isRedirect: [Expression] = [
            .networkProtocol, .equals([UInt8(NFPROTO_IPV4)]),
            .transportProtocol, .equals([UInt8(IPPROTO_ICMP)]),
            .transportHeader(offset: 0, count: 1), .equals([5]),
        ]
        return [("redirects", Expression.isTo(interface) + isRedirect + [.verdict(.drop)])]
    }
}

extension UInt32 {
    /// The bytes as they lie in memory, for values that nftables keeps in the machine's order.
    var nativeBytes: [UInt8] {
        unsafe withUnsafeBytes(of: self) { unsafe Array($0) }
    }
}
