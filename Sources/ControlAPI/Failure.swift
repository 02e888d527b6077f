package import JSON

/// Why a request was not done. It ends the exchange and the client's exit code follows from it.
package struct Failure: JSONRepresentable, Error, CustomStringConvertible {
    package enum Code: String, CaseIterable, Sendable {
        case failed
        /// The request itself was wrong: an unknown node, a garbled token.
        case usage
        /// The daemon cannot be reached, or is too old or too new to understand.
        case unreachable
        case notPermitted
        case configuration

        /// The exit code of a program that ends for this reason (sysexits.h).
        package var exitCode: Int32 {
            switch self {
            case .failed: 1
            case .usage: 64
            case .unreachable: 69
            case .notPermitted: 77
            case .configuration: 78
            }
        }
    }

    package var code: Code
    /// What went wrong, naming the object and the reason; no full stop, no capital.
    package var message: String
    /// What to do next, in the imperative.
    package var nextStep: String?

    package init(_ code: Code, _ message: String, nextStep: String? = nil) {
        self.code = code
        self.message = message
        self.nextStep = nextStep
    }

    /// The daemon's answer to a request that it cannot read.
    package init(unreadable error: JSONError) {
        self.init(
            .unreachable, "meshd does not understand the request (\(error))",
            nextStep: "use meshctl and meshd of one version; 'meshctl version' shows both")
    }

    package init(json: JSONCursor) throws(JSONError) {
        let name = try json.member("code").string()
        // A code that a newer daemon invented is still a failure.
        code = Code(rawValue: name) ?? .failed
        message = try json.member("message").string()
        nextStep = try json.optionalString("nextStep")
    }

    package var json: JSONValue {
        ["code": .string(code.rawValue), "message": .string(message), "nextStep": nextStep.json]
    }

    package var description: String { nextStep.map { "\(message): \($0)" } ?? message }
}
