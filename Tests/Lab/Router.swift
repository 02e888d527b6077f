import Wire

/// A router between the core (or another router's LAN: a CGNAT chain) and LANs of its own.
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
        /// NAT4 with the ports of one block, as carriers assign them to a subscriber (RFC 7422).
        case symmetricBlock
        /// NAT4 that gives each new flow the next port.
        case symmetricSequential
        /// Linux's masquerade as home routers use it: keeps the port if it is free, lets in only answers.
        case masquerade

        package var translates: Bool { self != .open && self != .firewall }

        var isCone: Bool { [.fullCone, .addressRestricted, .portRestricted].contains(self) }
    }

    package let namespace: Namespace
    package let kind: Kind
    /// Whether two hosts behind the router reach each other by its outer address (RFC 4787 §6).
    package let hairpins: Bool
    /// The outer interface, wan0.
    package private(set) var wan: Link
    package var lan: LAN { lans[0] }
    private var lans: [LAN] = []
    private let run: Run
    private var moveCount = 0

    init(
        _ label: String, _ kind: Kind, between segment: any Segment, and prefix: String?, hasIPv6: Bool,
        hairpins: Bool, in run: Run
    ) throws(LabError) {
        precondition(!hairpins || kind.isCone, "a router of kind \(kind) has no rules for hairpins")
        namespace = try Namespace(label, in: run)
        self.kind = kind
        self.hairpins = hairpins
        self.run = run
        try namespace.enableForwarding()
        wan = try segment.plug(namespace, as: "wan0")
        try wan.bringUp()

        let site = wan.prefix.address.bytes[2]
        let inner = prefix ?? (kind.translates ? "192.168.\(site).0/24" : "198.19.\(site).0/24")
        // Each uplink of the core has a /48: its first /64 is the uplink, the second the LAN behind it.
        let inner6 = hasIPv6 && segment.delegatesIPv6 ? "2001:db8:\(String(site, radix: 16)):1::/64" : nil
        let lan = try addLAN(prefix: inner, prefix6: inner6)
        if !kind.translates { try segment.route(lan.prefix, via: wan) }
        if let prefix6 = lan.prefix6 { try segment.route(prefix6, via: wan) }
        try namespace.loadRules(Self.translationRules(for: kind, outside: wan.address, hairpins: hairpins))
        try namespace.loadRules(Self.firewallRules(for: kind))
    }

    /// Adds a LAN. A NAT lets nothing pass from one of its LANs to another but by a hairpin.
    @discardableResult
    package func addLAN(prefix: String, prefix6: String? = nil) throws(LabError) -> LAN {
        let number = lans.count
        let lan = try LAN(
            namespace.label + (number == 0 ? "-lan" : "-lan\(number)"), prefix: prefix, prefix6: prefix6, in: run)
        try lan.plugGateway(namespace, as: "lan\(number)").bringUp()
        lans.append(lan)
        return lan
    }

    /// Makes the router forget every mapping and gives traffic new ones, as a home router does after a restart.
    package func rebind() throws(LabError) {
        let memory = ["map ip natlab eim", "map ip natlab back", "set ip natlab sent"]
        try whileHoldingTraffic(kind.isCone ? memory.map { "nft flush \($0)" } : [])
    }

    /// Gives the router another outer address, as a provider does once a day: every mapping is gone.
    package func changeAddress() throws(LabError) {
        moveCount += 1
        guard let address = wan.prefix.address(at: 76 + UInt64(moveCount)) else {
            throw .unexpected("\(wan.prefix) has no address left for \(namespace.label)")
        }
        let moved = wan.readdressed(to: address)
        let rules = Self.translationRules(for: kind, outside: address, hairpins: hairpins)
        try whileHoldingTraffic(
            ["ip -4 address flush dev wan0"] + moved.bringingUp()
                + (kind.translates ? ["nft delete table ip natlab", "nft -f - <<'END'\n\(rules)\nEND"] : []))
        wan = moved
    }

    /// Lets no UDP out from here on.
    ///
    /// - Parameter port: the one TCP port that is left open, as behind a strict proxy; all, if `nil`.
    package func blockUDP(andTCPExcept port: UInt16? = nil) throws(LabError) {
        let others = port.map { "iifname \"lan*\" tcp dport != \($0) drop;" } ?? ""
        try namespace.loadRules(
            """
            table inet noudp {
                chain forward {
                    type filter hook forward priority -10;
                    iifname "lan*" meta l4proto \(port == nil ? "udp" : "!= tcp") drop;
                    \(others)
                }
            }
            """)
    }

    /// Takes back `blockUDP`.
    package func allowUDP() throws(LabError) { try namespace.run("nft", "delete", "table", "inet", "noudp") }

    /// Runs lines of shell and forgets every flow while nothing comes from inside: else packets in flight would teach the
    /// router the old ports again. One shell for all, as what is measured meanwhile waits for it.
    private func whileHoldingTraffic(_ lines: [String]) throws(LabError) {
        let hold =
            "nft 'table ip hold { chain pre { type filter hook prerouting priority raw; iifname \"lan*\" drop; }; }'"
        try namespace.shell(
            ([hold] + lines + ["conntrack -F 2>&1", "nft delete table ip hold"]).joined(separator: "\n"))
    }
}
