import ControlAPI
import Glibc
import Lab
import Testing
import Wire

/// What the mesh or the host does not allow: the reason is named at once, and nothing is left behind.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct RefusalTests {
    @Test func `a second node of one name is told whose it is, and joins by another`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            let token = try #require(try trio.alpha.node.up().token).token
            try trio.beta.node.up(token)
            try waitForNextSecond()
            let refused = try trio.gamma.node.result(of: "up", "--name", "beta", token)
            #expect(refused.status == Failure.Code.failed.exitCode)
            #expect(refused.output.contains("joined earlier as beta"), "\(refused.output)")
            #expect(try trio.gamma.node.status().state.name == "refused")
            let admitted = try trio.gamma.node.result(of: "up", "--name", "gamma", token)
            #expect(admitted.succeeded, "\(admitted.errors)")
            #expect(try trio.gamma.containers[0].canPing(try trio.beta.address(), within: 5))
        }
    }

    @Test func `two nodes for one prefix: the second takes another, or is told that none is left`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            try trio.alpha.node.up()
            let single = try invite(trio.alpha, "--uses", "2", "--prefix-pool", "10.200.8.0/24")
            try trio.beta.node.up(single)
            try waitForNextSecond()
            let refused = try trio.gamma.node.result(of: "up", single)
            #expect(refused.status == Failure.Code.failed.exitCode)
            #expect(refused.output.contains("10.200.8.0/24"), "\(refused.output)")
            let pair = try invite(trio.alpha, "--uses", "2", "--prefix-pool", "10.200.8.0/23")
            try trio.gamma.node.up(pair)
            #expect(try trio.gamma.node.status().prefixes.contains { $0.description == "10.200.9.0/24" })
            #expect(try trio.gamma.containers[0].canPing(try trio.beta.address(), within: 5))
        }
    }

    @Test func `a token that is used up or expired is refused with the reason`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            try trio.alpha.node.up()
            let once = try invite(trio.alpha)
            try trio.beta.node.up(once)
            try waitForNextSecond()
            let usedUp = try trio.gamma.node.result(of: "up", once)
            #expect(usedUp.status == Failure.Code.failed.exitCode)
            #expect(usedUp.output.contains("good for one node"), "\(usedUp.output)")
            try trio.gamma.node.down()

            let late = try lab.host("late", on: lab.core)
            let node = try MeshNode(on: late, files: MeshNode.builtFiles(for: lab.run))
            try late.setClockOff(bySeconds: 2 * 86400)
            let expired = try node.result(of: "up", try invite(trio.alpha))
            #expect(expired.status == Failure.Code.failed.exitCode)
            #expect(expired.errors.contains("expired") && expired.errors.contains("clock"), "\(expired.errors)")
            #expect(try node.status().meshID == nil)
        }
    }

    @Test func `up on a taken port says where to choose another, and works once the port is free`() throws {
        try Lab.withLoneHost { _, site in
            let other = try site.host.start("nc", "-u", "-l", "-p", "20007", log: "other")
            try wait(for: "the port to be taken", within: .seconds(5)) { () throws(LabError) in
                try site.host.run("ss", "-Hlun").contains(":20007")
            }
            let result = try site.node.result(of: "up")
            #expect(result.status == Failure.Code.failed.exitCode)
            #expect(result.errors.contains("listen.port"), "the next step: \(result.errors)")
            #expect(try site.node.status().state == .down)
            other.stop()
            #expect(try site.node.up().action == .created)
        }
    }

    @Test func `meshd --check names line and key of what is wrong`() throws {
        try Lab.withLoneHost { _, site in
            try site.host.shell("printf 'keepalive: 20s\\nlisten:\\n  prot: 20008\\n' >/tmp/\(site.host.run.name).yaml")
            let path = "/tmp/\(site.host.run.name).yaml"
            for program in [["meshd", "--check", "--config", path], ["meshd", "--config", path]] {
                let result = try Command(site.host.entry + program).result(within: .seconds(10))
                #expect(result.status == Failure.Code.configuration.exitCode)
                #expect(result.errors.contains("3") && result.errors.contains("prot"), "\(result.errors)")
            }
            try site.host.run("rm", path)
        }
    }

    /// Of two that join in the same second, the lower key comes first: the later one is to come later.
    private func waitForNextSecond() throws {
        let second = time(nil)
        try wait(for: "the next second", within: .seconds(2)) { time(nil) > second }
    }

    private func invite(_ site: Site, _ options: String...) throws -> String {
        let text = try Command(site.host.entry + ["meshctl", "invite", "--json"] + options).run()
        return String(try #require(text.firstMatch(of: #/"token"\s*:\s*"([^"]+)"/#)).1)
    }
}
