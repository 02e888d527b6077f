import Wire

extension Router {
    /// The nftables rules that make a router of this kind.
    static func rules(for kind: Kind, outside: IPAddress) -> String {
        let translation =
            switch kind {
            case .open, .firewall: ""
            case .fullCone: coneRules(outside: outside, admitting: "")
            case .addressRestricted: coneRules(outside: outside, admitting: "ip saddr")
            case .portRestricted: coneRules(outside: outside, admitting: "ip saddr . udp sport")
            case .symmetric: plainRules(masquerade: "masquerade fully-random", dropsInput: true)
            case .masquerade: plainRules(masquerade: "masquerade", dropsInput: false)
            }
        return translation + (kind == .open ? "" : firewallRules(for: kind == .firewall ? "inet" : "ip6"))
    }

    /// A NAT with one mapping for all destinations. Linux has none, so what it has sent is learnt in maps:
    /// `eim` from inner to outer endpoint, `back` the other way, `sent` who may answer.
    ///
    /// - Parameter sender: what of a packet's source must have been sent to before it is let in; all, if empty.
    private static func coneRules(outside: IPAddress, admitting sender: String) -> String {
        let receiver = sender.replacing("saddr", with: "daddr").replacing("sport", with: "dport")
        let ports = sender.contains("sport") ? " . inet_service" : ""
        let learn = "oifname \"wan0\" ip saddr \(outside) meta l4proto udp ct direction"
        let life = "flags dynamic,timeout; timeout 30s; size 65535;"
        let remembers = !sender.isEmpty
        return """
            table ip natlab {
                map eim { type ipv4_addr . inet_service : ipv4_addr . inet_service; \(life) }
                map back { type inet_service : ipv4_addr . inet_service; \(life) }
                set sent { type ipv4_addr . inet_service . ipv4_addr\(ports); \(life) }
                chain pre {
                    type nat hook prerouting priority dstnat;
                    iifname "wan0" meta l4proto udp dnat ip to udp dport map @back
                }
                chain post {
                    type nat hook postrouting priority srcnat;
                    oifname "wan0" meta l4proto udp snat ip to ip saddr . udp sport map @eim
                    oifname "wan0" meta l4proto udp masquerade fully-random
                    oifname "wan0" masquerade
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
                    \(remembers ? "iifname \"lan0\" meta l4proto udp update @sent { ip saddr . udp sport . \(receiver) }" : "")
                    iifname "lan0" oifname "wan0" accept
                    iifname "wan0" ct state established,related accept
                    iifname "wan0" ct status dnat meta l4proto udp \
            \(remembers ? "ip daddr . udp dport . \(sender) @sent " : "")accept
                }
                \(inputChain)
            }

            """
    }

    private static func plainRules(masquerade: String, dropsInput: Bool) -> String {
        """
        table ip natlab {
            chain post {
                type nat hook postrouting priority srcnat;
                oifname "wan0" \(masquerade)
            }
            chain forward {
                type filter hook forward priority filter; policy drop;
                iifname "lan0" oifname "wan0" accept
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

    private static func firewallRules(for family: String) -> String {
        """
        table \(family) wall {
            chain forward {
                type filter hook forward priority filter; policy drop;
                iifname "lan0" accept
                iifname "wan0" ct state established,related accept
                meta l4proto ipv6-icmp accept
            }
        }

        """
    }
}
