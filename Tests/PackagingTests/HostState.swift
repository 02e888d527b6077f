import Lab

/// What KubeMesh changes on a host, as text: rules, links, addresses, routes, kernel settings.
struct HostState {
    /// The output of each command that was asked.
    let answers: [(command: String, text: String)]

    private static let commands = [
        "nft list ruleset",
        "ip -o link show | sed 's/ state .*//'",
        "ip -o address show | sed 's/ valid_lft.*//'",
        "ip rule show", "ip -6 rule show",
        "ip route show table all", "ip -6 route show table all | sed 's/ expires [0-9]*sec//'",
        // Counters and random values move by themselves.
        """
        find /proc/sys/net -type f -readable ! -name '*_count' ! -name stable_secret ! -name flush | sort |
            while read -r key; do echo "$key $(cat $key 2>/dev/null || true)"; done
        """,
    ]

    init(of machine: Machine) throws {
        answers = try Self.commands.map { (command: $0, text: try machine.host.namespace.shell($0)) }
    }

    /// Lines that are in one state only, marked with where they come from.
    func difference(to later: HostState) -> [String] {
        zip(answers, later.answers).flatMap { before, after -> [String] in
            let old = before.text.split(separator: "\n")
            let new = after.text.split(separator: "\n")
            let gone = Set(old).subtracting(new).sorted().map { "gone: \($0)" }
            let added = Set(new).subtracting(old).sorted().map { "left: \($0)" }
            return gone + added
        }
    }
}

extension Machine {
    /// Files and folders that no package owns, without those that apt, dpkg and systemd keep for themselves.
    func ownFiles() throws -> Set<String> {
        let listing = try shell(
            """
            find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
                -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
                -o -path /var/lib/systemd -o -path /var/tmp \\) -prune -o -print | sort >/tmp/found
            cat /var/lib/dpkg/info/*.list | sort -u >/tmp/owned
            comm -23 /tmp/found /tmp/owned
            """)
        // The user database keeps a copy of its last version.
        let kept = Set(["passwd", "group", "shadow", "gshadow"].flatMap { ["/etc/\($0)-", "/etc/.\($0).lock"] })
        return Set(listing.split(separator: "\n").map(String.init)).subtracting(kept)
    }
}
