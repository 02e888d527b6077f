package import Linux

/// Why the host's programs could not be told whom to ask.
package enum HostNamesError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A program failed; with what it said.
    case commandFailed([String], String)
    case refused(SystemError)

    package var description: String {
        switch self {
        case .commandFailed(let words, let output):
            "'\(words.joined(separator: " "))' failed: \(output); until it succeeds this host's programs do not find names of "
                + "the mesh"
        case .refused(let error): "\(error); run it as root, and see whether the file may be changed"
        }
    }
}
