/// Swift source as words and marks, without comments and without what string literals say.
///
/// Enough of a lexer for rules about words: nested block comments, one-line, multi-line and raw strings.
/// Code inside a string's interpolation is taken as part of the string.
struct SourceText {
    struct Line {
        /// Counted from one.
        let number: Int
        /// Identifiers whole, every other visible character by itself.
        var tokens: [Substring] = []
    }

    private(set) var lines: [Line] = []

    init(_ text: String) {
        var rest = Substring(text)
        var line = Line(number: 1)
        var commentDepth = 0
        var closingQuote: String?
        while let character = rest.first {
            if character.isNewline {
                lines.append(line)
                line = Line(number: line.number + 1)
                if closingQuote?.contains("\"\"\"") == false { closingQuote = nil }
                rest.removeFirst()
            } else if let quote = closingQuote {
                if rest.hasPrefix(quote) {
                    closingQuote = nil
                    rest.removeFirst(quote.count)
                } else if character == "\\", !quote.hasSuffix("#") {
                    rest = rest.dropFirst(2)
                } else {
                    rest.removeFirst()
                }
            } else if rest.hasPrefix("/*") {
                commentDepth += 1
                rest.removeFirst(2)
            } else if commentDepth > 0 {
                let ends = rest.hasPrefix("*/")
                commentDepth -= ends ? 1 : 0
                rest.removeFirst(ends ? 2 : 1)
            } else if rest.hasPrefix("//") {
                rest = rest.drop { !$0.isNewline }
            } else if let opening = Self.openingQuote(of: rest) {
                closingQuote = String(opening.reversed())
                rest.removeFirst(opening.count)
            } else if Self.isWord(character) {
                let word = rest.prefix(while: Self.isWord)
                line.tokens.append(word)
                rest = rest[word.endIndex...]
            } else {
                if !character.isWhitespace { line.tokens.append(rest.prefix(1)) }
                rest.removeFirst()
            }
        }
        lines.append(line)
    }

    /// The modules that the file imports.
    var imports: [(line: Int, module: String)] {
        lines.compactMap { line in
            guard let position = line.tokens.firstIndex(of: "import"), position + 1 < line.tokens.count,
                line.tokens[..<position].allSatisfy({ Self.importModifiers.contains($0) })
            else { return nil }
            return (line.number, String(line.tokens[position + 1]))
        }
    }

    private static let importModifiers: Set<Substring> = [
        "@", "testable", "_exported", "private", "fileprivate", "internal", "package", "public",
    ]

    private static func openingQuote(of text: Substring) -> String? {
        let hashes = text.prefix { $0 == "#" }
        let quotes = text.dropFirst(hashes.count).prefix { $0 == "\"" }
        guard !quotes.isEmpty else { return nil }
        return hashes + (quotes.count >= 3 ? "\"\"\"" : "\"")
    }

    private static func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }
}
