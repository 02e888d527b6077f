/// A program's commands and options as a page of Markdown.
package enum MarkdownReference {
    package static func text(for program: Program) -> String {
        let command = program.command
        var lines = ["# \(command.name)", "", "`\(command.name)`: \(command.summary).", ""]
        lines += command.discussion.flatMap { Paragraph.wrapped($0) + [""] }
        if !command.commands.isEmpty {
            lines += ["## Commands", ""]
            addCommands(below: command, as: command.name, to: &lines)
        }
        lines += ["## Options of every command", ""]
        lines += rows(command.options + [.help])
        addTable(
            "Environment", ["variable", "meaning"], program.environment.map { ("`\($0.name)`", $0.text) }, to: &lines)
        addTable("Files", ["file", "meaning"], program.files.map { ("`\($0.path)`", $0.text) }, to: &lines)
        addTable("Exit codes", ["code", "meaning"], program.exitCodes.map { ("\($0.code)", $0.text) }, to: &lines)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func addCommands(below command: Command, as name: String, to lines: inout [String]) {
        for child in command.visibleCommands {
            let fullName = "\(name) \(child.name)"
            guard child.commands.isEmpty else {
                addCommands(below: child, as: fullName, to: &lines)
                continue
            }
            lines += ["### `\(([fullName] + child.arguments.map(\.synopsis)).joined(separator: " "))`", ""]
            lines += Paragraph.wrapped(child.summary.prefix(1).uppercased() + child.summary.dropFirst() + ".") + [""]
            lines += child.discussion.flatMap { Paragraph.wrapped($0) + [""] }
            if !child.arguments.isEmpty || !child.options.isEmpty {
                lines += table(
                    ["argument or option", "meaning"],
                    child.arguments.map { ("`\($0.name)`", $0.summary) } + child.options.map(row))
                lines.append("")
            }
            if !child.examples.isEmpty {
                lines += ["```console"] + child.examples.flatMap { ["# \($0.text)", "$ \($0.line)"] } + ["```", ""]
            }
        }
    }

    private static func row(_ option: Option) -> (String, String) {
        ("`\(HelpText.term(for: option))`", HelpText.summary(of: option))
    }

    private static func rows(_ options: [Option]) -> [String] {
        table(["option", "meaning"], options.map(row))
    }

    private static func addTable(
        _ title: String, _ heads: [String], _ entries: [(String, String)], to lines: inout [String]
    ) {
        guard !entries.isEmpty else { return }
        lines += ["", "## \(title)", ""] + table(heads, entries)
    }

    private static func table(_ heads: [String], _ entries: [(String, String)]) -> [String] {
        let rule = heads.map { _ in "---" }
        return ([heads, rule] + entries.map { [$0, $1] }).map { "| \($0.joined(separator: " | ")) |" }
    }
}
