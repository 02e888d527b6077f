import Arguments
import SansIO
import Testing

@Suite struct ParserTests {
    static let tool = Command(
        "tool", "test the parser",
        options: [Option("json", short: "j", "print JSON"), Option("socket", "talk there", takes: "PATH", as: .file)],
        commands: [
            Command(
                "ping", "probe", arguments: [Argument("NODE", "a node")],
                options: [
                    Option("count", short: "n", "probes", takes: "N", as: .number(1...1000)),
                    Option("via", "relay", takes: "NAME", isRepeatable: true),
                    Option("expiry", "life", takes: "TIME", as: .duration(60...86_400)),
                    Option("qr", "code", takes: "WHEN", as: .choice(["auto", "never"])),
                ]),
            Command("up", "start", arguments: [Argument("TOKEN", "a token", isOptional: true)]),
            Command("group", "several", commands: [Command("list", "list them"), Command("add", "add one")]),
            Command("secret", "hidden", isHidden: true),
        ])

    private func parse(_ line: String...) throws(UsageError) -> Invocation {
        try Parser.parse(line, for: Self.tool)
    }

    @Test func `options may stand before, between and behind`() throws {
        let invocation = try parse("--json", "ping", "--count=3", "edge", "--socket", "/s", "--via", "a", "--via=b")
        #expect(invocation.path == ["ping"])
        #expect(invocation.has("json"))
        #expect(invocation.number("count") == 3)
        #expect(invocation.argument("NODE") == "edge")
        #expect(invocation.text("socket") == "/s")
        #expect(invocation.texts("via") == ["a", "b"])
        #expect(invocation.text("qr") == nil)
    }

    @Test func `short options carry their value and stand in groups`() throws {
        #expect(try parse("ping", "-n5", "e").number("count") == 5)
        #expect(try parse("ping", "-n", "5", "e").number("count") == 5)
        let grouped = try parse("ping", "-jn5", "e")
        #expect(grouped.has("json") && grouped.number("count") == 5)
    }

    @Test func `after two dashes everything is an argument`() throws {
        #expect(try parse("up", "--", "--json").argument("TOKEN") == "--json")
        #expect(try parse("up", "-").argument("TOKEN") == "-")
    }

    @Test func `an argument that may be left out is nil`() throws {
        #expect(try parse("up").argument("TOKEN") == nil)
    }

    @Test func `an option's value may look like an option`() throws {
        #expect(try parse("--socket", "--json", "up").text("socket") == "--json")
        #expect(try parse("--socket=a=b", "up").text("socket") == "a=b")
    }

    @Test func `a flag may be repeated and means the same`() throws {
        #expect(try parse("--json", "up", "-j").has("json"))
    }

    @Test(arguments: [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86_400), ("1d", 86_400)])
    func `durations have units`(_ text: String, _ seconds: Int) throws {
        #expect(try parse("ping", "e", "--expiry", text).seconds("expiry") == seconds)
    }

    @Test(arguments: ["", "59", "2d", "h", "-60", "1.5h", "10 m", "99999999999999999999d", "9223372036854775807d"])
    func `other durations are refused`(_ text: String) {
        #expect(
            throws: UsageError(
                .invalidValue(
                    name: "--expiry", value: text, expected: "a time from 1m to 1d, such as 90s, 15m, 24h or 7d"),
                command: "tool ping")
        ) { try parse("ping", "e", "--expiry", text) }
    }

    @Test func `help is given whatever is wrong behind it`() throws {
        #expect(try parse("--help").wantsHelp)
        let invocation = try parse("ping", "-h", "--nonsense")
        #expect(invocation.wantsHelp && invocation.path == ["ping"])
        #expect(try parse("group", "--help").path == ["group"])
    }

    @Test(arguments: [
        (["pnig"], "there is no command 'pnig'; did you mean 'ping'?; see 'tool --help'"),
        (["restart"], "there is no command 'restart'; see 'tool --help'"),
        (["group", "lst"], "there is no command 'lst'; did you mean 'list'?; see 'tool group --help'"),
        (["secre"], "there is no command 'secre'; see 'tool --help'"),
        ([], "which command?; see 'tool --help'"),
        (["group"], "which command?; see 'tool group --help'"),
        (["ping", "e", "--cuont", "1"], "there is no option --cuont; did you mean '--count'?; see 'tool ping --help'"),
        (["up", "--count", "1"], "there is no option --count; see 'tool up --help'"),
        (["up", "-x"], "there is no option -x; see 'tool up --help'"),
        (["ping", "--count"], "--count needs a value; see 'tool ping --help'"),
        (["up", "--json=1"], "--json takes no value; see 'tool up --help'"),
        (["ping", "-n1", "--count", "2", "e"], "--count is given twice; see 'tool ping --help'"),
        (["ping", "e", "-n", "0"], "-n must be a number from 1 to 1000, not '0'; see 'tool ping --help'"),
        (["ping", "e", "--qr", "yes"], "--qr must be one of auto, never, not 'yes'; see 'tool ping --help'"),
        (["ping"], "NODE is missing; see 'tool ping --help'"),
        (["ping", ""], "NODE is empty; see 'tool ping --help'"),
        (["ping", "--via=", "e"], "--via is empty; see 'tool ping --help'"),
        (["up", "a", "b"], "'b' is one argument too many; see 'tool up --help'"),
    ])
    func `a wrong line is refused with the reason and the next step`(_ line: [String], _ message: String) {
        #expect {
            try Parser.parse(line, for: Self.tool)
        } throws: {
            "\($0)" == message
        }
    }

    @Test func `any line of words is understood or refused`() {
        let words = [
            "ping", "up", "group", "list", "--json", "--count", "--count=7", "-n", "-jn", "--", "-", "", "é", "--=",
            "=",
            "--help", "e", "-h",
        ]
        var random = SeededRandom(seed: 11)
        var understood = 0
        for _ in 0..<5000 {
            let length = Int.random(in: 0..<7, using: &random)
            let line = (0..<length).map { _ in words[Int.random(in: 0..<words.count, using: &random)] }
            if (try? Parser.parse(line, for: Self.tool)) != nil { understood += 1 }  // refusing is the other outcome
        }
        #expect(understood > 50)
    }
}
