import Linux
import Testing

@Suite(.enabled(if: isRoot, needsRoot)) struct SysctlTests {
    @Test func `forwarding is switched on, router advertisements stay heeded, and all is put back`() throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "eth0.5", "type", "veth", "peer", "name", "far0")
        try host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        let settings = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/eth0.5/accept_ra"]
        let before = try settings.map { try host.run("cat", "/proc/sys/" + $0) }
        try host.perform {
            let changes = try Sysctl.enableForwarding(interfaces: ["eth0.5", "gone0"])
            #expect(try Sysctl.ipv4Forwarding.read() == "1")
            #expect(try Sysctl.ipv6Forwarding.read() == "1")
            #expect(try Sysctl.acceptRouterAdvertisements(of: "eth0.5").read() == "2")
            #expect(try Sysctl.enableForwarding(interfaces: ["eth0.5"]).isEmpty)
            for change in changes.reversed() { try Sysctl.restore(change) }
        }
        #expect(try settings.map { try host.run("cat", "/proc/sys/" + $0) } == before)
    }

    @Test func `a setting that somebody changed since stays as they want it`() throws {
        let host = try Namespace("h")
        try host.run("ip", "link", "add", "mesh0", "type", "veth", "peer", "name", "far0")
        try host.perform {
            let setting = Sysctl.reversePathFilter(of: "mesh0")
            _ = try setting.write("0")
            let change = try #require(try setting.write("2"))
            #expect(change.previous == "0")
            #expect(try setting.write("2") == nil)
            _ = try setting.write("1")
            try Sysctl.restore(change)
            #expect(try setting.read() == "1")
            let failure = #expect(throws: SystemError.self) { try Sysctl.reversePathFilter(of: "none0").read() }
            #expect(failure?.description.contains("/proc/sys/net/ipv4/conf/none0/rp_filter") == true)
        }
    }
}
