import Arguments
import Testing

/// The real programs and what is generated from them.
@Suite struct ProgramsTests {
    private static func walk(_ command: Command, _ path: [String] = [], _ visit: ([String], Command) -> Void) {
        visit(path, command)
        for child in command.commands { walk(child, path + [child.name], visit) }
    }

    @Test func `every command has help that fits a terminal and names all its options`() {
        for program in Programs.all {
            Self.walk(program.command) { path, command in
                let help = HelpText.text(for: path, of: program.command)
                #expect(help.contains("Usage: \(([program.command.name] + path).joined(separator: " "))"))
                for option in command.options { #expect(help.contains("--\(option.name)")) }
                for argument in command.arguments { #expect(help.contains(argument.name)) }
                for line in help.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
            }
        }
    }

    @Test func `a summary is a phrase`() {
        for program in Programs.all {
            Self.walk(program.command) { path, command in
                for summary in [command.summary] + command.options.map(\.summary) {
                    #expect(!summary.hasSuffix(".") && summary.first?.isLowercase == true, "\(path) \(summary)")
                }
            }
        }
    }

    @Test func `no name is declared twice on the way to a command`() {
        func check(_ command: Command, _ inherited: [String]) {
            let shorts = command.options.compactMap { option in option.short.map { "-\($0)" } }
            let names = inherited + command.options.map { "--\($0.name)" } + shorts
            #expect(Set(names).count == names.count, "\(command.name): \(names)")
            #expect(Set(command.commands.map(\.name)).count == command.commands.count)
            #expect(command.arguments.isEmpty || command.commands.isEmpty)
            for child in command.commands { check(child, names) }
        }
        for program in Programs.all { check(program.command, ["--help", "-h"]) }
    }

    @Test func `hidden commands work and are not shown`() throws {
        #expect(try Parser.parse(["completion", "bash"], for: Programs.meshctl.command).path == ["completion"])
        #expect(try Parser.parse(["man"], for: Programs.meshctl.command).argument("PAGE") == nil)
        for text in [
            HelpText.text(for: [], of: Programs.meshctl.command), MarkdownReference.text(for: Programs.meshctl),
            ManualPage.text(for: Programs.meshctl, version: "1"),
        ] {
            #expect(!text.contains("completion"))
        }
    }

    @Test func `the help of a command reads so`() {
        #expect(
            HelpText.text(for: ["ping"], of: Programs.meshctl.command) == """
                meshctl ping - measure the way to a node, and show the path taken

                Usage: meshctl ping NODE [OPTIONS]

                Arguments:
                  NODE  a node's name, or an address inside its prefixes

                Options:
                  -n, --count N  send this many probes (default 5)

                Options of every command:
                  --json         print JSON instead of text; errors too, on standard error
                  --socket PATH  talk to the agent that listens here
                  -h, --help     show this help

                """)
    }

    @Test func `a manual page escapes what is special to roff`() {
        let page = ManualPage.text(
            for: Program(
                Command(
                    "tool", "do it", discussion: [".hidden 'file' \\ \"x\" -n"],
                    commands: [
                        Command("a", "act", options: [Option("x-y", "choose", takes: "V", as: .choice(["p", "q"]))])
                    ]),
                section: 8, exitCodes: [(0, "Done.")]), version: "1.2")
        #expect(page.hasPrefix(".TH \"TOOL\" \"8\" \"\" \"KubeMesh 1.2\" \"KubeMesh Manual\"\n"))
        #expect(page.contains("\n\\&.hidden \\(aqfile\\(aq \\e \\(dqx\\(dq \\-n\n"))
        #expect(page.contains(".TP\n\\fB\\-\\-x\\-y V\\fR\nChoose: p, q.\n"))
        #expect(page.contains(".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\nDone.\n"))
    }
}
