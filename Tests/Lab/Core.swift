package import Wire

/// The internet of the lab: routes between uplinks, each a /24 of 198.18.0.0/15 and a /64 of 2001:db8::/32.
///
/// Private ranges are unreachable here, as they are outside. Uplinks can be cut from one another and healed, and
/// every packet that passes is counted by the uplinks it came from and went to.
package final class Core: Segment {
    /// What passed from one uplink to another.
    package struct Flow: Equatable, Sendable {
        package let packets: Int
        package let bytes: Int
    }

    package let namespace: Namespace
    package let delegatesIPv6 = true
    private var uplinkCount = 0

    init(in run: Run) throws(LabError) {
        namespace = try Namespace("core", in: run)
        try namespace.enableForwarding()
        try namespace.shell(
            """
            for prefix in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10; do
                ip route add unreachable $prefix
            done
            """)
        try namespace.loadRules(
            """
            table inet lab {
                set cut { type ifname . ifname; }
                set lone { type ifname; }
                chain forward {
                    type filter hook forward priority filter;
                    iifname . oifname @cut drop
                    iifname @lone drop
                    oifname @lone drop
                }
            }
            """)
    }

    package func plug(_ other: Namespace, as interface: String) throws(LabError) -> Link {
        uplinkCount += 1
        let number = uplinkCount
        precondition(number < 256, "the core has addresses for 255 uplinks")
        let far = "u\(number)"
        guard let prefix = IPPrefix("198.18.\(number).0/24"), let address = prefix.address(at: 2),
            let gateway = prefix.address(at: 1),
            let prefix6 = IPPrefix("2001:db8:\(String(number, radix: 16))::/64"),
            let address6 = prefix6.address(at: 2), let gateway6 = prefix6.address(at: 1)
        else { preconditionFailure("uplink \(number) has no addresses") }
        try namespace.shell(
            """
            ip link add \(far) type veth peer name \(interface) netns \(other.name)
            ip address add \(gateway)/24 dev \(far)
            ip address add \(gateway6)/64 dev \(far)
            ip link set \(far) up
            """)
        return Link(
            namespace: other, interface: interface, far: namespace, farInterface: far, address: address, prefix: prefix,
            gateway: gateway, address6: address6, prefix6: prefix6, gateway6: gateway6)
    }

    package func route(_ prefix: IPPrefix, via link: Link) throws(LabError) {
        guard let gateway = prefix.isIPv4 ? link.address : link.address6 else { return }
        try namespace.run("ip", "route", "add", "\(prefix)", "via", "\(gateway)")
    }

    /// Drops everything between two uplinks, both ways.
    package func cut(_ one: Link, from other: Link) throws(LabError) {
        try namespace.run("nft", "add", "element", "inet", "lab", "cut", pairs(one, other))
    }

    /// Lets two uplinks that were cut reach each other again.
    package func heal(_ one: Link, and other: Link) throws(LabError) {
        try namespace.run("nft", "delete", "element", "inet", "lab", "cut", pairs(one, other))
    }

    /// Drops everything to and from an uplink, and tells nobody.
    package func isolate(_ link: Link) throws(LabError) {
        try namespace.run("nft", "add", "element", "inet", "lab", "lone", "{ \"\(link.farInterface)\" }")
    }

    /// Lets an isolated uplink reach the others again.
    package func readmit(_ link: Link) throws(LabError) {
        try namespace.run("nft", "delete", "element", "inet", "lab", "lone", "{ \"\(link.farInterface)\" }")
    }

    /// Counts what passes from one uplink to another from now on; see `flow(from:to:)`.
    package func count(from one: Link, to other: Link) throws(LabError) {
        try namespace.run(
            "nft", "insert rule inet lab forward iifname \(one.farInterface) oifname \(other.farInterface) counter")
    }

    /// What has passed since `count(from:to:)`.
    package func flow(from one: Link, to other: Link) throws(LabError) -> Flow {
        let rules = try namespace.run("nft", "list", "chain", "inet", "lab", "forward")
        let wanted = "iifname \"\(one.farInterface)\" oifname \"\(other.farInterface)\" counter packets "
        for line in rules.split(separator: "\n") {
            guard let range = line.firstRange(of: wanted) else { continue }
            let words = line[range.upperBound...].split(separator: " ")
            guard words.count >= 3, let packets = Int(words[0]), let bytes = Int(words[2]) else { continue }
            return Flow(packets: packets, bytes: bytes)
        }
        throw .unexpected("nothing is counted from \(one.namespace.label) to \(other.namespace.label)")
    }

    private func pairs(_ one: Link, _ other: Link) -> String {
        let (a, b) = (one.farInterface, other.farInterface)
        return "{ \"\(a)\" . \"\(b)\", \"\(b)\" . \"\(a)\" }"
    }
}
