import Lab

/// A Docker daemon in a host of the lab that a test can stop and start, with an image that holds nothing but busybox.
final class DockerHost {
    static let image = "lab/busybox"

    let host: Host
    private var daemon: Program
    private let options: [String]
    private var starts = 1

    init(_ lab: Lab, options: [String] = []) throws {
        host = try lab.host("alpha", on: lab.core)
        self.options = options
        daemon = try Self.start(host, options, 1)
        try host.shell(
            """
            mkdir -p /run/image/bin /run/image/tmp
            cp /bin/busybox /run/image/bin/
            for name in sh sleep cat touch rm test; do ln -sf busybox /run/image/bin/$name; done
            tar -C /run/image -c . | docker import - \(Self.image)
            """)
    }

    /// The socket as the machine itself finds it.
    var socket: String { host.path(of: "/run/docker.sock") }

    /// Starts a container that sleeps.
    @discardableResult
    func container(_ name: String, _ options: String = "", command: String = "sleep 1000000000") throws -> String {
        try host.shell(
            "docker run -d --name \(name) -e KUBEMESH_LAB=\(host.run.name) \(options) \(Self.image) \(command)",
            within: .seconds(60))
    }

    func docker(_ arguments: String) throws {
        try host.shell("docker \(arguments)", within: .seconds(60))
    }

    func stopDaemon() {
        daemon.stop(patience: .seconds(30))
    }

    func startDaemon() throws {
        starts += 1
        daemon = try Self.start(host, options, starts)
    }

    private static func start(_ host: Host, _ options: [String], _ number: Int) throws -> Program {
        let program = try Program(
            host.entry + [
                "sh", "-c",
                "rm -f /run/docker.pid /run/docker/containerd/containerd.pid; exec dockerd --data-root /run/docker-data --cgroup-parent \(host.run.name) \(options.joined(separator: " "))",
            ], logPath: "\(host.run.folder)/dockerd-\(number).log")
        try program.waitForLog("API listen on", within: .seconds(60))
        return program
    }
}
