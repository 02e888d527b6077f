import ControlAPI
import Glibc
import Lab
import Testing

/// Agents that are killed, and disks that fill, at moments that nobody chose.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct CrashTests {
    @Test func `an agent killed while it writes its state is the same member afterwards`() throws {
        try Lab.withLoneHost { _, site in
            try site.node.up()
            let before = try site.node.status()
            var random = SystemRandomNumberGenerator()
            for round in 0..<25 {
                let process = try site.node.processID()
                let clients = try site.host.start(
                    "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do meshctl wireguard add c\(round)-$i; done",
                    log: "clients\(round)")
                usleep(.random(in: 0...60_000, using: &random))
                try site.node.crash(process: process)
                try wait(for: "the end of those commands", within: .seconds(10)) { !clients.isRunning }
                try site.node.up()
                let after = try site.node.status()
                #expect(after.nodeID == before.nodeID && after.prefixes == before.prefixes, "round \(round)")
                // What was acknowledged is still there.
                let kept = try site.node.meshctl("wireguard", "list")
                for client in clients.log.matches(of: #/PublicKey.*/#).indices {
                    #expect(kept.contains("c\(round)-\(client + 1)"), "round \(round): \(kept)")
                }
            }
            #expect(!site.node.log.contains("damaged"))
        }
    }

    @Test func `status tells of a disk that is full, until what waited is written`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            try trio.alpha.host.shell(
                "mkdir -p /var/lib/kubemesh; mount -t tmpfs -o size=2m,mode=700 lab /var/lib/kubemesh")
            let token = try #require(try trio.alpha.node.up().token).token
            try trio.alpha.host.shell("head -c 10000000 /dev/zero >/var/lib/kubemesh/filler || true")
            try trio.beta.node.up(token)
            try wait(for: "a warning of the full disk", within: .seconds(20)) { () throws(LabError) in
                try warnsOfDisk(trio.alpha)
            }
            #expect(try trio.beta.containers[0].canPing(try trio.alpha.address(), within: 5))
            try trio.alpha.host.run("rm", "/var/lib/kubemesh/filler")
            try wait(for: "the end of that warning", within: .seconds(30)) { () throws(LabError) in
                try !warnsOfDisk(trio.alpha)
            }
            try trio.alpha.node.crash()
            try trio.alpha.node.up()
            #expect(try trio.alpha.node.peers().map(\.name) == ["beta"], "what waited for room was not lost")
        }
    }

    private func warnsOfDisk(_ site: Site) throws(LabError) -> Bool {
        try site.node.status().warnings.contains { $0.text.contains("/var/lib/kubemesh") }
    }
}
