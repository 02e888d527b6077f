/// What the source must not contain, with the reason that a failing test prints.
enum Rules {
    /// Words that make a pure target impure.
    static let impureWords: [Substring: String] = [
        "Dispatch": "has queues and threads", "DispatchQueue": "has queues and threads",
        "Foundation": "is too large and reads clocks", "FoundationEssentials": "is too large",
        "Glibc": "does I/O", "Musl": "does I/O", "Darwin": "does I/O",
        "Task": "starts a task", "TaskGroup": "starts tasks", "withTaskGroup": "starts tasks",
        "Thread": "starts a thread", "pthread_create": "starts a thread",
        "Mutex": "takes a lock", "NSLock": "takes a lock", "pthread_mutex_t": "takes a lock",
        "ContinuousClock": "reads a clock", "SuspendingClock": "reads a clock",
        "clock_gettime": "reads a clock",
        "SystemRandomNumberGenerator": "draws system randomness",
        "getrandom": "draws system randomness",
        "print": "writes to standard output",
    ]

    /// Methods that draw system randomness unless they are given `using:`.
    static let randomMethods: Set<Substring> = ["random", "randomElement", "shuffled", "shuffle"]

    /// Words of `impureWords` that a file may use all the same, by its path, each with the reason.
    static let exceptions: [String: [Substring: String]] = [:]

    static let lineLimit = 450

    /// Marks of unfinished work, spelt so that this file has none.
    static let unfinishedMarks = ["TO" + "DO", "FIX" + "ME"]

    /// Objections to a file of a pure target.
    static func impurities(in source: SourceText, except allowed: Set<Substring> = []) -> [String] {
        source.lines.indices.flatMap { index -> [String] in
            let line = source.lines[index]
            // A call may be broken over lines: its `using:` is looked for on the next ones too.
            let passesGenerator = source.lines[index...].prefix(6).contains {
                $0.tokens.contains("using")
            }
            return line.tokens.indices.compactMap { position in
                let word = line.tokens[position]
                if let reason = impureWords[word], !allowed.contains(word) {
                    return "\(line.number): \(word) \(reason)"
                }
                guard position > 0, line.tokens[position - 1] == "." else { return nil }
                if word == "now", position == 1 || "(:=,[?".contains(line.tokens[position - 2]) {
                    return "\(line.number): .now reads a clock"
                }
                let isCall = line.tokens[(position + 1)...].first == "("
                if randomMethods.contains(word), isCall, !passesGenerator {
                    return "\(line.number): \(word)() draws system randomness; pass using:"
                }
                return nil
            }
        }
    }

    /// Objections to any file under Sources.
    static func blemishes(in source: SourceText) -> [String] {
        source.lines.flatMap { line in
            line.tokens.indices.compactMap { position in
                let next = line.tokens[(position + 1)...].first
                return switch line.tokens[position] {
                case "public", "open":
                    next.map(isDeclaration) == true ? "\(line.number): nothing is public" : nil
                case "try" where next == "!": "\(line.number): try! turns an error into a crash"
                case "fatalError":
                    "\(line.number): fatalError; a broken invariant of ours is a precondition"
                default: nil
                }
            }
        }
    }

    private static func isDeclaration(_ word: Substring) -> Bool {
        [
            "actor", "class", "enum", "extension", "final", "func", "import", "init", "let", "mutating",
            "protocol",
            "static", "struct", "subscript", "typealias", "var",
        ].contains(word)
    }
}
