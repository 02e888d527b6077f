import Glibc
import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct LabTests {
    @Test func `hosts on the core and behind routers reach each other as they should`() throws {
        try Lab.with { lab in
            let alpha = try lab.host("alpha", on: lab.core)
            let router = try lab.router("r", .portRestricted)
            let beta = try lab.host("beta", on: router.lan)
            let gamma = try lab.host("gamma", on: router.lan)
            try ping(from: beta, to: alpha.uplink.address)
            try ping(from: beta, to: gamma.uplink.address)
            let inward = try alpha.result(of: "ping", "-c", "1", "-W", "1", "\(beta.uplink.address)")
            #expect(!inward.succeeded)
            #expect(inward.output.contains("Unreachable"), "private ranges are unreachable in the core")
        }
    }

    @Test func `a host has its own name and files`() throws {
        try Lab.with { lab in
            let alpha = try lab.host("alpha", on: lab.core)
            let beta = try lab.host("beta", on: lab.core)
            try alpha.shell("mkdir -p /etc/kubemesh /var/lib/kubemesh && echo one >/etc/kubemesh/config.yaml")
            #expect(try alpha.run("hostname") == "alpha\n")
            #expect(Files.text(of: alpha.path(of: "/etc/kubemesh/config.yaml")) == "one\n")
            #expect(try !beta.result(of: "cat", "/etc/kubemesh/config.yaml").succeeded)
        }
    }

    @Test func `a host's clock is off for itself alone`() throws {
        try Lab.with { lab in
            let alpha = try lab.host("alpha", on: lab.core)
            let beta = try lab.host("beta", on: lab.core)
            try alpha.setClockOff(bySeconds: -86400)
            let early = try #require(Int(try alpha.run("date", "+%s").dropLast()))
            let right = try #require(Int(try beta.run("date", "+%s").dropLast()))
            #expect((86390...86400).contains(right - early))
        }
    }

    @Test func `uplinks are cut and healed, and what passes is counted`() throws {
        try Lab.with { lab in
            let one = try lab.host("one", on: lab.core)
            let two = try lab.host("two", on: lab.core)
            try lab.core.count(from: one.uplink, to: two.uplink)
            try ping(from: one, to: two.uplink.address)
            #expect(try lab.core.flow(from: one.uplink, to: two.uplink).packets == 1)
            try lab.core.cut(one.uplink, from: two.uplink)
            #expect(try !one.result(of: "ping", "-c", "1", "-W", "1", "\(two.uplink.address)").succeeded)
            try lab.core.heal(one.uplink, and: two.uplink)
            try ping(from: one, to: two.uplink.address)
        }
    }

    @Test func `an isolated uplink reaches nobody, and nobody it`() throws {
        try Lab.with { lab in
            let one = try lab.host("one", on: lab.line("line", delay: .zero))
            let two = try lab.host("two", on: lab.core)
            try lab.core.isolate(one.uplink)
            #expect(try !one.canPing(two.uplink.address, within: 1))
            #expect(try !two.canPing(try #require(one.uplink.address6), within: 1))
            try lab.core.readmit(one.uplink)
            try ping(from: two, to: one.uplink.address)
        }
    }

    @Test func `a link that went down comes back with both families and its routes`() throws {
        try Lab.with { lab in
            let one = try lab.host("one", on: lab.core)
            let two = try lab.host("two", on: lab.core)
            try one.uplink.takeDown()
            #expect(try !one.result(of: "ping", "-c", "1", "-W", "1", "\(two.uplink.address)").succeeded)
            try one.bringUp(one.uplink)
            try ping(from: one, to: two.uplink.address)
            try ping(from: one, to: try #require(two.uplink.address6))
        }
    }

    @Test func `containers on a bridge leave by their host's address`() throws {
        try Lab.with { lab in
            let one = try lab.host("one", on: lab.core)
            let server = try lab.host("server", on: lab.core)
            let container = try ContainerBridge(on: one, prefix6: "fd17::/64").container("c1")
            #expect(container.address == IPAddress("172.17.0.2"))
            let capture = try Capture(in: server, interface: "eth0", filter: "icmp")
            try ping(from: container, to: server.uplink.address)
            #expect(capture.stop().contains(bytes: one.uplink.address.bytes))
        }
    }

    @Test func `with Docker's forward policy only containers start flows`() throws {
        try Lab.with { lab in
            let one = try lab.host("one", on: lab.core)
            let server = try lab.host("server", on: lab.core)
            let container = try ContainerBridge(on: one).container("c1")
            try server.run("ip", "route", "add", "172.17.0.0/16", "via", "198.18.2.1")
            try lab.core.namespace.shell(
                "ip route delete unreachable 172.16.0.0/12; ip route add 172.17.0.0/16 via \(one.uplink.address)")
            try ping(from: server, to: container.address)
            try one.dropForwardedAsDockerDoes()
            try ping(from: container, to: server.uplink.address)
            #expect(try !server.result(of: "ping", "-c", "1", "-W", "1", "\(container.address)").succeeded)
        }
    }

    @Test(.enabled(if: DockerEngine.obstacle == nil || Requirement.isForced, "Docker is not installed"))
    func `two Docker hosts have the same subnet at once`() throws {
        try Lab.with { lab in
            let hosts = try ["one", "two"].map { try lab.host($0, on: lab.core) }
            let containers = try hosts.map { try lab.docker(on: $0).container("c1") }
            #expect(containers.map(\.address) == [IPAddress("172.17.0.2"), IPAddress("172.17.0.2")])
            try ping(from: containers[0], to: hosts[1].uplink.address)
        }
    }

    @Test func `a lab leaves nothing behind, also after an error`() throws {
        struct Stop: Error {}
        var run: Run?
        let before = try Footprint.now(of: Run(named: "none"))
        #expect(throws: Stop.self) {
            try Lab.with { lab in
                run = lab.run
                let host = try lab.host("one", on: lab.core)
                _ = try host.start("sleep", "1000", log: "sleep")
                _ = try host.start("setsid", "sh", "-c", "trap '' TERM; sleep 1000", log: "sleep")
                throw Stop()
            }
        }
        let after = try Footprint.now(of: try #require(run))
        #expect(after.differences(from: before) == [])
    }

    @Test func `what a crashed run left is removed by the next`() throws {
        let crashed = Run(named: "crashed\(getpid())")
        try Files.makeFolder(crashed.folder)
        try Files.write("999999 1", to: crashed.folder + "/owner")
        try Command(["ip", "netns", "add", crashed.prefix + "x"]).run()
        let left = try Command(["sh", "-c", "ip netns exec \(crashed.prefix)x sleep 1000 >/dev/null 2>&1 & echo $!"])
            .run()
        let pid = try #require(Int32(left.dropLast()))
        let inode = try #require(Files.inode(of: "/run/netns/\(crashed.prefix)x"))
        try wait(for: "the process in the namespace", within: .seconds(5)) {
            Files.target(ofLink: "/proc/\(pid)/ns/net") == "net:[\(inode)]"
        }
        try Lab.with { _ in
            #expect(crashed.namespaces == [])
            #expect(!Files.exists(crashed.folder))
            try wait(for: "the end of the process left", within: .seconds(5)) {
                Files.target(ofLink: "/proc/\(pid)/exe") == nil
            }
        }
    }

    private func ping(from place: some Place, to address: IPAddress) throws {
        try place.run("ping", "-c", "1", "-W", "2", "\(address)")
    }
}
