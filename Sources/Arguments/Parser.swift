/// Understands a command line by the tree of its program's commands.
///
/// Options may stand anywhere; everything after `--` is positional. A command's options are accepted in all commands
/// below it. `--help` stops the parsing, so that it works on a line that is wrong.
package struct Parser {
    private let program: Command
    private var commands: [Command]
    private var invocation = Invocation()
    private var positionals: [String] = []

    private init(_ program: Command) {
        self.program = program
        commands = [program]
    }

    /// - Parameter line: the arguments without the program's name.
    package static func parse(_ line: [String], for program: Command) throws(UsageError) -> Invocation {
        var parser = Parser(program)
        try parser.read(line)
        return parser.invocation
    }

    private var options: [Option] { commands.flatMap(\.options) + [.help] }

    private mutating func read(_ line: [String]) throws(UsageError) {
        var rest = line[...]
        var optionsEnded = false
        while let word = rest.popFirst(), !invocation.wantsHelp {
            if !optionsEnded, word == "--" {
                optionsEnded = true
            } else if !optionsEnded, word.hasPrefix("--") {
                try readLongOption(word, rest: &rest)
            } else if !optionsEnded, word.hasPrefix("-"), word.count > 1 {
                try readShortOptions(word, rest: &rest)
            } else {
                try readWord(word)
            }
        }
        try finish()
    }

    private mutating func readLongOption(_ word: String, rest: inout ArraySlice<String>) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0].dropFirst(2))
        guard let option = options.first(where: { $0.name == name }) else {
            let suggestion = NearMiss.suggestion(for: name, among: options.map(\.name)).map { "--\($0)" }
            throw error(.unknownOption("--\(name)", suggestion: suggestion))
        }
        if parts.count == 1 {
            try record(option, as: "--\(name)", attached: nil, rest: &rest)
        } else {
            guard option.valueName != nil else { throw error(.unexpectedValue(option: "--\(name)")) }
            try record(option, as: "--\(name)", attached: String(parts[1]), rest: &rest)
        }
    }

    /// `-v`, several flags as `-jv`, and a value as `-n5` or `-n 5`.
    private mutating func readShortOptions(_ word: String, rest: inout ArraySlice<String>) throws(UsageError) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            guard let option = options.first(where: { $0.short == letter }) else {
                throw error(.unknownOption("-\(letter)", suggestion: nil))
            }
            let takesRest = option.valueName != nil && !letters.isEmpty
            try record(option, as: "-\(letter)", attached: takesRest ? String(letters) : nil, rest: &rest)
            if takesRest { return }
        }
    }

    private mutating func record(
        _ option: Option, as written: String, attached: String?, rest: inout ArraySlice<String>
    ) throws(UsageError) {
        guard option.name != Option.help.name else {
            invocation.wantsHelp = true
            return
        }
        var value = ""
        if option.valueName != nil {
            guard let given = attached ?? rest.popFirst() else { throw error(.missingValue(option: written)) }
            if let expected = option.kind.objection(to: given) {
                throw error(.invalidValue(name: written, value: given, expected: expected))
            }
            value = given
        } else if invocation.optionValues[option.name] != nil {
            return
        }
        guard option.isRepeatable || invocation.optionValues[option.name] == nil else {
            throw error(.repeatedOption(written))
        }
        invocation.optionValues[option.name, default: []].append(value)
    }

    private mutating func readWord(_ word: String) throws(UsageError) {
        let current = commands[commands.count - 1]
        guard !current.commands.isEmpty else {
            positionals.append(word)
            return
        }
        guard let next = current.command(named: word) else {
            let names = current.visibleCommands.map(\.name)
            throw error(.unknownCommand(word, suggestion: NearMiss.suggestion(for: word, among: names)))
        }
        commands.append(next)
        invocation.path.append(word)
    }

    private mutating func finish() throws(UsageError) {
        let command = commands[commands.count - 1]
        invocation.declared = Set(options.map(\.name) + command.arguments.map(\.name))
        guard !invocation.wantsHelp else { return }
        guard command.commands.isEmpty else { throw error(.missingCommand) }
        for (argument, text) in zip(command.arguments, positionals) {
            if let expected = argument.kind.objection(to: text) {
                throw error(.invalidValue(name: argument.name, value: text, expected: expected))
            }
            invocation.argumentValues[argument.name] = text
        }
        guard positionals.count <= command.arguments.count else {
            throw error(.unexpectedArgument(positionals[command.arguments.count]))
        }
        if let missing = command.arguments.dropFirst(positionals.count).first(where: { !$0.isOptional }) {
            throw error(.missingArgument(missing.name))
        }
    }

    private func error(_ reason: UsageError.Reason) -> UsageError {
        UsageError(reason, command: ([program.name] + invocation.path).joined(separator: " "))
    }
}
