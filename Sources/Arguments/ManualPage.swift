/// A manual page in the man(7) macros.
package enum ManualPage {
    /// - Parameters:
    ///   - version: stands in the page's foot, as `KubeMesh 1.0`.
    package static func text(for program: Program, version: String) -> String {
        let command = program.command
        var page = Page()
        page.macro(
            "TH", [command.name.uppercased(), "\(program.section)", "", "KubeMesh \(version)", "KubeMesh Manual"])
        page.section("NAME")
        page.text("\(command.name) - \(command.summary)")
        page.section("SYNOPSIS")
        page.synopsis(HelpText.usage(of: command, as: command.name))
        page.section("DESCRIPTION")
        page.paragraphs(command.discussion)
        if !command.commands.isEmpty {
            page.section("COMMANDS")
            addCommands(below: command, as: command.name, to: &page)
        }
        page.section("OPTIONS")
        for option in command.options + [.help] { page.option(option) }
        page.entries("ENVIRONMENT", program.environment.map { ($0.name, $0.text) })
        page.entries("FILES", program.files.map { ($0.path, $0.text) })
        page.entries("EXIT STATUS", program.exitCodes.map { ("\($0.code)", $0.text) })
        let examples = command.examples + allExamples(below: command)
        page.entries("EXAMPLES", examples.map { ($0.line, $0.text) })
        if !program.seeAlso.isEmpty {
            page.section("SEE ALSO")
            page.text(program.seeAlso.joined(separator: ", "))
        }
        return page.lines.joined(separator: "\n") + "\n"
    }

    private static func addCommands(below command: Command, as name: String, to page: inout Page) {
        for child in command.visibleCommands {
            let fullName = "\(name) \(child.name)"
            guard child.commands.isEmpty else {
                addCommands(below: child, as: fullName, to: &page)
                continue
            }
            page.macro("SS", [([fullName] + child.arguments.map(\.synopsis)).joined(separator: " ")])
            page.text(sentence(child.summary))
            page.paragraphs(child.discussion, startsSection: false)
            for argument in child.arguments { page.entry(argument.name, sentence(argument.summary)) }
            for option in child.options { page.option(option) }
        }
    }

    private static func allExamples(below command: Command) -> [Command.Example] {
        command.visibleCommands.flatMap { $0.examples + allExamples(below: $0) }
    }

    fileprivate static func sentence(_ summary: String) -> String {
        summary.prefix(1).uppercased() + summary.dropFirst() + "."
    }

    /// Lines of roff, with what is special to it escaped.
    private struct Page {
        var lines: [String] = []

        mutating func macro(_ name: String, _ arguments: [String] = []) {
            let quoted = arguments.map { "\"\(Self.escaped($0))\"" }
            lines.append(([".\(name)"] + quoted).joined(separator: " "))
        }

        mutating func section(_ title: String) { macro("SH", [title]) }

        mutating func text(_ text: String) {
            let escaped = Self.escaped(text)
            // A line that begins with a dot or an apostrophe is a request to roff.
            let isRequest = escaped.hasPrefix(".") || escaped.hasPrefix("\\(aq")
            lines.append(isRequest ? "\\&" + escaped : escaped)
        }

        mutating func synopsis(_ usage: String) {
            lines.append(
                "\\fB\(Self.escaped(String(usage.prefix { $0 != " " })))\\fR"
                    + Self.escaped(String(usage.drop { $0 != " " })))
        }

        mutating func paragraphs(_ paragraphs: [String], startsSection: Bool = true) {
            for (index, paragraph) in paragraphs.enumerated() {
                if index > 0 || !startsSection { macro("PP") }
                text(paragraph)
            }
        }

        mutating func option(_ option: Option) {
            entry(HelpText.term(for: option), ManualPage.sentence(HelpText.summary(of: option)))
        }

        mutating func entry(_ term: String, _ text: String) {
            macro("TP")
            lines.append("\\fB\(Self.escaped(term))\\fR")
            self.text(text)
        }

        mutating func entries(_ title: String, _ entries: [(term: String, text: String)]) {
            guard !entries.isEmpty else { return }
            section(title)
            for (term, text) in entries { entry(term, text) }
        }

        /// Backslashes, quotes and hyphens as roff wants them; hyphens in options must be minus signs to be searched for.
        private static func escaped(_ text: String) -> String {
            var escaped = ""
            for character in text {
                switch character {
                case "\\": escaped += "\\e"
                case "-": escaped += "\\-"
                case "'": escaped += "\\(aq"
                case "\"": escaped += "\\(dq"
                case "…": escaped += "..."
                default: escaped.append(character)
                }
            }
            return escaped
        }
    }
}
