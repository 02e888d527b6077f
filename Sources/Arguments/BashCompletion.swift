/// A completion script for bash: the tree as cases, and one function that walks it.
package enum BashCompletion {
    package static func text(for program: Command) -> String {
        let name = program.name
        var moves: [String] = []
        var words: [String] = []
        var values: [String] = []
        walk(program, path: name, inherited: [.help]) { command, path, options in
            for child in command.visibleCommands {
                moves.append("            '\(path):\(child.name)') path='\(path) \(child.name)' ;;")
            }
            let offered = command.visibleCommands.map(\.name) + options.map { "--\($0.name)" }
            let choices = command.arguments.flatMap { argument -> [String] in
                if case .choice(let choices) = argument.kind { choices } else { [] }
            }
            let takesFile = command.arguments.contains { if case .file = $0.kind { true } else { false } }
            words.append(
                "        '\(path)') words='\((choices + offered).joined(separator: " "))'\(takesFile ? " files=1" : "") ;;"
            )
        }
        for (spelling, option) in valueOptions(of: program) {
            switch option.kind {
            case .choice(let choices):
                values.append("        \(spelling)) words='\(choices.joined(separator: " "))' ;;")
            case .file: values.append("        \(spelling)) files=1 ;;")
            case .text, .number, .duration: values.append("        \(spelling)) ;;")
            }
        }
        return """
            # bash completion for \(name); written by 'meshctl completion bash'

            _\(name)() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
                local path='\(name)' words='' files='' index word
                # '=' is a word of its own here: --option=value comes as three.
                if [[ $current == '=' ]]; then
                    current=''
                elif [[ $previous == '=' ]] && ((COMP_CWORD >= 2)); then
                    previous=${COMP_WORDS[COMP_CWORD - 2]}
                fi
                for ((index = 1; index < COMP_CWORD; index++)); do
                    word=${COMP_WORDS[index]}
                    case "$path:$word" in
            \(moves.joined(separator: "\n"))
                    esac
                done
                case "$previous" in
            \(values.joined(separator: "\n"))
                    *)
                        case "$path" in
            \(words.map { "        " + $0 }.joined(separator: "\n"))
                        esac
                        ;;
                esac
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
                if [[ -n $files ]]; then
                    compopt -o filenames 2>/dev/null
                    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
                fi
            }

            complete -F _\(name) \(name)

            """
    }

    private static func walk(
        _ command: Command, path: String, inherited: [Option], _ visit: (Command, String, [Option]) -> Void
    ) {
        let options = command.options + inherited
        visit(command, path, options)
        for child in command.visibleCommands {
            walk(child, path: "\(path) \(child.name)", inherited: options, visit)
        }
    }

    /// Every option with a value, once, as the pattern of its spellings.
    private static func valueOptions(of program: Command) -> [(spelling: String, option: Option)] {
        var found: [(spelling: String, option: Option)] = []
        walk(program, path: "", inherited: []) { _, _, options in
            for option in options where option.valueName != nil {
                let spelling = (option.short.map { "-\($0) | " } ?? "") + "--\(option.name)"
                if !found.contains(where: { $0.spelling == spelling }) { found.append((spelling, option)) }
            }
        }
        return found
    }
}
