import Wire

extension Router {
    /// The nftables table `natlab` that makes a NAT of this kind; nothing for a router that does not translate.
    static func translationRules(for kind: Kind, outside: IPAddress, hairpins: Bool) -> String {
        switch kind {
        case .open, .firewall: ""
        case .fullCone: coneRules(outside: outside, admitting: "", hairpins: hairpins)
        case .addressRestricted: coneRules(outside: outside, admitting: "ip saddr", hairpins: hairpins)
        case .portRestricted: coneRules(outside: outside, admitting: "ip saddr . udp sport", hairpins: hairpins)
        case .symmetric: plainRules(masquerade: "masquerade fully-random", dropsInput: true)
        case .symmetricBlock: plainRules(masquerade: "masquerade to :40960-43007 fully-random", dropsInput: true)
        case .symmetricSequential:
            plainRules(masquerade: "masquerade to :\(nextPort)", dropsInput: true)
        case .masquerade: plainRules(masquerade: "masquerade", dropsInput: false)
        }
    }

    /// The filter for what is not translated: IPv6, and everything behind a firewall.
    static func firewallRules(for kind: Kind) -> String {
        guard kind != .open else { return "" }
        return """
            table \(kind == .firewall ? "inet" : "ip6") wall {
                chain forward {
                    type filter hook forward priority filter; policy drop;
                    iifname "lan*" accept
                    iifname "wan0" ct state established,related accept
                    meta l4proto ipv6-icmp accept
                }
            }

            """
    }

    /// A NAT with one mapping for all destinations. Linux has none, so what it has sent is learnt in maps:
    /// `eim` from inner to outer endpoint, `back` the other way, `sent` who may answer.
    ///
    /// - Parameters:
    ///   - sender: what of a packet's source must have been sent to before it is let in; all, if empty.
    ///   - hairpins: whether a packet from inside to the outer address comes in again, from its sender's outer endpoint.
    private static func coneRules(outside: IPAddress, admitting sender: String, hairpins: Bool) -> String {
        let receiver = sender.replacing("saddr", with: "daddr").replacing("sport", with: "dport")
        let ports = sender.contains("sport") ? " . inet_service" : ""
        let learn = "oifname \"wan0\" ip saddr \(outside) meta l4proto udp ct direction"
        let life = "flags dynamic,timeout; timeout 30s; size 65535;"
        let remembers = !sender.isEmpty
        let admits =
            "ct status dnat meta l4proto udp \(remembers ? "ip daddr . udp dport . \(sender) @sent " : "")accept"
        func whereHairpins(_ rule: String) -> String { hairpins ? rule : "" }
        return """
            table ip natlab {
                map eim { type ipv4_addr . inet_service : ipv4_addr . inet_service; \(life) }
                map back { type inet_service : ipv4_addr . inet_service; \(life) }
                set sent { type ipv4_addr . inet_service . ipv4_addr\(ports); \(life) }
                chain pre {
                    type nat hook prerouting priority dstnat;
                    iifname "wan0" meta l4proto udp dnat ip to udp dport map @back
                    \(whereHairpins("iifname \"lan*\" ip daddr \(outside) meta l4proto udp dnat ip to udp dport map @back"))
                }
                chain post {
                    type nat hook postrouting priority srcnat;
                    oifname "wan0" meta l4proto udp snat ip to ip saddr . udp sport map @eim
                    oifname "wan0" meta l4proto udp masquerade fully-random
                    oifname "wan0" masquerade
                    \(whereHairpins("oifname \"lan*\" ct status dnat snat ip to ip saddr . udp sport map @eim"))
                }
                chain learn {
                    type filter hook postrouting priority srcnat + 10;
                    \(learn) original update @eim { ct original ip saddr . ct original proto-src : ip saddr . udp sport }
                    \(learn) original update @back { udp sport : ct original ip saddr . ct original proto-src }
                    \(learn) reply update @eim { ct reply ip saddr . ct reply proto-src : ip saddr . udp sport }
                    \(learn) reply update @back { udp sport : ct reply ip saddr . ct reply proto-src }
                }
                chain forward {
                    type filter hook forward priority filter; policy drop;
                    \(remembers ? "iifname \"lan*\" meta l4proto udp update @sent { ip saddr . udp sport . \(receiver) }" : "")
                    iifname "lan*" oifname "wan0" accept
                    iifname "wan0" ct state established,related accept
                    iifname "wan0" \(admits)
                    \(whereHairpins("iifname \"lan*\" oifname \"lan*\" ct status dnat ct state established,related accept"))
                    \(whereHairpins("iifname \"lan*\" oifname \"lan*\" \(admits)"))
                }
                \(inputChain)
            }

            """
    }

    /// A counter of new flows as a port. Its numbers are in the machine's order of bytes and a port is not: hence the map.
    private static let nextPort: String = {
        let ports = (0..<2048).map { "\($0) : \(40960 + $0)" }
        return "numgen inc mod \(ports.count) map { \(ports.joined(separator: ", ")) }"
    }()

    private static func plainRules(masquerade: String, dropsInput: Bool) -> String {
        """
        table ip natlab {
            chain post {
                type nat hook postrouting priority srcnat;
                oifname "wan0" meta l4proto udp \(masquerade)
                oifname "wan0" masquerade
            }
            chain forward {
                type filter hook forward priority filter; policy drop;
                iifname "lan*" oifname "wan0" accept
                iifname "wan0" ct state established,related accept
            }
            \(dropsInput ? inputChain : "")
        }

        """
    }

    /// An unsolicited packet that the router answered would take the port of the punch that comes later.
    private static var inputChain: String {
        """
        chain input {
                type filter hook input priority filter;
                iifname "wan0" ct state established,related accept
                iifname "wan0" meta l4proto { tcp, udp } drop
            }
        """
    }
}
