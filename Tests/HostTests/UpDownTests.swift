import ControlAPI
import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct UpDownTests {
    @Test func `down leaves the host as up found it, byte for byte`() throws {
        try Lab.withMesh { _, trio in
            for site in trio.sites {
                // The first up has left its configuration and log: what is compared is one more round.
                try site.node.down()
                let before = try HostState(of: site.host)
                try site.node.up()
                #expect(try HostState(of: site.host) != before, "the agent does change the host")
                try site.node.down()
                let after = try HostState(of: site.host)
                #expect(after == before, "\(after.difference(from: before))")
                try site.node.up()
            }
        }
    }

    @Test func `down leaves Docker's chains as they were`() throws {
        try Lab.withLoneHost { _, site in
            try site.host.dropForwardedAsDockerDoes()
            let before = try site.host.run("nft", "-s", "list", "ruleset")
            try site.node.up()
            #expect(try site.host.run("nft", "-s", "list", "ruleset") != before)
            try site.node.down()
            #expect(try site.host.run("nft", "-s", "list", "ruleset") == before)
        }
    }

    @Test func `after down and up a node is the same member with the same prefix`() throws {
        try Lab.withMesh { _, trio in
            let before = try trio.beta.node.status()
            try trio.beta.node.down()
            #expect(try trio.beta.node.result(of: "status").status == Failure.Code.unreachable.exitCode)
            try trio.beta.node.up()
            let after = try trio.beta.node.status()
            #expect(after.nodeID == before.nodeID)
            #expect(after.prefixes == before.prefixes)
            #expect(try trio.gamma.containers[0].canPing(try trio.beta.address(), within: 10))
        }
    }

    @Test func `a host whose IPv6 is switched off has the mesh by IPv4, and says so`() throws {
        try Lab.withLoneHost { _, site in
            for scope in ["all", "default"] {
                try site.host.run("sysctl", "-qw", "net.ipv6.conf.\(scope).disable_ipv6=1")
            }
            try site.node.up()
            let status = try site.node.status()
            #expect(status.state == .ready)
            #expect(status.warnings.contains { $0.text.contains("IPv6 is switched off") }, "\(status.warnings)")
        }
    }

    @Test func `an up that fails leaves nothing behind`() throws {
        try Lab.withLoneHost { _, site in
            try site.node.up()
            try site.node.down()
            let before = try HostState(of: site.host)
            let taken = try UDPProbe(in: site.host, port: 20007)
            #expect(try !site.node.result(of: "up").succeeded)
            try site.node.down()
            let after = try HostState(of: site.host)
            #expect(after == before, "\(after.difference(from: before))")
            withExtendedLifetime(taken) {}
        }
    }

    @Test func `down takes away what a killed agent left, even where no agent can start`() throws {
        try Lab.withLoneHost { _, site in
            try site.host.dropForwardedAsDockerDoes()
            try site.node.up()
            try site.node.down()
            let before = try HostState(of: site.host)
            try site.node.up()
            try site.node.crash()
            try wait(for: "the end of the agent", within: .seconds(5)) { () throws(LabError) in
                try !site.node.result(of: "status").succeeded
            }
            #expect(try HostState(of: site.host) != before, "a killed agent leaves its rules and interface")
            let taken = try UDPProbe(in: site.host, port: 20007)
            try site.node.down()
            let after = try HostState(of: site.host)
            #expect(after == before, "\(after.difference(from: before))")
            withExtendedLifetime(taken) {}
        }
    }

    @Test func `a second up changes nothing and says so`() throws {
        try Lab.withLoneHost { _, site in
            #expect(try site.node.up().action == .created)
            let process = try site.node.processID()
            #expect(try site.node.up().action == .unchanged)
            #expect(try site.node.processID() == process)
        }
    }
}
