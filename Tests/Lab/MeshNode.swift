package import ControlAPI
import Glibc
import JSON
package import Wire

/// KubeMesh on a host of the lab, installed where the package puts it, so that `meshctl` in a shell of the host is it.
package final class MeshNode {
    package let host: Host

    /// - Parameter files: a folder with what belongs into the host's root, such as an unpacked package.
    package init(on host: Host, files: String) throws(LabError) {
        self.host = host
        // Only these folders are the host's own: anything else, and / itself, is the machine's.
        let folders = Files.entries(of: files)
        for folder in folders where !["etc", "lib", "usr", "var"].contains(folder) {
            throw .unexpected("\(files)/\(folder) would be written to the machine itself")
        }
        // As dpkg does it: a link to a folder, such as /lib, is followed, and folders keep their owners.
        try host.shell(
            """
            tar -C '\(files)' -c \(folders.joined(separator: " ")) |
                tar -C / -x --keep-directory-symlink --no-overwrite-dir
            """)
    }

    /// A folder as `init(on:files:)` takes it: the package KUBEMESH_DEB, which `scripts/test` has built, unpacked.
    /// While programs are being worked on, KUBEMESH_BIN may name a folder with `meshd` and `meshctl` instead.
    package static func builtFiles(for run: Run) throws(LabError) -> String {
        let files = run.folder + "/files"
        guard !Files.exists(files) else { return files }
        if let folder = Requirement.variable("KUBEMESH_BIN") {
            try Files.makeFolder(files + "/usr/sbin")
            try Files.makeFolder(files + "/usr/bin")
            try Files.makeFolder(files + "/etc/kubemesh")
            try Command(["cp", folder + "/meshd", files + "/usr/sbin/"]).run()
            try Command(["cp", folder + "/meshctl", files + "/usr/bin/"]).run()
        } else if let package = Requirement.variable("KUBEMESH_DEB") {
            try Command(["dpkg-deb", "--extract", package, files]).run()
        } else {
            throw .unexpected(
                "neither KUBEMESH_DEB nor KUBEMESH_BIN says where meshd and meshctl are: run scripts/test")
        }
        return files
    }

    /// Runs `meshctl` and returns what it printed; a status other than 0 is thrown with what it said.
    @discardableResult
    package func meshctl(_ arguments: String..., within limit: Duration = .seconds(30)) throws(LabError) -> String {
        try Command(host.entry + ["meshctl"] + arguments).run(within: limit)
    }

    /// Runs `meshctl`, whatever its status.
    package func result(
        of arguments: String..., within limit: Duration = .seconds(30)
    ) throws(LabError) -> Command.Result {
        try Command(host.entry + ["meshctl"] + arguments).result(within: limit)
    }

    /// Creates a mesh, or with a token joins one, or resumes the one on disk.
    @discardableResult
    package func up(_ token: String? = nil) throws(LabError) -> UpResult {
        try parsed(Command(host.entry + ["meshctl", "up", "--json"] + (token.map { [$0] } ?? [])).run())
    }

    /// A token for so many hosts.
    package func invite(uses: Int = 1) throws(LabError) -> String {
        let invitation: Invitation = try parsed(meshctl("invite", "--uses", "\(uses)", "--json"))
        return invitation.token
    }

    package func down() throws(LabError) { try meshctl("down") }

    package func status() throws(LabError) -> Status { try parsed(meshctl("status", "--json")) }

    package func peers() throws(LabError) -> [Peer] {
        let text = try meshctl("peers", "--json")
        do {
            return try JSONCursor(JSONValue(parsing: Array(text.utf8))).elements().map { try Peer(json: $0) }
        } catch {
            throw .unexpected("meshctl peers printed '\(text)': \(error)")
        }
    }

    /// What the agent finds out about the network around its host; takes seconds.
    package func netcheck() throws(LabError) -> Netcheck { try parsed(meshctl("netcheck", "--json")) }

    /// The process of the agent.
    package func processID() throws(LabError) -> Int32 {
        let text = try meshctl("version", "--json")
        do {
            let version = try DaemonVersion(
                json: JSONCursor(JSONValue(parsing: Array(text.utf8))).member("meshd"))
            return Int32(version.processID)
        } catch {
            throw .unexpected("meshctl version printed '\(text)': \(error)")
        }
    }

    /// The processor time that a process has used so far: fields 14 and 15 of its stat, in hundredths of a second.
    package static func processorTime(of process: Int32) throws(LabError) -> Duration {
        let fields = Files.text(of: "/proc/\(process)/stat")?.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else {
            throw .unexpected("process \(process) is gone")
        }
        return .milliseconds(10 * (user + system))
    }

    /// What the agent logs where `meshctl up` started it.
    package var log: String { Self.log(on: host) }

    package static func log(on host: Host) -> String { Files.text(of: host.path(of: "/var/log/kubemesh.log")) ?? "" }

    /// Ends the agent as a crash would, and returns when it is gone.
    package func crash() throws(LabError) {
        try crash(process: processID())
    }

    /// The same, of an agent whose process was asked for before.
    package func crash(process: Int32) throws(LabError) {
        kill(process, SIGKILL)
        // A process gives up its memory before its sockets; only when it is a zombie, or gone, has it given up both.
        try wait(for: "the end of meshd", within: .seconds(10)) {
            let stat = Files.text(of: "/proc/\(process)/stat") ?? ""
            return stat.split(separator: ")").last?.split(separator: " ").first.map { $0 == "Z" } ?? true
        }
    }

    /// Ends the agent as if its machine had lost power: unlike the kernel of a crashed agent's host, nobody answers that the
    /// port is closed.
    ///
    /// - Parameter process: as `processID()` says, which takes a while to ask.
    package func vanish(process: Int32) throws(LabError) {
        try host.fallSilent()
        try crash(process: process)
    }

    /// Stops the agent as a suspended machine does: it misses everything until `resume(process:)`.
    package func suspend(process: Int32) { kill(process, SIGSTOP) }

    package func resume(process: Int32) { kill(process, SIGCONT) }

    /// The address by which the mesh knows a container of this host, once the agent has mapped it.
    package func meshAddress(of container: Container, within limit: Duration = .seconds(10)) throws(LabError)
        -> IPAddress
    {
        try meshAddress(of: container.address, within: limit)
    }

    package func meshAddress(of local: IPAddress, within limit: Duration = .seconds(10)) throws(LabError) -> IPAddress {
        var found: IPAddress?
        try wait(for: "a mesh address of \(local) on \(host.label)", within: limit) { () throws(LabError) in
            let status = try status()
            if status.prefixes.contains(where: { $0.contains(local) }) { found = local }
            for mapping in status.mappings where mapping.local.contains(local) {
                found = mapping.mesh.address(at: mapping.local.offset(of: local)) ?? found
            }
            return found != nil
        }
        return found ?? local
    }

    private func parsed<Message: JSONRepresentable>(_ text: String) throws(LabError) -> Message {
        do {
            return try Message(json: JSONCursor(JSONValue(parsing: Array(text.utf8))))
        } catch {
            throw .unexpected("meshctl printed '\(text)': \(error)")
        }
    }
}

extension IPPrefix {
    /// How far `member` is from the network address; the low 64 bits for IPv6.
    fileprivate func offset(of member: IPAddress) -> UInt64 {
        func low(_ address: IPAddress) -> UInt64 { address.bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) } }
        return low(member) &- low(address)
    }
}
