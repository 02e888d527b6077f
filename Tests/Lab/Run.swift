import Glibc

/// One use of the lab: the name that all its namespaces and processes carry, and its folder.
///
/// Everything that a run makes can be found again by this name, also by another process after a crash:
/// namespaces start with `prefix`, processes have `KUBEMESH_LAB` in their environment or live in one of those
/// namespaces, and the folder says which process owns the run.
package struct Run: Sendable {
    package let name: String

    private static let root = "/tmp/kubemesh-lab"
    private static let keptMark = "kept"

    package var prefix: String { "km-\(name)-" }
    package var folder: String { "\(Self.root)/\(name)" }
    var marking: [String] { ["env", environment] }

    private var environment: String { "KUBEMESH_LAB=\(name)" }
    private var ownerPath: String { folder + "/owner" }

    package init(named name: String) {
        self.name = name
    }

    /// Runs with a folder, whoever owns them.
    package static var all: [Run] { Files.entries(of: root).map(Run.init(named:)) }

    /// The process that made the run still lives, or the run was left up on purpose.
    package var isInUse: Bool {
        guard let owner = Files.text(of: ownerPath) else { return false }
        return owner == Self.keptMark || owner == Self.identity(of: String(owner.prefix { $0 != " " }))
    }

    package var isKept: Bool { Files.text(of: ownerPath) == Self.keptMark }

    /// Makes the folder with its owner in one step: a run without an owner is one that another lab would remove.
    func claim() throws(LabError) {
        let unseen = "\(Self.root)/.\(name)"
        try Files.makeFolder(unseen)
        try Files.write(Self.identity(of: "self") ?? "", to: unseen + "/owner")
        guard unsafe rename(unseen, folder) == 0 else { throw .system(call: "rename", object: unseen, code: errno) }
    }

    /// Leaves the run up when this process ends.
    package func keep() throws(LabError) {
        try Files.write(Self.keptMark, to: ownerPath)
    }

    /// Names of the run's network namespaces.
    package var namespaces: [String] { Files.entries(of: "/run/netns").filter { $0.hasPrefix(prefix) } }

    /// Ends every process of the run and removes its namespaces and its folder.
    package func remove() {
        Interruption.ignoring {
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(10)
            var killed: Set<pid_t> = []
            while case let pids = processes, !pids.isEmpty, clock.now < deadline {
                for pid in pids { kill(pid, SIGKILL) }
                killed.formUnion(pids)
                usleep(5000)
            }
            // Our own children among them leave dead entries until they are waited for.
            for pid in killed { _ = waitpid(pid, nil, 0) }
            for name in namespaces {
                // Nothing can be done about one that will not go; the check of what is left behind reports it.
                _ = try? Command(["ip", "netns", "delete", name]).run()
            }
            // Docker's containers were in control groups below one with the run's name.
            for group in Files.entries(of: "/sys/fs/cgroup").map({ "/sys/fs/cgroup/\($0)/\(name)" })
            where Files.exists(group) {
                _ = try? Command(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]).run()
            }
            _ = try? Command(["rm", "-rf", "--one-file-system", folder]).run()
        }
    }

    /// Processes in one of the run's namespaces or marked with its name, except this one.
    private var processes: [pid_t] {
        let inodes = Set(namespaces.compactMap { Files.inode(of: "/run/netns/\($0)") })
        return Files.entries(of: "/proc").compactMap { entry in
            guard let pid = pid_t(entry), pid != getpid() else { return nil }
            let namespace = Files.target(ofLink: "/proc/\(pid)/ns/net").flatMap { UInt($0.dropFirst(5).dropLast()) }
            guard let namespace else { return nil }
            if inodes.contains(namespace) { return pid }
            let variables = Files.text(of: "/proc/\(pid)/environ")?.split(separator: "\0") ?? []
            return variables.contains { $0 == environment } ? pid : nil
        }
    }

    /// A process and when it started, so that a number used again is not taken for the same process.
    private static func identity(of pid: String) -> String? {
        guard let fields = Files.text(of: "/proc/\(pid)/stat") else { return nil }
        // The program's name is in parentheses and may contain anything; 20 fields on is the start time.
        guard let end = fields.lastIndex(of: ")") else { return nil }
        let rest = fields[end...].split(separator: " ")
        return rest.count > 20 ? "\(fields.prefix { $0 != " " }) \(rest[20])" : nil
    }
}
