/// What `--help` prints.
package enum HelpText {
    /// - Parameter path: names of commands below the program's, as in `Invocation.path`.
    package static func text(for path: [String], of program: Command) -> String {
        var commands = [program]
        for name in path {
            guard let next = commands[commands.count - 1].command(named: name) else { break }
            commands.append(next)
        }
        let command = commands[commands.count - 1]
        let name = commands.map(\.name).joined(separator: " ")
        var sections = [
            Paragraph.wrapped("\(name) - \(command.summary)"), ["Usage: \(usage(of: command, as: name))"],
        ]
        sections += command.discussion.map { Paragraph.wrapped($0) }
        add("Commands", command.visibleCommands.map { (leaf($0), $0.summary) }, to: &sections)
        add("Arguments", command.arguments.map { ($0.name, $0.summary) }, to: &sections)
        add("Options", command.options.map { (term(for: $0), summary(of: $0)) }, to: &sections)
        let inherited = commands.dropLast().flatMap(\.options) + [.help]
        add(
            commands.count == 1 ? "Help" : "Options of every command",
            inherited.map { (term(for: $0), summary(of: $0)) }, to: &sections)
        add("Examples", command.examples.map { ($0.line, $0.text) }, to: &sections)
        return sections.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    /// The line after "Usage:".
    static func usage(of command: Command, as name: String) -> String {
        var words = [name]
        if !command.commands.isEmpty { words.append("COMMAND") }
        words += command.arguments.map(\.synopsis)
        words.append("[OPTIONS]")
        return words.joined(separator: " ")
    }

    /// `-n, --count N`, as help and manual write it.
    static func term(for option: Option) -> String {
        let short = option.short.map { "-\($0), " } ?? ""
        return short + "--\(option.name)" + (option.valueName.map { " \($0)" } ?? "")
    }

    /// The summary with the choices that the value has.
    static func summary(of option: Option) -> String {
        guard case .choice(let choices) = option.kind else { return option.summary }
        return "\(option.summary): \(choices.joined(separator: ", "))"
    }

    private static func leaf(_ command: Command) -> String {
        ([command.name] + command.arguments.map(\.synopsis)).joined(separator: " ")
    }

    private static func add(_ title: String, _ entries: [(term: String, text: String)], to sections: inout [[String]]) {
        guard !entries.isEmpty else { return }
        sections.append(["\(title):"] + Paragraph.definitions(entries))
    }
}
