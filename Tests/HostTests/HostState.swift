import Lab

/// Everything that the agent could change on a host, as text.
///
/// The state of a bridge is left out: the kernel says UNKNOWN until a moment after its first port came up.
struct HostState: Equatable {
    private static let script = """
        nft -s list ruleset
        ip -o link | grep -v ' lo:' | sed -e 's/ qlen .*//' -e 's/^[0-9]*: //' -e 's/ state UNKNOWN / state UP /'
        ip -o address | sed 's/ valid_lft.*//'
        ip rule; ip -6 rule
        ip route show table all; ip -6 route show table all
        sysctl -a 2>/dev/null | grep '^net[.]' | grep -vE 'nf_conntrack_count|random|stable_secret|[.]stat_'
        ls -A /run /etc/kubemesh
        """

    private let text: String

    init(of host: Host) throws(LabError) { text = try host.shell(Self.script) }

    /// The lines that only one of the two has.
    func difference(from other: HostState) -> String {
        let lines = Set(text.split(separator: "\n"))
        let others = Set(other.text.split(separator: "\n"))
        let more = lines.subtracting(others).sorted().map { "+ \($0)" }
        return (more + others.subtracting(lines).sorted().map { "- \($0)" }).joined(separator: "\n")
    }
}
