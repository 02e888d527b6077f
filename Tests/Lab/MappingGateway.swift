package import Wire

/// miniupnpd on a router: a gateway that maps ports by PCP, NAT-PMP and UPnP, and opens pinholes for IPv6.
///
/// It refuses to map for the lab's own WAN addresses, which are reserved for tests; the router gets another one besides, by
/// which it then translates, with a new random port for each destination: what is not mapped is as hard to reach as it gets.
package final class MappingGateway {
    package enum Method: String, CaseIterable, Sendable {
        case pcp = "PCP"
        case natPMP = "NAT-PMP"
        case upnp = "UPnP"
    }

    /// The address that it maps ports of.
    package let outside: IPAddress
    private let router: Router
    private let configuration: String
    private var daemon: Program

    /// - Parameters:
    ///   - methods: what it answers.
    ///   - lifetimeSeconds: the longest lease that it gives.
    package init(
        on router: Router, in core: Core, methods: Set<Method> = Set(Method.allCases), lifetimeSeconds: Int = 86_400
    ) throws(LabError) {
        self.router = router
        let site = router.wan.prefix.address.bytes[2]
        guard let prefix = IPPrefix("203.0.114.\(site)/32") else {
            throw .unexpected("there is no outside address for router \(site)")
        }
        outside = prefix.address
        try core.route(prefix, via: router.wan)
        try router.namespace.run("ip", "address", "add", "\(prefix)", "dev", "wan0")
        try router.namespace.run("nft", "flush", "ruleset")
        try router.namespace.loadRules(Self.rules(outside: outside) + Self.deafness(except: methods))
        configuration = "\(router.namespace.run.folder)/\(router.namespace.label)-miniupnpd.conf"
        let text = """
            ext_ifname=wan0
            ext_ip=\(outside)
            listening_ip=lan0
            enable_natpmp=yes
            enable_upnp=\(methods.contains(.upnp) ? "yes" : "no")
            min_lifetime=1
            max_lifetime=\(lifetimeSeconds)
            secure_mode=yes
            upnp_table_name=gateway
            upnp_nat_table_name=gateway
            upnp_forward_chain=mappings
            upnp_nat_chain=mappings_in
            upnp_nat_postrouting_chain=mappings_out
            allow 1024-65535 0.0.0.0/0 1024-65535
            deny 0-65535 0.0.0.0/0 0-65535

            """
        try router.namespace.run("tee", configuration, input: text)
        daemon = try Self.start(on: router, configuration)
    }

    /// Starts the daemon anew, as after a loss of power: all mappings are forgotten.
    package func restart() throws(LabError) {
        daemon.stop()
        try router.namespace.shell(
            "for chain in mappings mappings_in mappings_out; do nft flush chain inet gateway $chain; done")
        daemon = try Self.start(on: router, configuration)
    }

    /// What it has mapped, as its rules say it.
    package func mappings() throws(LabError) -> String {
        try ["mappings_in", "mappings"].map { chain throws(LabError) in
            try router.namespace.run("nft", "list", "chain", "inet", "gateway", chain)
        }.joined()
    }

    private static func start(on router: Router, _ configuration: String) throws(LabError) -> Program {
        let place = router.namespace
        let daemon = try place.start(
            "miniupnpd", "-d", "-f", configuration, "-P", "\(place.run.folder)/\(place.label)-miniupnpd.pid",
            log: "miniupnpd")
        try daemon.waitForLog("Listening for NAT-PMP/PCP traffic")
        return daemon
    }

    private static func rules(outside: IPAddress) -> String {
        """
        table inet gateway {
            chain forward {
                type filter hook forward priority filter; policy drop;
                jump mappings
                iifname "lan0" accept
                ct state established,related accept
                meta l4proto ipv6-icmp accept
            }
            chain in {
                type nat hook prerouting priority dstnat;
                jump mappings_in
            }
            chain out {
                type nat hook postrouting priority srcnat;
                jump mappings_out
                oifname "wan0" meta nfproto ipv4 snat ip to \(outside) fully-random
            }
            chain mappings {
            }
            chain mappings_in {
            }
            chain mappings_out {
            }
        }

        """
    }

    /// The daemon has one switch for PCP and NAT-PMP, which differ in their first byte.
    private static func deafness(except methods: Set<Method>) -> String {
        let versions = [(Method.natPMP, 0), (.pcp, 2)].filter { !methods.contains($0.0) }
        return """
            table inet deaf {
                chain in {
                    type filter hook input priority filter;
                    \(versions.map { "udp dport 5351 @th,64,8 \($0.1) drop" }.joined(separator: "\n        "))
                }
            }

            """
    }
}
