package import Wire

/// A network that hosts and routers are plugged into: the core or a LAN.
package protocol Segment: AnyObject {
    /// Joins `namespace` to this network by a new interface and returns the addresses it is to have.
    func plug(_ namespace: Namespace, as interface: String) throws(LabError) -> Link

    /// Whether a router that is plugged in here has a /64 of IPv6 for its LAN.
    var delegatesIPv6: Bool { get }

    /// Sends what is meant for `prefix` to the router that owns `link`.
    func route(_ prefix: IPPrefix, via link: Link) throws(LabError)
}

/// One plugged-in interface with its addresses and its way out.
package struct Link {
    package let namespace: Namespace
    package let interface: String
    /// The namespace at the other end of the cable: the core or a switch.
    package let far: Namespace
    /// The interface there.
    package let farInterface: String
    package let address: IPAddress
    package let prefix: IPPrefix
    package let gateway: IPAddress?
    package let address6: IPAddress?
    package let prefix6: IPPrefix?
    package let gateway6: IPAddress?

    /// Takes the interface up, with its addresses and default routes; also after `takeDown()`, which loses them.
    package func bringUp(metric: Int = 100) throws(LabError) {
        try namespace.shell(bringingUp(metric: metric).joined(separator: "\n"))
    }

    /// The lines of shell that do this.
    func bringingUp(metric: Int = 100) -> [String] {
        var lines = [
            "ip link set \(interface) up", "ip address replace \(address)/\(prefix.length) dev \(interface)",
        ]
        if let gateway {
            lines.append("ip route replace default via \(gateway) dev \(interface) metric \(metric)")
        }
        if let address6, let prefix6 {
            lines.append("ip address replace \(address6)/\(prefix6.length) dev \(interface)")
            if let gateway6 {
                lines.append("ip -6 route replace default via \(gateway6) dev \(interface) metric \(metric)")
            }
        }
        return lines
    }

    /// Takes IPv4 off the interface; `bringUp()` puts it back.
    package func loseIPv4() throws(LabError) {
        try namespace.run("ip", "-4", "address", "flush", "dev", interface)
    }

    /// The same link with another address of its prefix.
    func readdressed(to address: IPAddress) -> Link {
        Link(
            namespace: namespace, interface: interface, far: far, farInterface: farInterface, address: address,
            prefix: prefix, gateway: gateway, address6: address6, prefix6: prefix6, gateway6: gateway6)
    }

    /// Takes the interface down; its routes and IPv6 addresses go with it.
    package func takeDown() throws(LabError) {
        try namespace.run("ip", "link", "set", interface, "down")
    }
}
