import Arguments
import ControlAPI
import Glibc
import JSON

/// Standard output and standard error: text for people, or JSON for programs.
struct Output: Sendable {
    let isJSON: Bool
    let isTerminal: Bool
    let style: Style

    init(isJSON: Bool, environment: Environment) {
        self.isJSON = isJSON
        isTerminal = isatty(STDOUT_FILENO) == 1
        let allowsColor = environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
        style = Style(hasColor: isTerminal && allowsColor && !isJSON)
    }

    /// Prints JSON where that was asked for, and lines elsewhere.
    func show(_ json: @autoclosure () -> JSONValue, _ lines: @autoclosure () -> [String]) {
        if isJSON {
            Self.write(json().indentedText + [UInt8(ascii: "\n")], to: STDOUT_FILENO)
        } else {
            print(lines())
        }
    }

    /// Prints lines as they are, in text mode or where the text itself was asked for.
    func print(_ lines: [String]) {
        Self.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: STDOUT_FILENO)
    }

    /// Says what is going on, to somebody who waits at a terminal.
    func note(_ text: String) {
        guard !isJSON else { return }
        let lines = text.split(separator: "\n").map { Style.printable(String($0)) + "\n" }
        Self.write(Array(lines.joined().utf8), to: STDERR_FILENO)
    }

    func show(_ failure: Failure) {
        if isJSON {
            let json: JSONValue = ["error": failure.json]
            Self.write(json.indentedText + [UInt8(ascii: "\n")], to: STDERR_FILENO)
        } else {
            note("meshctl: \(failure.message)")
            if let nextStep = failure.nextStep { note("next: \(nextStep)") }
        }
    }

    func show(_ error: UsageError) {
        show(Failure(.usage, error.message, nextStep: error.nextStep))
    }

    /// Writes everything; where nobody reads any more there is nothing left to say.
    static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }
}

/// The variables that the program was started with.
package typealias Environment = [String: String]
