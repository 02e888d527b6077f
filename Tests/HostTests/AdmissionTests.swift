import ControlAPI
import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct AdmissionTests {
    @Test func `tokens that are no good are refused with the reason, and leave the host out of any mesh`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            let token = try #require(try trio.alpha.node.up().token).token
            let middle = token.index(token.startIndex, offsetBy: token.count / 2)
            let other: Character = token[middle] == "a" ? "b" : "a"
            let garbled = token[..<middle] + String(other) + token[token.index(after: middle)...]
            for bad in [String(garbled), String(token.prefix(token.count / 2)), "not-a-token"] {
                let result = try trio.beta.node.result(of: "up", bad)
                #expect(result.status != 0, "\(bad)")
                #expect(result.errors.contains("token"), "\(result.errors)")
            }
            try trio.beta.node.up(token)
            #expect(try trio.beta.containers[0].canPing(try trio.alpha.address()))
        }
    }

    @Test func `a host of one mesh refuses a token of another`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            _ = try trio.alpha.node.up()
            let foreign = try #require(try trio.beta.node.up().token).token
            let mesh = try trio.alpha.node.status().meshID
            let result = try trio.alpha.node.result(of: "up", foreign)
            #expect(result.status != 0)
            #expect(result.errors.contains("mesh"), "\(result.errors)")
            #expect(try trio.alpha.node.status().meshID == mesh)
        }
    }

    @Test func `a host joins through another member while the issuer is down`() throws {
        try Lab.withPublicNodes("one", "two", "three") { _, nodes in
            try nodes[1].up(try #require(try nodes[0].up().token).token)
            // Made after the second has joined, so that it names addresses of both.
            let text = try nodes[0].meshctl("invite", "--json")
            let token = try #require(text.firstMatch(of: #/"token"\s*:\s*"([^"]+)"/#)).1
            try nodes[0].down()
            try nodes[2].up(String(token))
            let second = try #require(try nodes[1].status().addresses.first)
            #expect(try nodes[2].host.canPing(second, within: 10))
        }
    }

    @Test func `a name that is taken is refused or told`() throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio()
            let token = try #require(try trio.alpha.node.up().token).token
            try trio.beta.node.up(token)
            // Who was first is told by certificates in whole seconds; within one it is a draw that either may win.
            let joined = try trio.beta.host.run("date", "+%s")
            try wait(for: "the next second", within: .seconds(5)) { () throws(LabError) in
                try trio.beta.host.run("date", "+%s") != joined
            }
            let result = try trio.gamma.node.result(of: "up", "--name", "beta", token)
            #expect((result.output + result.errors).contains("beta"))
            #expect(try trio.beta.containers[0].canPing(try trio.alpha.address()), "the first one keeps working")
        }
    }

    @Test func `the state of a node is for its owner alone`() throws {
        try Lab.withLoneHost { _, site in
            try site.node.up()
            let listing = try site.host.run("find", "/var/lib/kubemesh", "-printf", "%m %p\\n")
            for line in listing.split(separator: "\n") {
                let mode = line.prefix { $0 != " " }
                #expect(mode == "600" || mode == "700", "\(line)")
            }
        }
    }
}
