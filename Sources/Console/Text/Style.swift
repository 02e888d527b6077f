/// What text looks like on a terminal that has colours, and nothing elsewhere.
struct Style: Sendable {
    enum Look: String, Sendable {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case good = "32"
        case doubtful = "33"
        case bad = "31"
    }

    var hasColor: Bool

    func callAsFunction(_ look: Look, _ text: String) -> String {
        let text = Self.printable(text)
        return hasColor && look != .plain && !text.isEmpty ? "\u{1b}[\(look.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// Text from elsewhere, a peer's name or its reasons, without characters that would steer the terminal.
    static func printable(_ text: String) -> String {
        var printable = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            // Bidirectional overrides make a line read otherwise than it is.
            let isOverride = (0x202a...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
            printable.append(isControl || isOverride ? "?" : scalar)
        }
        return String(printable)
    }
}
