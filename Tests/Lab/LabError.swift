/// Why the lab could not do what a test asked for.
package enum LabError: Error, CustomStringConvertible {
    case notPermitted
    case interrupted
    case exited(command: [String], status: Int32, errors: String)
    case deadline(what: String, after: Duration)
    case system(call: String, object: String, code: Int32)
    case inUse(run: String)
    case unexpected(String)

    package var description: String {
        switch self {
        case .notPermitted: "the lab makes network namespaces: run it as root"
        case .interrupted: "interrupted"
        case .exited(let command, let status, let errors):
            "'\(command.joined(separator: " "))' ended with status \(status): \(errors)"
        case .deadline(let what, let after): "\(what) did not happen within \(after)"
        case .system(let call, let object, let code): "\(call) of \(object) failed: \(LabError.text(of: code))"
        case .inUse(let run): "a lab named '\(run)' is up already: end it first (the demo: sudo scripts/demo --stop)"
        case .unexpected(let what): what
        }
    }
}
