import Lab

/// A fresh Debian machine with systemd as its first process, on the network of a host of the lab.
///
/// Its files are an overlay of the tree that packaging/tests/base-tree makes once; systemd-nspawn boots it. The overlay
/// is mounted in a namespace of the launcher's own, so it goes with the launcher.
final class Machine: Place {
    let host: Host
    private let tree: String
    private var launcher: Program?
    private var firstProcess = 0

    var run: Run { host.run }
    var label: String { "\(host.label).machine" }
    var namespacePath: String { host.namespacePath }
    var entry: [String] { entering("--all") }

    private static let environment = [
        "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
    ]
    private var folder: String { "\(run.folder)/\(label)" }
    private var cgroup: String { "\(run.prefix)\(host.label)" }
    /// Hybrid and unified layouts both occur; systemd's init is looked for where it puts itself.
    private static let hierarchies = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .filter { Files.exists($0 + "/cgroup.procs") }

    init(on host: Host) throws {
        self.host = host
        tree = String(try Command([Checkout.path("packaging/tests/base-tree")]).run(within: .seconds(400)).dropLast())
        try Files.makeFolder(folder + "/upper/etc")
        try Files.makeFolder(folder + "/work")
        try Files.makeFolder(folder + "/root")
        try Files.write(host.label + "\n", to: folder + "/upper/etc/hostname")
        // Without an identity systemd takes every boot for the first one and asks questions.
        let identity = try Command(["cat", "/proc/sys/kernel/random/uuid"]).run().filter { $0 != "-" }
        try Files.write(identity, to: folder + "/upper/etc/machine-id")
        try openDevice()
        try boot()
    }

    /// A file of the machine as the lab finds it.
    func path(of file: String) -> String { "/proc/\(firstProcess)/root\(file)" }

    /// Runs a program in the machine but with this host's network, for apt: the lab has no way to a mirror.
    @discardableResult
    func runOnline(_ arguments: String..., within deadline: Duration = .seconds(120)) throws -> String {
        try Command(entering("--mount", "--uts", "--ipc", "--pid", "--cgroup") + arguments).run(within: deadline)
    }

    /// Puts a package into the machine and installs or upgrades to it as a user would.
    @discardableResult
    func install(_ package: BuiltPackage, online: Bool = true) throws -> String {
        let name = "/root/" + package.path.fileName
        try Command(["cp", package.path, path(of: name)]).run()
        return online
            ? try runOnline("apt-get", "install", "--yes", "--quiet=2", name)
            : try run("apt-get", "install", "--yes", "--quiet=2", name, within: .seconds(60))
    }

    /// Shuts the machine down, as on a reboot; `boot()` brings it back with the same files.
    func shutDown() throws {
        guard let launcher else { return }
        // The connection is lost while the machine answers, whatever the answer.
        _ = try result(of: "systemctl", "poweroff")
        try wait(for: "the shutdown of \(label)", within: .seconds(20)) { !launcher.isRunning }
        self.launcher = nil
        for hierarchy in Self.hierarchies {
            let command = Command([
                "find", "\(hierarchy)/\(cgroup)", "-depth", "-type", "d", "-exec", "rmdir", "{}", "+",
            ])
            _ = try command.result(within: .seconds(5))
        }
    }

    func boot() throws {
        let launcher = try host.namespace.start(
            "unshare", "--mount", "--propagation", "private", "--", "sh", "-ec",
            """
            for hierarchy in \(Self.hierarchies.joined(separator: " ")); do
                mkdir -p $hierarchy/\(cgroup)
                echo $$ >$hierarchy/\(cgroup)/cgroup.procs
            done
            cd \(folder)
            mount -t overlay machine root -o lowerdir=\(tree),upperdir=upper,workdir=work
            exec systemd-nspawn --quiet --directory=root --boot --register=no --keep-unit --machine=\(host.label) \
                --network-namespace-path=\(host.namespacePath) --capability=CAP_NET_ADMIN --resolv-conf=off \
                --console=pipe
            """, log: "machine")
        self.launcher = launcher
        try wait(for: "the first process of \(label)", within: .seconds(20)) { () throws(LabError) in
            if let status = launcher.exitStatus {
                throw LabError.exited(command: ["systemd-nspawn"], status: status, errors: launcher.log)
            }
            for hierarchy in Self.hierarchies {
                let list = Files.text(of: "\(hierarchy)/\(cgroup)/payload/init.scope/cgroup.procs") ?? ""
                if let first = list.split(separator: "\n").first, let pid = Int(first) {
                    firstProcess = pid
                    return true
                }
            }
            return false
        }
        try wait(for: "the system bus of \(label)", within: .seconds(20)) { () throws(LabError) in
            try result(of: "systemctl", "is-system-running", "--wait").output == "running\n"
        }
    }

    /// Gives the machine's own /dev/net/tun the mode that udev gives it on a real one; there is no udev in here.
    private func openDevice() throws(LabError) {
        let units = folder + "/upper/etc/systemd/system"
        try Files.makeFolder(units + "/sysinit.target.d")
        try Files.write("[Unit]\nWants=tun-mode.service\n", to: units + "/sysinit.target.d/tun-mode.conf")
        try Files.write(
            """
            [Unit]
            DefaultDependencies=no
            Before=sysinit.target
            [Service]
            Type=oneshot
            ExecStart=/bin/chmod 666 /dev/net/tun

            """, to: units + "/tun-mode.service")
    }

    private func entering(_ namespaces: String...) -> [String] {
        ["nsenter", "--target", "\(firstProcess)"] + namespaces + ["--"] + Self.environment
    }
}
