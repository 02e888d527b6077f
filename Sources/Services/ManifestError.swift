/// Why a manifest is refused: where, what is wrong, and what to write instead.
package struct ManifestError: Error, Equatable, Sendable, CustomStringConvertible {
    package var file: String
    /// Counted from one.
    package var line: Int
    package var reason: String
    package var advice: String

    package init(file: String, line: Int, reason: String, advice: String) {
        self.file = file
        self.line = line
        self.reason = reason
        self.advice = advice
    }

    package var description: String { "\(file):\(line): \(reason); \(advice)" }
}

/// Something in a manifest that was left out on purpose, worth telling once.
package struct ManifestNotice: Equatable, Sendable, CustomStringConvertible {
    package var file: String
    package var line: Int
    package var text: String

    package init(file: String, line: Int, text: String) {
        self.file = file
        self.line = line
        self.text = text
    }

    package var description: String { "\(file):\(line): \(text)" }
}
