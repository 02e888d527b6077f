import Lab
import Testing

/// The package on machines with systemd: what a user does, in the order a user does it.
@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct InstallationTests {
    private let package: BuiltPackage

    init() throws { package = try BuiltPackage.current() }

    @Test func `installing starts nothing and enables nothing`() throws {
        try Site.with { site in
            let before = try HostState(of: site.alpha)
            try site.alpha.install(package)
            #expect(before.difference(to: try HostState(of: site.alpha)) == [])
            #expect(try site.alpha.result(of: "systemctl", "is-enabled", "kubemesh").output == "disabled\n")
            #expect(try site.alpha.result(of: "systemctl", "is-active", "kubemesh").output == "inactive\n")
            #expect(try site.alpha.run("stat", "--format=%U %a", "/etc/kubemesh/config.yaml") == "root 644\n")
            let check = try site.alpha.result(of: "systemd-analyze", "verify", "--man=no", "kubemesh.service")
            #expect(check.succeeded)
            #expect(!check.errors.contains("kubemesh"), "\(check.errors)")
        }
    }

    @Test func `the daemon runs as its own user with two capabilities and a filter on its system calls`() throws {
        try Site.with { site in
            try site.alpha.install(package)
            try site.alpha.run("meshctl", "up")
            #expect(try site.alpha.run("systemctl", "is-enabled", "kubemesh") == "enabled\n")
            #expect(try site.alpha.run("systemctl", "is-active", "kubemesh") == "active\n")
            let user = try site.alpha.run("id", "-u", "kubemesh").dropLast()
            #expect(try site.alpha.daemonStatus("Uid") == Array(repeating: user, count: 4).joined(separator: "\t"))
            let netAdminAndLowPorts = "0000000000001400"
            for set in ["CapPrm", "CapEff", "CapBnd"] {
                #expect(try site.alpha.daemonStatus(set) == netAdminAndLowPorts, "\(set)")
            }
            #expect(try site.alpha.daemonStatus("NoNewPrivs") == "1")
            #expect(try site.alpha.daemonStatus("Seccomp") == "2")
            #expect(try site.alpha.run("stat", "--format=%U %a", "/var/lib/kubemesh") == "kubemesh 700\n")
            #expect(
                try site.alpha.run("stat", "--format=%U %G %a", "/run/kubemesh/meshd.sock")
                    == "kubemesh kubemesh 660\n")
            let open = try site.alpha.run("find", "/var/lib/kubemesh", "-type", "f", "-perm", "/077")
            #expect(open == "", "files that others may read")
        }
    }

    @Test func `reloading keeps the process, and a faulty file is refused`() throws {
        try Site.with { site in
            try site.alpha.install(package)
            try site.alpha.run("meshctl", "up")
            let process = try site.alpha.mainProcess()
            try site.alpha.shell("echo 'keepalive: 20s' >/etc/kubemesh/config.yaml; systemctl reload kubemesh")
            try site.alpha.shell("echo 'keepalife: 20s' >/etc/kubemesh/config.yaml")
            #expect(try !site.alpha.result(of: "systemctl", "reload", "kubemesh").succeeded)
            #expect(try site.alpha.run("journalctl", "--unit=kubemesh", "--output=cat").contains("keepalife"))
            #expect(try site.alpha.mainProcess() == process)
            #expect(try site.alpha.run("systemctl", "is-active", "kubemesh") == "active\n")
        }
    }

    @Test(arguments: ["KILL", "STOP"])
    func `a daemon that dies or hangs is started again`(signal: String) throws {
        try Site.with { site in
            try site.alpha.install(package)
            try site.alpha.shell(
                """
                mkdir -p /etc/systemd/system/kubemesh.service.d
                printf '[Service]\\nWatchdogSec=2\\n' >/etc/systemd/system/kubemesh.service.d/watchdog.conf
                systemctl daemon-reload
                """)
            try site.alpha.run("meshctl", "up")
            let process = try site.alpha.mainProcess()
            try site.alpha.shell("kill -\(signal) \(process)")
            try wait(for: "another meshd", within: .seconds(20)) { () throws(LabError) in
                if try site.alpha.mainProcess() == process { return false }
                return try site.alpha.result(of: "systemctl", "is-active", "kubemesh").succeeded
            }
        }
    }

    @Test func `removal leaves the host as it was, and a purge leaves nothing`() throws {
        try Site.with { site in
            try site.alpha.host.dropForwardedAsDockerDoes()
            try site.alpha.host.namespace.shell("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
            let before = try HostState(of: site.alpha)
            let files = try site.alpha.ownFiles()
            let users = try site.alpha.run("cat", "/etc/passwd", "/etc/group")
            try site.alpha.install(package)
            try site.alpha.run("meshctl", "up")
            #expect(before.difference(to: try HostState(of: site.alpha)) != [], "the mesh is up and nothing changed")

            try site.alpha.run("apt-get", "remove", "--yes", "--quiet=2", "kubemesh", within: .seconds(60))
            #expect(before.difference(to: try HostState(of: site.alpha)) == [])
            #expect(try site.alpha.shell("grep -lx meshd /proc/[0-9]*/comm || true") == "", "meshd still runs")
            #expect(try site.alpha.run("ls", "/etc/kubemesh") == "config.yaml\n")
            #expect(try site.alpha.shell("ls /var/lib/kubemesh") != "", "a node that is not purged keeps its identity")

            try site.alpha.run("apt-get", "purge", "--yes", "--quiet=2", "kubemesh", within: .seconds(60))
            #expect(try site.alpha.ownFiles().subtracting(files) == [])
            #expect(try site.alpha.run("cat", "/etc/passwd", "/etc/group") == users)
            #expect(try site.alpha.shell("find /run -name '*kubemesh*'") == "")
        }
    }

    @Test(arguments: ["stop", "kill --signal=SIGKILL"])
    func `removal cleans up after a daemon that no longer runs`(end: String) throws {
        try Site.with { site in
            let before = try HostState(of: site.alpha)
            try site.alpha.install(package)
            try site.alpha.shell(
                """
                mkdir -p /etc/systemd/system/kubemesh.service.d
                printf '[Service]\\nRestart=no\\n' >/etc/systemd/system/kubemesh.service.d/restart.conf
                systemctl daemon-reload
                meshctl up
                systemctl \(end) kubemesh
                """)
            #expect(try before.difference(to: HostState(of: site.alpha)) != [], "nothing is left to clean up")
            try site.alpha.run("apt-get", "remove", "--yes", "--quiet=2", "kubemesh", within: .seconds(60))
            #expect(before.difference(to: try HostState(of: site.alpha)) == [])
        }
    }
}
