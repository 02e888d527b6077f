import ControlAPI
import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct FaultTests {
    @Test func `a TCP flow lives through a killed and restarted agent`() throws {
        try Lab.withMesh { _, trio in
            let address = try trio.alpha.address()
            let server = try trio.alpha.containers[0].start(
                "iperf3", "--server", "--one-off", "--forceflush", log: "iperf3-server")
            try server.waitForLog("listening")
            let client = try trio.beta.containers[0].start(
                "iperf3", "--client", "\(address)", "--time", "6", "--interval", "0.1", "--forceflush",
                log: "iperf3-client")
            try wait(for: "the first intervals of the flow", within: .seconds(20)) {
                client.log.matches(of: #/bits\/sec/#).count >= 5
            }
            try trio.alpha.node.crash()
            try trio.alpha.node.up()
            try wait(for: "the end of the flow", within: .seconds(40)) { !client.isRunning }
            #expect(client.exitStatus == 0, "\(client.log)")
            let stalled = client.log.split(separator: "\n").filter {
                $0.contains(" 0.00 bits/sec") && $0.contains("sec ")
            }
            print("intervals of 100 ms with nothing passed while the agent was away: \(stalled.count)")
        }
    }

    @Test func `rules and routes outlive a killed agent, and the next one takes them over`() throws {
        try Lab.withMesh { _, trio in
            // One by one: a table that is made anew stands behind the others.
            let families = ["inet", "ip", "ip6"]
            let rules = try families.map { try trio.beta.host.run("nft", "-s", "list", "table", $0, "kubemesh") }
            try trio.beta.node.crash()
            try trio.beta.node.up()
            for (family, before) in zip(families, rules) {
                #expect(try trio.beta.host.run("nft", "-s", "list", "table", family, "kubemesh") == before)
            }
            #expect(try trio.beta.containers[0].canPing(try trio.gamma.address(), within: 10))
        }
    }

    @Test func `an uplink that goes down and comes back needs no command`() throws {
        try Lab.withMesh { _, trio in
            let address = try trio.alpha.address()
            #expect(try trio.beta.containers[0].canPing(address))
            try trio.beta.host.uplink.takeDown()
            #expect(try !trio.beta.containers[0].canPing(address, within: 1))
            try trio.beta.host.bringUp(trio.beta.host.uplink)
            let outage = try trio.beta.containers[0].timeToFirstAnswer(from: address, within: 20)
            print("answered \(outage) ms after the uplink was back")
        }
    }

    @Test func `a NAT that forgets its mappings needs no command`() throws {
        try Lab.withMesh { _, trio in
            #expect(try trio.beta.containers[0].canPing(try trio.gamma.address()))
            try trio.home.rebind()
            let outage = try trio.beta.containers[0].timeToFirstAnswer(from: try trio.gamma.address(), within: 30)
            print("answered \(outage) ms after the NAT forgot")
            #expect(try trio.gamma.containers[0].canPing(try trio.beta.address(), within: 10))
        }
    }

    @Test func `a taken port is named, with what to do`() throws {
        try Lab.withLoneHost { _, site in
            let taken = try UDPProbe(in: site.host, port: 20007)
            let result = try site.node.result(of: "up")
            #expect(result.status != 0)
            #expect(result.errors.contains("20007"), "\(result.errors)")
            withExtendedLifetime(taken) {}
        }
    }

    @Test func `without a TUN device up fails and names it`() throws {
        try Lab.withLoneHost { _, site in
            try site.host.run("mount", "-t", "tmpfs", "lab", "/dev/net")
            let result = try site.node.result(of: "up")
            #expect(result.status != 0)
            #expect(result.errors.contains("/dev/net/tun"), "\(result.errors)")
        }
    }

    @Test func `without root up and the agent are not permitted`() throws {
        try Lab.withLoneHost { _, site in
            for program in [["meshctl", "up"], ["meshd", "--state-directory", "/tmp/\(site.host.run.name)-state"]] {
                let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
                let result = try Command(site.host.entry + nobody + program).result(within: .seconds(20))
                #expect(result.status == Failure.Code.notPermitted.exitCode, "\(program): \(result.errors)")
            }
        }
    }

    @Test func `a bad configuration is refused by line and key, and the old one stays in force`() throws {
        try Lab.withMesh { _, trio in
            let address = try trio.alpha.address()
            try trio.beta.host.shell(
                """
                mkdir -p /etc/kubemesh
                printf 'keepalive: 20s\\nkepalive: 20s\\n' >/etc/kubemesh/config.yaml
                """)
            let check = try trio.beta.node.result(of: "config", "check")
            #expect(check.status == Failure.Code.configuration.exitCode)
            let reload = try trio.beta.node.result(of: "reload")
            #expect(reload.status == Failure.Code.configuration.exitCode)
            for said in [check.output + check.errors, reload.errors] {
                #expect(said.contains("kepalive") && said.contains("2"), "\(said)")
            }
            #expect(try trio.beta.containers[0].canPing(address))
            try trio.beta.host.shell("printf 'keepalive: 20s\\n' >/etc/kubemesh/config.yaml")
            #expect(try trio.beta.node.result(of: "reload").status == 0)
            #expect(try trio.beta.containers[0].canPing(address))
        }
    }

    @Test(arguments: [-86400, 86400])
    func `a host whose clock is a day off joins and talks, or is told`(seconds: Int) throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            let token = try #require(try trio.alpha.node.up().token).token
            try trio.beta.host.setClockOff(bySeconds: seconds)
            let result = try trio.beta.node.result(of: "up", token)
            if result.succeeded {
                #expect(try trio.beta.containers[0].canPing(try trio.alpha.address(), within: 5))
                #expect(try trio.alpha.containers[0].canPing(try trio.beta.address(), within: 5))
                let warnings = try trio.beta.node.status().warnings
                #expect(warnings.contains { $0.text.contains("clock") && $0.text.contains("alpha") }, "\(warnings)")
            } else {
                #expect(result.errors.contains("clock"), "\(result.errors)")
            }
        }
    }

    @Test func `a disk that is full at the first start is named, and up works once there is room`() throws {
        try Lab.withLoneHost { _, site in
            try site.host.shell(
                """
                mkdir -p /var/lib/kubemesh
                mount -t tmpfs -o size=64k,mode=700 lab /var/lib/kubemesh
                head -c 1000000 /dev/zero >/var/lib/kubemesh/filler || true
                """)
            let result = try site.node.result(of: "up")
            #expect(result.status != 0)
            #expect(result.errors.contains("/var/lib/kubemesh"), "\(result.errors)")
            try site.host.run("umount", "/var/lib/kubemesh")
            #expect(try site.node.up().action == .created)
        }
    }

    @Test func `a disk that fills while the mesh is up stops no traffic`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            try trio.alpha.host.shell(
                "mkdir -p /var/lib/kubemesh; mount -t tmpfs -o size=2m,mode=700 lab /var/lib/kubemesh")
            let token = try #require(try trio.alpha.node.up().token).token
            try trio.beta.node.up(token)
            try trio.alpha.host.shell("head -c 10000000 /dev/zero >/var/lib/kubemesh/filler || true")
            // A member that is new must be remembered: with the disk full that cannot be saved.
            try trio.gamma.node.up(token)
            #expect(try trio.gamma.containers[0].canPing(try trio.alpha.address(), within: 5))
            #expect(try trio.beta.containers[0].canPing(try trio.alpha.address(), within: 5))
            #expect(try trio.alpha.node.status().state != .down)
        }
    }

    @Test func `an agent that has run out of open files rests until it may open more`() throws {
        try Lab.withLoneHost { _, site in
            try site.node.up()
            let process = try site.node.processID()
            try site.host.run("prlimit", "--pid", "\(process)", "--nofile=3:")
            let client = try site.host.start("meshctl", "status", log: "status")
            let before = try MeshNode.processorTime(of: process)
            try Meter.pause(.seconds(3))
            #expect(try MeshNode.processorTime(of: process) - before < .seconds(1))
            #expect(client.isRunning)
            try site.host.run("prlimit", "--pid", "\(process)", "--nofile=1024:")
            try wait(for: "the answer", within: .seconds(20)) { !client.isRunning }
            #expect(client.exitStatus == 0, "\(client.log)")
            #expect(try site.node.status().state == .ready)
        }
    }

    @Test func `the agent makes do with few open files`() throws {
        try Lab.withLoneHost { _, site in
            try Command(site.host.entry + ["prlimit", "--nofile=64:64", "--", "meshctl", "up"]).run()
            #expect(try site.node.status().state == .ready)
        }
    }
}
