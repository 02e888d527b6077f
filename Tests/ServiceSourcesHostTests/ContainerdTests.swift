import Lab
import ServiceSources
import Services
import Testing

@Suite(
    .serialized,
    .enabled(
        if: Requirement.isMet && (DockerEngine.obstacle == nil || Requirement.isForced), "needs root and containerd")
)
struct ContainerdTests {
    private let ctr = "ctr --address /run/ctd/containerd.sock"

    private func daemon(_ host: Host, _ number: Int = 1) throws -> Program {
        try host.shell(
            """
            mkdir -p /run/ctd /run/rootfs/bin
            test -e /run/rootfs/bin/busybox || cp /bin/busybox /run/rootfs/bin/
            ln -sf busybox /run/rootfs/bin/sleep
            printf 'version = 2\\nroot = "/run/ctd/root"\\nstate = "/run/ctd/state"\\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\\n[grpc]\\naddress = "/run/ctd/containerd.sock"\\n' >/run/ctd/config.toml
            """)
        let program = try host.start("containerd", "--config", "/run/ctd/config.toml", log: "containerd-\(number)")
        try program.waitForLog("containerd successfully booted", within: .seconds(60))
        return program
    }

    /// Starts a container that sleeps, and gives it an address as a network plugin would.
    private func run(_ name: String, _ address: String, on host: Host, _ options: String) throws {
        try host.shell(
            """
            \(ctr) run -d --env KUBEMESH_LAB=\(host.run.name) \(options) --rootfs /run/rootfs \(name) /bin/sleep 100000
            pid=$(\(ctr) task list | awk '$1 == "\(name)" { print $2 }')
            ip link add veth-\(name) type veth peer name eth0 netns $pid
            nsenter -t $pid -n ip addr add \(address)/24 dev eth0
            nsenter -t $pid -n ip link set eth0 up
            """, within: .seconds(60))
    }

    @Test func `containers of containerd come and go, with addresses that a network plugin gives later`() throws {
        try Lab.with("host") { lab in
            let host = try lab.host("alpha", on: lab.core)
            // The socket appears later.
            let observer = try Observer(containerd: host.path(of: "/run/ctd/containerd.sock"))
            let first = try daemon(host)
            try run("web", "10.88.0.2", on: host, "--label kubemesh.service=web --label kubemesh.port=80:8080")
            try run("other", "10.88.0.3", on: host, "")
            try observer.until("the endpoint and both names") { catalog in
                observer.endpoints("web") == ["web ready"]
                    && catalog.node(named: "alpha")?.containers.map { "\($0.name) \($0.addresses)" }
                        == ["other [10.88.0.3]", "web [10.88.0.2]"]
            }
            try host.shell("\(ctr) task pause web")
            try observer.until("the pause") { _ in observer.endpoints("web") == ["web unready"] }
            try host.shell("\(ctr) task resume web")
            try observer.until("the end of the pause") { _ in observer.endpoints("web") == ["web ready"] }

            first.stop(with: 9)
            try observer.until("the daemon's end") { _ in observer.sources.state.runtimes.first?.link != .up }
            #expect(observer.endpoints("web") == ["web ready"])
            _ = try daemon(host, 2)
            try observer.until("the daemon's return") { _ in observer.sources.state.runtimes.first?.link == .up }
            #expect(observer.endpoints("web") == ["web ready"])

            try host.shell("\(ctr) task kill -s KILL web")
            try observer.until("its end") { _ in observer.endpoints("web").isEmpty }
        }
    }

    @Test func `containers of Pods and of Docker are left to those who tell of them`() throws {
        try Lab.with("host") { lab in
            let host = try lab.host("alpha", on: lab.core)
            _ = try daemon(host)
            let observer = try Observer(containerd: host.path(of: "/run/ctd/containerd.sock"))
            for namespace in ["k8s.io", "moby"] {
                try host.shell(
                    "\(ctr) -n \(namespace) run -d --label kubemesh.service=x --label kubemesh.port=1 --env KUBEMESH_LAB=\(host.run.name) --rootfs /run/rootfs x /bin/sleep 100000"
                )
            }
            try run("mine", "10.88.0.9", on: host, "--label kubemesh.service=mine --label kubemesh.port=80")
            try observer.until("the one of ours") { _ in observer.endpoints("mine") == ["mine ready"] }
            #expect(observer.catalog.serviceNames.map(\.name) == ["mine"])
            #expect(observer.sources.state.runtimes.first?.containerCount == 1)
        }
    }
}
