package import Wire

/// Something that programs run in and that has addresses of its own behind a host.
package struct Container: Place {
    package let run: Run
    package let label: String
    package let entry: [String]
    package let namespacePath: String
    package let address: IPAddress
    package let address6: IPAddress?
}

/// Containers without an engine: bare namespaces on a bridge of the host, addressed as Docker or a CNI plugin would.
package final class ContainerBridge {
    package let host: Host
    package let interface: String
    package let prefix: IPPrefix
    package let prefix6: IPPrefix?
    private var containerCount = 0

    /// - Parameters:
    ///   - interface: the bridge's name, "docker0" or "cni0".
    ///   - masquerading: whether what leaves the host gets its address, as with Docker's default bridge.
    package init(
        on host: Host, interface: String = "docker0", prefix: String = "172.17.0.0/16", prefix6: String? = nil,
        masquerading: Bool = true
    ) throws(LabError) {
        guard let prefix = IPPrefix(prefix), let gateway = prefix.address(at: 1) else {
            throw .unexpected("'\(prefix)' is no prefix")
        }
        self.host = host
        self.interface = interface
        self.prefix = prefix
        self.prefix6 = prefix6.flatMap { IPPrefix($0) }
        try host.namespace.enableForwarding()
        try host.shell(
            """
            ip link add \(interface) type bridge forward_delay 0
            ip address add \(gateway)/\(prefix.length) dev \(interface)
            ip link set \(interface) up
            """)
        if let prefix6 = self.prefix6, let gateway6 = prefix6.address(at: 1) {
            try host.run("ip", "address", "add", "\(gateway6)/\(prefix6.length)", "dev", interface)
        }
        guard masquerading else { return }
        try host.loadRules(
            """
            table ip containers-\(interface) {
                chain post {
                    type nat hook postrouting priority srcnat;
                    ip saddr \(prefix) oifname != "\(interface)" masquerade
                }
            }
            """)
    }

    /// Starts a container: `label` alone, as the host's label is put before it.
    package func container(_ label: String) throws(LabError) -> Container {
        containerCount += 1
        let offset = UInt64(containerCount) + 1
        guard let address = prefix.address(at: offset), let gateway = prefix.address(at: 1) else {
            throw .unexpected("\(prefix) has no address left for \(label)")
        }
        let namespace = try Namespace("\(host.label).\(label)", in: host.run)
        try host.namespace.shell(
            """
            ip link add veth\(containerCount) type veth peer name eth0 netns \(namespace.name)
            ip link set veth\(containerCount) master \(interface) up
            """)
        let address6 = prefix6?.address(at: offset)
        try Link(
            namespace: namespace, interface: "eth0", far: host.namespace, farInterface: "veth\(containerCount)",
            address: address,
            prefix: prefix, gateway: gateway, address6: address6, prefix6: prefix6, gateway6: prefix6?.address(at: 1)
        ).bringUp()
        return Container(
            run: host.run, label: namespace.label, entry: namespace.entry, namespacePath: namespace.namespacePath,
            address: address, address6: address6)
    }
}

extension Host {
    /// Makes the host's forward policy that of one with Docker: drop, except what containers start themselves.
    package func dropForwardedAsDockerDoes(bridge: String = "docker0") throws(LabError) {
        try shell(
            """
            iptables -N DOCKER-USER
            iptables -A DOCKER-USER -j RETURN
            iptables -A FORWARD -j DOCKER-USER
            iptables -A FORWARD -o \(bridge) -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            iptables -A FORWARD -i \(bridge) ! -o \(bridge) -j ACCEPT
            iptables -A FORWARD -i \(bridge) -o \(bridge) -j ACCEPT
            iptables -P FORWARD DROP
            """)
    }
}
