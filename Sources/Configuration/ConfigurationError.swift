package import YAML

/// Everything that is wrong with one configuration file.
package struct ConfigurationError: Error, Equatable, Sendable {
    package var file: String
    /// In the order of the file; never empty.
    package var problems: [ConfigurationProblem]
}

extension ConfigurationError: CustomStringConvertible {
    /// One line a problem, as compilers write them: file, line, column, key, what is wrong.
    package var description: String {
        problems.map { problem in
            let key = problem.key.isEmpty ? "" : "\(problem.key): "
            return "\(file):\(problem.position.line):\(problem.position.column): \(key)\(problem.reason)"
        }.joined(separator: "\n")
    }
}

/// One thing that is wrong, and where.
package struct ConfigurationProblem: Equatable, Sendable {
    package var position: YAMLPosition
    /// The path of the key, as "listen.port" or "relayNodes[1].nodeName"; empty for the file as a whole.
    package var key: String
    /// What was expected and what was found.
    package var reason: String
}
