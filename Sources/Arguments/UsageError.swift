/// A command line that cannot be understood. The program prints it and exits with `exitCode`.
package struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case unknownCommand(String, suggestion: String?)
        case missingCommand
        case unknownOption(String, suggestion: String?)
        case missingValue(option: String)
        case unexpectedValue(option: String)
        case repeatedOption(String)
        case invalidValue(name: String, value: String, expected: String)
        case missingArgument(String)
        case unexpectedArgument(String)
    }

    /// EX_USAGE of sysexits.h.
    package static let exitCode: Int32 = 64

    package let reason: Reason
    /// The program and the command as far as they were understood: `meshctl wireguard`.
    package let command: String

    package init(_ reason: Reason, command: String) {
        self.reason = reason
        self.command = command
    }

    package var message: String {
        switch reason {
        case .unknownCommand(let name, let suggestion): "there is no command '\(name)'" + Self.ask(suggestion)
        case .missingCommand: "which command?"
        case .unknownOption(let name, let suggestion): "there is no option \(name)" + Self.ask(suggestion)
        case .missingValue(let option): "\(option) needs a value"
        case .unexpectedValue(let option): "\(option) takes no value"
        case .repeatedOption(let option): "\(option) is given twice"
        case .invalidValue(let name, "", "some text"): "\(name) is empty"
        case .invalidValue(let name, let value, let expected): "\(name) must be \(expected), not '\(value)'"
        case .missingArgument(let name): "\(name) is missing"
        case .unexpectedArgument(let text): "'\(text)' is one argument too many"
        }
    }

    package var nextStep: String { "see '\(command) --help'" }

    package var description: String { "\(message); \(nextStep)" }

    private static func ask(_ suggestion: String?) -> String {
        suggestion.map { "; did you mean '\($0)'?" } ?? ""
    }
}
