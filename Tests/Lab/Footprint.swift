/// What a lab could leave behind in the machine's own namespace; equal before and after it.
package struct Footprint: Equatable {
    private var parts: [String: [String]]

    /// The state now. Namespaces that are not of this run come and go by themselves and are left out.
    package static func now(of run: Run) throws(LabError) -> Footprint {
        let others = { (line: Substring) in line.contains("/run/netns/") && !line.contains("/\(run.prefix)") }
        return Footprint(parts: [
            "network namespaces": run.namespaces,
            "links": lines(try Command(["ip", "-brief", "link"]).run()),
            "addresses": lines(try Command(["ip", "-brief", "address"]).run()),
            "routes": lines(try Command(["ip", "route", "show", "table", "all"]).run()),
            "nftables rules": lines(try Command(["nft", "-s", "list", "ruleset"]).run()),
            "mounts": lines((Files.text(of: "/proc/self/mounts") ?? "").split(separator: "\n").filter { !others($0) }),
            "forwarding": lines(try Command(["sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]).run()),
            "control groups": Files.entries(of: "/sys/fs/cgroup").map { "/sys/fs/cgroup/\($0)/\(run.name)" }
                .filter(Files.exists),
            "modes of folders": lines(
                try Command(["stat", "-c", "%n %a %u %g", "/", "/etc", "/run", "/tmp", "/usr", "/usr/lib", "/var"])
                    .run()),
            "folder": Files.exists(run.folder) ? [run.folder] : [],
        ])
    }

    /// One line for each thing that was there before and is not now, or the other way round.
    package func differences(from before: Footprint) -> [String] {
        parts.keys.sorted().flatMap { part -> [String] in
            let (old, new) = (before.parts[part, default: []], parts[part, default: []])
            return old.filter { !new.contains($0) }.map { "\(part): gone: \($0)" }
                + new.filter { !old.contains($0) }.map { "\(part): left behind: \($0)" }
        }
    }

    private static func lines(_ text: String) -> [String] { lines(text.split(separator: "\n")) }

    private static func lines(_ lines: [Substring]) -> [String] { lines.map(String.init).sorted() }
}
