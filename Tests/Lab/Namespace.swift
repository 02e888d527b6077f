/// A network namespace: a host's, a router's, a switch's or a container's.
package final class Namespace: Place {
    package let run: Run
    package let label: String

    /// As `ip netns` knows it.
    package var name: String { run.prefix + label }
    package var namespacePath: String { "/run/netns/\(name)" }
    package var entry: [String] { run.marking + ["nsenter", "--net=\(namespacePath)", "--"] }

    /// Addresses answer at once (no duplicate detection), and a host may have two uplinks (no reverse-path filter).
    init(_ label: String, in run: Run) throws(LabError) {
        self.run = run
        self.label = label
        try Command(["ip", "netns", "add", name]).run()
        try shell(
            """
            ip link set lo up
            sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
                net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
            """)
    }

    /// Lets packets pass through this namespace.
    func enableForwarding() throws(LabError) {
        try run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    }
}
