import CNetfilter
import Services
import Wire

// The table of one family, for a service at 10.96.0.1:80 with three backends:
//
//     table ip kubemesh {
//         map services  { 10.96.0.1 . tcp . 80 : goto random-3 }       # ClusterIP, load balancer
//         map nodeports { tcp . 30080 : goto at-random-3-np }
//         map guarded   { 203.0.113.9 . tcp . 80 : goto random-3 }     # services for some sources only
//         map endpoints { 10.96.0.1 . tcp . 80 . 0 : 10.244.1.5 . 8080 } # slots 0, 1, 2
//         map sticky    { 10.96.0.2 . tcp . 80 . 0 : 80 . 10.244.1.5 . 8080 }   # slots of services with affinity
//         map affinity  { 10.244.1.9 . 10.96.0.2 . tcp . 80 timeout 3h : 80 . 10.244.1.5 . 8080 }
//         set members   { 10.96.0.2 . tcp . 80 . 10.244.1.5 . 8080 }   # which remembered endpoints are still good
//         set sources, masqueraded, kept, addresses, pingable, hairpin, clients, ranges, nodes
//
//         chain prerouting, output { nat; goto dispatch }
//         chain dispatch { vmap @services; vmap @nodeports; echo request to @pingable redirect; to @ranges goto unmatched }
//         chain unmatched { to @addresses goto refuse; drop }
//         chain random-3 { dnat to daddr . protocol . dport . numgen random mod 3 map @endpoints }
//         chain postrouting { nat; hairpin, off-cluster clients and node ports masquerade }
//         chain invalid { filter prerouting; ct state invalid between cluster addresses drop }
//     }
//
// Nat chains see the first packet of a connection only, so packets of established ones cross no rule but `invalid`.
// Priorities are two before the usual -100 and 100: after nobody's, before Docker's, kube-proxy's, firewalld's and those of
// HostRules, whatever was started first.
enum ServiceLayout {
    /// Changes with any change of a set's type or a base chain's place; a table of another layout is made anew.
    static let version = "KubeMesh services, layout 1"

    static let services = "services"
    static let nodePorts = "nodeports"
    static let guarded = "guarded"
    static let endpoints = "endpoints"
    /// The slots of services with affinity.
    static let sticky = "sticky"
    static let affinity = "affinity"
    static let members = "members"
    static let sources = "sources"
    static let masqueraded = "masqueraded"
    static let kept = "kept"
    static let addresses = "addresses"
    static let pingable = "pingable"
    static let hairpin = "hairpin"
    static let clients = "clients"
    static let ranges = "ranges"
    static let nodeAddresses = "nodes"

    static let destinationPriority: Int32 = -102
    static let sourcePriority: Int32 = 98

    /// Clients that affinity remembers for each family; one more is served without it.
    static let affinityLimit: UInt32 = 1 << 16
    /// Own addresses that node ports were used at.
    static let nodeAddressLimit: UInt32 = 1 << 10

    static let sets: [SetDefinition] = [
        SetDefinition(services, [.address, .transport, .port], to: .verdict),
        SetDefinition(nodePorts, [.transport, .port], to: .verdict),
        SetDefinition(guarded, [.address, .transport, .port], to: .verdict),
        SetDefinition(endpoints, [.address, .transport, .port, .number], to: .fields([.address, .port])),
        SetDefinition(sticky, [.address, .transport, .port, .number], to: .fields([.port, .address, .port])),
        SetDefinition(
            affinity, [.address, .address, .transport, .port], to: .fields([.port, .address, .port]), isDynamic: true,
            expires: true, limit: affinityLimit),
        SetDefinition(members, [.address, .transport, .port, .address, .port]),
        SetDefinition(sources, [.address, .transport, .port, .address], isInterval: true),
        SetDefinition(masqueraded, [.address, .transport, .port]),
        SetDefinition(kept, [.address, .transport, .port]),
        SetDefinition(addresses, [.address]),
        SetDefinition(pingable, [.address]),
        SetDefinition(hairpin, [.address, .address]),
        SetDefinition(clients, [.address], isInterval: true),
        SetDefinition(ranges, [.address], isInterval: true),
        SetDefinition(nodeAddresses, [.address], isDynamic: true, limit: nodeAddressLimit),
    ]

