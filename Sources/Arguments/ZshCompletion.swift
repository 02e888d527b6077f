/// A completion script for zsh: one function for each command, in terms of `_arguments` and `_describe`.
package enum ZshCompletion {
    package static func text(for program: Command) -> String {
        var functions: [String] = []
        addFunctions(for: program, name: "_\(program.name)", inherited: [.help], to: &functions)
        return """
            #compdef \(program.name)
            # zsh completion for \(program.name); written by 'meshctl completion zsh'

            \(functions.joined(separator: "\n\n"))

            _\(program.name) "$@"

            """
    }

    private static func addFunctions(
        for command: Command, name: String, inherited: [Option], to functions: inout [String]
    ) {
        let options = command.options + inherited
        let specifications = options.map { specification(of: $0) }
        if command.visibleCommands.isEmpty {
            let arguments = command.arguments.map { argument in
                quoted("\(argument.isOptional ? "::" : ":")\(escaped(argument.name)):\(action(for: argument.kind))")
            }
            functions.append(function(name, ["_arguments -s"] + (arguments + specifications).map { "    " + $0 }))
            return
        }
        let children = command.visibleCommands
        let descriptions = children.map { "        " + quoted("\(escaped($0.name)):\(escaped($0.summary))") }
        let cases = children.map { "        \($0.name)) \(name)_\($0.name) ;;" }
        functions.append(
            """
            \(name)() {
                local context state state_descr line
                typeset -A opt_args
                local -a commands=(
            \(descriptions.joined(separator: "\n"))
                )
                _arguments -C \\
            \(specifications.map { "        \($0) \\" }.joined(separator: "\n"))
                    '1: :->command' '*:: :->argument'
                case $state in
                    command) _describe command commands ;;
                    argument)
                        case $line[1] in
            \(cases.map { "            " + $0.drop { $0 == " " } }.joined(separator: "\n"))
                        esac
                        ;;
                esac
            }
            """)
        for child in children {
            addFunctions(for: child, name: "\(name)_\(child.name)", inherited: options, to: &functions)
        }
    }

    private static func function(_ name: String, _ lines: [String]) -> String {
        "\(name)() {\n" + lines.map { "    " + $0 }.joined(separator: " \\\n") + "\n}"
    }

    /// `'(-n --count)'{-n+,--count=}'[text]:N:action'`, the form that `_arguments` takes.
    private static func specification(of option: Option) -> String {
        let hasValue = option.valueName != nil
        let tail =
            "[\(escaped(option.summary))]"
            + (option.valueName.map { ":\(escaped($0)):\(action(for: option.kind))" } ?? "")
        let long = "--\(option.name)" + (hasValue ? "=" : "")
        let star = option.isRepeatable ? "*" : ""
        guard let short = option.short else { return quoted(star + long + tail) }
        let both = "{-\(short)\(hasValue ? "+" : ""),\(long)}"
        return option.isRepeatable
            ? "'*'\(both)\(quoted(tail))" : "'(-\(short) --\(option.name))'\(both)\(quoted(tail))"
    }

    private static func action(for kind: ValueKind) -> String {
        switch kind {
        case .file: "_files"
        case .choice(let choices): "(\(choices.joined(separator: " ")))"
        case .text, .number, .duration: " "
        }
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// Colons and brackets end a field of a specification.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            if ":[]\\".contains(character) { escaped.append("\\") }
            escaped.append(character)
        }
        return escaped
    }
}
