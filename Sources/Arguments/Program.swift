/// A program with what its manual page says beyond its commands.
package struct Program: Sendable {
    package var command: Command
    /// The section of the manual: 1 for users' programs, 8 for administrators'.
    package var section: Int
    package var environment: [(name: String, text: String)]
    package var files: [(path: String, text: String)]
    package var exitCodes: [(code: Int32, text: String)]
    package var seeAlso: [String]

    package init(
        _ command: Command, section: Int, environment: [(name: String, text: String)] = [],
        files: [(path: String, text: String)] = [], exitCodes: [(code: Int32, text: String)] = [],
        seeAlso: [String] = []
    ) {
        self.command = command
        self.section = section
        self.environment = environment
        self.files = files
        self.exitCodes = exitCodes
        self.seeAlso = seeAlso
    }

    /// The name of the manual page's file: `meshd.8`.
    package var pageName: String { "\(command.name).\(section)" }
}
