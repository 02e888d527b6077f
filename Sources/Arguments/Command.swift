/// A program, or one of its commands: all that its parser, its help, its manual page and its completion know.
package struct Command: Sendable {
    package struct Example: Sendable {
        package var line: String
        package var text: String

        package init(_ line: String, _ text: String) {
            self.line = line
            self.text = text
        }
    }

    package var name: String
    /// What it does, in the imperative: no capital, no full stop.
    package var summary: String
    /// Paragraphs in whole sentences.
    package var discussion: [String]
    package var arguments: [Argument]
    /// Accepted here and in every command below.
    package var options: [Option]
    package var commands: [Command]
    package var examples: [Example]
    /// Left out of help, manual and completion; it works all the same.
    package var isHidden: Bool

    package init(
        _ name: String, _ summary: String, discussion: [String] = [], arguments: [Argument] = [],
        options: [Option] = [], commands: [Command] = [], examples: [Example] = [], isHidden: Bool = false
    ) {
        self.name = name
        self.summary = summary
        self.discussion = discussion
        self.arguments = arguments
        self.options = options
        self.commands = commands
        self.examples = examples
        self.isHidden = isHidden
    }

    package var visibleCommands: [Command] { commands.filter { !$0.isHidden } }

    func command(named name: some StringProtocol) -> Command? { commands.first { $0.name == name } }
}

/// What an option's value or a positional argument may be.
package enum ValueKind: Sendable {
    case text
    case file
    case number(ClosedRange<Int>)
    /// Seconds, or a number with its unit: `90s`, `15m`, `24h`, `7d`.
    case duration(ClosedRange<Int>)
    case choice([String])
}

/// A named value or flag: `--timeout 15`, `--timeout=15`, `-t 15`, `--json`.
package struct Option: Sendable {
    /// Without its dashes.
    package var name: String
    package var short: Character?
    /// The name of its value in help, `nil` for a flag.
    package var valueName: String?
    package var kind: ValueKind
    package var summary: String
    package var isRepeatable: Bool

    /// A flag, or with `takes` an option that takes a value.
    package init(
        _ name: String, short: Character? = nil, _ summary: String, takes valueName: String? = nil,
        as kind: ValueKind = .text, isRepeatable: Bool = false
    ) {
        self.name = name
        self.short = short
        self.summary = summary
        self.valueName = valueName
        self.kind = kind
        self.isRepeatable = isRepeatable
    }

    /// Every command has it, without declaring it.
    package static let help = Option("help", short: "h", "show this help")
}

/// A positional argument.
package struct Argument: Sendable {
    /// In capitals, as help shows it.
    package var name: String
    package var kind: ValueKind
    package var summary: String
    package var isOptional: Bool

    package init(_ name: String, _ summary: String, as kind: ValueKind = .text, isOptional: Bool = false) {
        self.name = name
        self.kind = kind
        self.summary = summary
        self.isOptional = isOptional
    }

    /// As a usage line writes it: `NAME` or `[NAME]`.
    var synopsis: String { isOptional ? "[\(name)]" : name }
}
