/// A host: a network namespace with its own name, /run, and changes to /etc, /usr and /var that only it sees.
///
/// Those folders are overlays in a mount namespace, kept by a process that sleeps for the host's life.
package final class Host: Place {
    package let run: Run
    package let label: String
    package let namespace: Namespace
    /// Plugged-in interfaces, eth0 first.
    package private(set) var links: [Link] = []
    private let keeper: Program

    package var entry: [String] {
        run.marking + ["nsenter", "--target", "\(keeper.pid)", "--mount", "--uts", "--net", "--"]
    }

    init(_ label: String, in run: Run) throws(LabError) {
        self.run = run
        self.label = label
        namespace = try Namespace(label, in: run)
        keeper = try Program(
            namespace.entry + [
                "unshare", "--mount", "--uts", "--propagation", "private", "--", "sh", "-ec",
                """
                mount -t tmpfs -o mode=755 lab /run
                for folder in etc usr var; do
                    mkdir -p /run/lab/$folder/upper /run/lab/$folder/work
                    mount -t overlay lab /$folder \
                        -o lowerdir=/$folder,upperdir=/run/lab/$folder/upper,workdir=/run/lab/$folder/work
                done
                hostname \(label)
                echo \(label) >/etc/hostname
                echo ready
                exec sleep infinity
                """,
            ], logPath: "\(run.folder)/\(label)-keeper.log")
        try keeper.waitForLog("ready")
    }

    package var namespacePath: String { namespace.namespacePath }

    /// What to type for a shell in this host.
    package var shellCommand: String { "nsenter --target \(keeper.pid) --mount --uts --net bash" }

    /// The interface that was plugged in first.
    package var uplink: Link { links[0] }

    /// A file of this host as the machine itself finds it.
    package func path(of file: String) -> String { "/proc/\(keeper.pid)/root\(file)" }

    /// Adds an interface on `segment`; each further one is a less preferred way out.
    @discardableResult
    package func plug(into segment: any Segment) throws(LabError) -> Link {
        let link = try segment.plug(namespace, as: "eth\(links.count)")
        links.append(link)
        try link.bringUp(metric: 100 * links.count)
        return link
    }

    /// Lets the host tell nobody, from here on, that a port is closed or a packet not wanted.
    package func fallSilent() throws(LabError) {
        try loadRules(
            """
            table inet silent {
                chain out { type filter hook output priority 0; meta l4proto { icmp, ipv6-icmp } drop; }
            }
            """)
    }

    /// Takes an interface up again after `Link.takeDown()`.
    package func bringUp(_ link: Link) throws(LabError) {
        let order = links.firstIndex { $0.interface == link.interface } ?? 0
        try link.bringUp(metric: 100 * (order + 1))
    }
}
