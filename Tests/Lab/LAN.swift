package import Wire

/// A LAN: a switch in a namespace of its own, so that broadcast and multicast stay inside it.
package final class LAN: Segment {
    package let switchboard: Namespace
    package let prefix: IPPrefix
    package let prefix6: IPPrefix?
    package let delegatesIPv6 = false
    private var portCount = 0
    private var gateway: Link?

    init(_ label: String, prefix: String, prefix6: String? = nil, in run: Run) throws(LabError) {
        guard let prefix = IPPrefix(prefix) else { throw .unexpected("'\(prefix)' is no prefix") }
        self.prefix = prefix
        self.prefix6 = prefix6.flatMap { IPPrefix($0) }
        switchboard = try Namespace(label, in: run)
        // Frames that the bridge forwards are nobody's to filter or to track.
        try switchboard.shell(
            """
            sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 \
                net.bridge.bridge-nf-call-arptables=0
            ip link add br0 type bridge mcast_snooping 0 forward_delay 0
            ip link set br0 up
            """)
    }

    /// Joins the router that is this LAN's way out; it gets the first address.
    func plugGateway(_ router: Namespace, as interface: String) throws(LabError) -> Link {
        let link = try join(router, as: interface, at: 1)
        gateway = link
        return link
    }

    package func plug(_ namespace: Namespace, as interface: String) throws(LabError) -> Link {
        try join(namespace, as: interface, at: UInt64(portCount) + (gateway == nil ? 2 : 1))
    }

    package func route(_ prefix: IPPrefix, via link: Link) throws(LabError) {
        guard let gateway, let next = prefix.isIPv4 ? link.address : link.address6 else {
            throw .unexpected("\(switchboard.label) has no router that could route \(prefix)")
        }
        try gateway.namespace.run("ip", "route", "add", "\(prefix)", "via", "\(next)")
    }

    private func join(_ namespace: Namespace, as interface: String, at offset: UInt64) throws(LabError) -> Link {
        portCount += 1
        guard let address = prefix.address(at: offset) else {
            throw .unexpected("\(prefix) has no address left for \(namespace.label)")
        }
        let port = "p\(portCount)"
        try switchboard.shell(
            """
            ip link add \(port) type veth peer name \(interface) netns \(namespace.name)
            ip link set \(port) master br0 up
            """)
        return Link(
            namespace: namespace, interface: interface, far: switchboard, farInterface: port, address: address,
            prefix: prefix,
            gateway: gateway?.address, address6: prefix6?.address(at: offset), prefix6: prefix6,
            gateway6: gateway?.address6)
    }
}
