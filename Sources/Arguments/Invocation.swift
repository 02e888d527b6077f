/// A command line that was understood: the command and the values of its options and arguments.
package struct Invocation: Sendable {
    /// The command's name and those above it, without the program's: `["wireguard", "add"]`.
    package internal(set) var path: [String] = []
    /// Whether help was asked for; then nothing else has been checked.
    package internal(set) var wantsHelp = false
    var optionValues: [String: [String]] = [:]
    var argumentValues: [String: String] = [:]
    /// Names that may be asked for; asking for another is a mistake in the program.
    var declared: Set<String> = []

    /// Whether a flag or option was given.
    package func has(_ option: String) -> Bool { !texts(option).isEmpty }

    /// The value of an option, `nil` where it was not given.
    package func text(_ option: String) -> String? { texts(option).last }

    /// All values of a repeatable option.
    package func texts(_ option: String) -> [String] {
        precondition(declared.contains(option), "no option --\(option) is declared")
        return optionValues[option, default: []]
    }

    /// The value of an option that is a number, `nil` where it was not given.
    package func number(_ option: String) -> Int? { text(option).flatMap { Int($0) } }

    /// The value of an option that is a duration, in seconds, `nil` where it was not given.
    package func seconds(_ option: String) -> Int? { text(option).flatMap { ValueKind.seconds($0) } }

    /// A positional argument by the name that help shows, `nil` where it was left out.
    package func argument(_ name: String) -> String? {
        precondition(declared.contains(name), "no argument \(name) is declared")
        return argumentValues[name]
    }
}

extension ValueKind {
    /// What a value must be, if `text` is not that; `nil` if it is.
    func objection(to text: String) -> String? {
        switch self {
        case .text, .file:
            return text.isEmpty ? "some text" : nil
        case .number(let range):
            if let number = Int(text), range.contains(number) { return nil }
            return "a number from \(range.lowerBound) to \(range.upperBound)"
        case .duration(let range):
            if let seconds = Self.seconds(text), range.contains(seconds) { return nil }
            return "a time from \(Self.durationText(range.lowerBound)) to \(Self.durationText(range.upperBound)), "
                + "such as 90s, 15m, 24h or 7d"
        case .choice(let choices):
            return choices.contains(text) ? nil : "one of " + choices.joined(separator: ", ")
        }
    }

    private static let units: [(suffix: String, seconds: Int)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]

    /// Seconds of `90`, `90s`, `15m`, `24h` or `7d`; `nil` for anything else or more than 2⁶³ seconds.
    static func seconds(_ text: String) -> Int? {
        let unit = units.first { text.hasSuffix($0.suffix) }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(digits)
        else { return nil }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit?.seconds ?? 1)
        return overflow ? nil : seconds
    }

    /// The shortest exact form: 86,400 seconds are `1d`.
    static func durationText(_ seconds: Int) -> String {
        let unit = units.first { seconds.isMultiple(of: $0.seconds) } ?? ("s", 1)
        return "\(seconds / unit.seconds)\(unit.suffix)"
    }
}
