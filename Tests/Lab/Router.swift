import Wire

/// A router between the core (or another router's LAN: a CGNAT chain) and a LAN of its own.
package final class Router {
    /// How the router treats what passes. The names of the cone kinds are RFC 3489's; RFC 4787 speaks of
    /// endpoint-independent mapping with endpoint-independent, address-dependent, and address-and-port-dependent filtering.
    package enum Kind: String, CaseIterable, Sendable {
        /// No translation, no filter.
        case open
        /// No translation; lets in only answers.
        case firewall
        /// NAT1: one mapping for all destinations, anybody may answer.
        case fullCone
        /// NAT2: one mapping, only addresses that were sent to may answer.
        case addressRestricted
        /// NAT3: one mapping, only endpoints that were sent to may answer.
        case portRestricted
        /// NAT4: a new random port for each destination.
        case symmetric
        /// Linux's masquerade as home routers use it: keeps the port if it is free, lets in only answers.
        case masquerade

        package var translates: Bool { self != .open && self != .firewall }
    }

    package let namespace: Namespace
    package let kind: Kind
    /// The outer interface, wan0.
    package let wan: Link
    package let lan: LAN

    init(
        _ label: String, _ kind: Kind, between segment: any Segment, and prefix: String?, hasIPv6: Bool, in run: Run
    ) throws(LabError) {
        namespace = try Namespace(label, in: run)
        self.kind = kind
        try namespace.enableForwarding()
        wan = try segment.plug(namespace, as: "wan0")
        try wan.bringUp()

        let site = wan.prefix.address.bytes[2]
        let inner = prefix ?? (kind.translates ? "192.168.\(site).0/24" : "198.19.\(site).0/24")
        // Each uplink of the core has a /48: its first /64 is the uplink, the second the LAN behind it.
        let inner6 = hasIPv6 && segment is Core ? "2001:db8:\(String(site, radix: 16)):1::/64" : nil
        lan = try LAN(label + "-lan", prefix: inner, prefix6: inner6, in: run)
        try lan.plugGateway(namespace, as: "lan0").bringUp()
        if !kind.translates { try segment.route(lan.prefix, via: wan) }
        if let prefix6 = lan.prefix6 { try segment.route(prefix6, via: wan) }
        try namespace.loadRules(Self.rules(for: kind, outside: wan.address))
    }

    /// Makes the router forget every mapping and gives traffic new ones, as a home router does after a restart.
    ///
    /// Traffic is held up meanwhile: else packets in flight would teach it the old ports again.
    package func rebind() throws(LabError) {
        try namespace.loadRules(
            "table ip hold { chain pre { type filter hook prerouting priority raw; iifname \"lan0\" drop; }; }")
        let isCone = [.fullCone, .addressRestricted, .portRestricted].contains(kind)
        try namespace.shell(
            """
            \(isCone ? "for kind in 'map eim' 'map back' 'set sent'; do nft flush ${kind% *} ip natlab ${kind#* }; done" : "")
            conntrack -F 2>&1
            nft delete table ip hold
            """)
    }

    /// Lets no UDP out from here on.
    package func blockUDP() throws(LabError) {
        try namespace.loadRules(
            """
            table inet noudp {
                chain forward { type filter hook forward priority -10; iifname "lan0" meta l4proto udp drop; }
            }
            """)
    }
}