    static let chains: [(String, Hook?)] = [
        ("prerouting", Hook(kind: .nat, number: NF_INET_PRE_ROUTING.rawValue, priority: destinationPriority)),
        ("output", Hook(kind: .nat, number: NF_INET_LOCAL_OUT.rawValue, priority: destinationPriority)),
        ("postrouting", Hook(kind: .nat, number: NF_INET_POST_ROUTING.rawValue, priority: sourcePriority)),
        ("invalid", Hook(kind: .filter, number: NF_INET_PRE_ROUTING.rawValue, priority: destinationPriority)),
        ("dispatch", nil), ("unmatched", nil), ("arrived", nil),
    ]

    /// Chains that others name, so they are always there.
    static let lastingChains: [ServiceChain] = [
        .refuse, .discard, .guarded(isOfNode: false), .guarded(isOfNode: true),
    ]

    /// The rules of `chains`.
    static func rules(of family: ServiceFamily) -> [(String, [ServiceStep])] {
        let go = [ServiceStep.verdict(.go("dispatch"))]
        return [("prerouting", go), ("output", go)] + dispatch(family) + sourceRules(family) + invalid(family)
    }

    private static func dispatch(_ family: ServiceFamily) -> [(String, [ServiceStep])] {
        let isEcho =
            [ServiceStep.transportProtocol(into: 0), .equals([family.isIPv4 ? 1 : 58], 0)]
            + [.transport(offset: 0, count: 1, into: 0), .equals([family.isIPv4 ? 8 : 128], 0)]
        func isTo(_ set: String) -> [ServiceStep] {
            [family.destination(into: 0), .look(in: set, key: 0, into: nil)]
        }
        return [
            ("dispatch", family.packetKey(ofNode: false) + [.branch(by: services, key: family.service)]),
            (
                "dispatch",
                [
                    .transportProtocol(into: family.transport), .transport(offset: 2, count: 2, into: family.port),
                    .branch(by: nodePorts, key: family.transport),
                ]
            ),
            ("dispatch", isEcho + isTo(pingable) + [.redirect]),
            ("dispatch", isTo(ranges) + [.verdict(.go("unmatched"))]),
            ("unmatched", isTo(addresses) + [.verdict(.go(ServiceChain.refuse.name))]),
            ("unmatched", [.verdict(.go(ServiceChain.discard.name))]),
        ]
    }

    private static func sourceRules(_ family: ServiceFamily) -> [(String, [ServiceStep])] {
        let translated = IPS_DST_NAT.rawValue.nativeBytes
        let node = [family.original(into: 0), ServiceStep.look(in: nodeAddresses, key: 0, into: nil)]
        func key(_ isOfNode: Bool, _ set: String) -> [ServiceStep] {
            family.originalKey(ofNode: isOfNode) + [.look(in: set, key: family.service, into: nil)]
        }
        // An endpoint that reaches itself by its service would answer itself past the translation.
        let isToItself: [ServiceStep] = [
            family.source(into: family.client), family.destination(into: family.service),
            .look(in: hairpin, key: family.client, into: nil),
        ]
        let hide = [ServiceStep.masquerade]
        return [
            (
                "postrouting",
                [
                    .connectionStatus(into: 0), .mask(translated, 0), .equals(UInt32(0).nativeBytes, 0),
                    .verdict(.leave),
                ]
            ),
            (
                "postrouting",
                [family.original(into: 0), .look(in: ranges, key: 0, into: nil), .verdict(.go("arrived"))]
            ),
            ("postrouting", isToItself + hide),
            ("postrouting", key(false, masqueraded) + hide),
            // Clients keep their address, but the host's own may be one that no answer finds.
            ("postrouting", family.isLocal(source: true) + key(false, kept) + hide),
            ("postrouting", node + key(true, masqueraded) + hide),
            ("postrouting", node + family.isLocal(source: true) + key(true, kept) + hide),
            ("arrived", isToItself + hide),
            ("arrived", [family.source(into: 0), .look(in: clients, key: 0, into: nil), .verdict(.leave)]),
            ("arrived", hide),
        ]
    }

    /// A packet outside its connection's window is not translated back. Its receiver would not know it and reset the
    /// connection, so it goes no further.
    private static func invalid(_ family: ServiceFamily) -> [(String, [ServiceStep])] {
        // The bit of `ct state invalid`, which has no constant.
        let state = UInt32(1).nativeBytes
        return [
            (
                "invalid",
                [
                    .connectionState(into: 0), .mask(state, 0), .differs(UInt32(0).nativeBytes, 0),
                    family.source(into: 0), .look(in: clients, key: 0, into: nil),
                    family.destination(into: 0), .look(in: clients, key: 0, into: nil),
                    .counter, .verdict(.drop),
                ]
            )
        ]
    }
}
