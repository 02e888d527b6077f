import Glibc
import Wire

/// A real Docker daemon in a host of the lab, with an image that holds nothing but busybox.
///
/// Its state is in the host's own /run, so `docker` in a shell of the host finds it without options.
package final class DockerEngine {
    package static let image = "lab/busybox"

    /// Why Docker cannot be used here, or `nil` if it can.
    package static var obstacle: String? {
        for program in ["dockerd", "docker", "containerd", "runc"] where !isInstalled(program) {
            return "\(program) is not installed (package docker.io)"
        }
        return Files.exists("/bin/busybox") ? nil : "/bin/busybox is not installed (package busybox-static)"
    }

    package let host: Host
    private let daemon: Program

    init(on host: Host, options: [String]) throws(LabError) {
        if let obstacle = Self.obstacle { throw .unexpected(obstacle) }
        self.host = host
        daemon = try Program(
            host.entry + ["dockerd", "--data-root", "/run/docker-data", "--cgroup-parent", host.run.name] + options,
            logPath: "\(host.run.folder)/\(host.label)-dockerd.log")
        try daemon.waitForLog("API listen on", within: .seconds(30))
        try host.shell(
            """
            mkdir -p /run/image/bin /run/image/tmp
            cp /bin/busybox /run/image/bin/
            for name in sh sleep ping nc wget httpd ip cat echo; do ln -sf busybox /run/image/bin/$name; done
            tar -C /run/image -c . | docker import - \(Self.image)
            """)
    }

    /// Starts a container that sleeps; `label` alone, as the host's label is put before it.
    package func container(_ label: String, options: String = "") throws(LabError) -> Container {
        try host.shell(
            """
            docker run -d --name \(label) -e KUBEMESH_LAB=\(host.run.name) \(options) \(Self.image) sleep 1000000000
            """)
        let facts = try host.run(
            "docker", "inspect", "-f",
            "{{.State.Pid}} {{.NetworkSettings.IPAddress}} {{.NetworkSettings.GlobalIPv6Address}}", label)
        let words = facts.split { $0 == " " || $0 == "\n" }
        guard words.count >= 2, let pid = pid_t(words[0]), let address = IPAddress(words[1]) else {
            throw .unexpected("docker inspect says '\(facts)'")
        }
        return Container(
            run: host.run, label: "\(host.label).\(label)",
            entry: host.run.marking + ["nsenter", "--target", "\(pid)", "--net", "--"],
            namespacePath: "/proc/\(pid)/ns/net", address: address,
            address6: words.count > 2 ? IPAddress(words[2]) : nil)
    }

    /// Removes the containers at once (one that ignores TERM would cost ten seconds), then ends the daemon.
    func stop() {
        guard daemon.isRunning else { return }
        // Whatever this leaves is found and killed by the run's mark.
        _ = try? host.shell("docker ps -aq | xargs -r docker rm -f")
        daemon.stop(patience: .seconds(10))
    }

    private static func isInstalled(_ program: String) -> Bool {
        ["/usr/bin", "/usr/sbin", "/usr/local/bin"].contains { Files.exists("\($0)/\(program)") }
    }
}
