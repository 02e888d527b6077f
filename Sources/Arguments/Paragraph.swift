/// Breaks and indents text for a terminal 80 columns wide.
enum Paragraph {
    static let width = 80

    /// Lines of at most `width` characters, each after `indent` spaces; a longer word stands alone.
    static func wrapped(_ text: String, indent: Int = 0) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, indent + line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        lines.append(line)
        return lines.map { String(repeating: " ", count: indent) + $0 }
    }

    /// Two columns: terms indented by two, explanations aligned and broken; a term that is too long has a line of its own.
    static func definitions(_ entries: [(term: String, text: String)], termLimit: Int = 26) -> [String] {
        let widest = entries.map(\.term.count).filter { $0 <= termLimit }.max() ?? termLimit
        let column = 2 + widest + 2
        return entries.flatMap { term, text in
            var lines = wrapped(text, indent: column)
            if term.count > widest {
                lines.insert("  " + term, at: 0)
            } else {
                let gap = String(repeating: " ", count: column - 2 - term.count)
                lines[0] = "  " + term + gap + lines[0].dropFirst(column)
            }
            return lines
        }
    }
}
