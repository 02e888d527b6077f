/// Somewhere that programs run: a network namespace, a host with files of its own, a container.
package protocol Place {
    /// What tells the places of one lab apart, such as "alpha" or "alpha.c1".
    var label: String { get }
    /// The command line that runs whatever follows it in this place.
    var entry: [String] { get }
    /// The file that stands for the place's network namespace.
    var namespacePath: String { get }
    /// The run of the lab that this place is part of; its folder takes logs and captures.
    var run: Run { get }
}

extension Place {
    /// Runs a program in this place and returns what it printed; a status other than 0 is thrown.
    @discardableResult
    package func run(
        _ arguments: String..., input: String = "", within deadline: Duration = .seconds(20)
    ) throws(LabError) -> String {
        try Command(entry + arguments, input: input).run(within: deadline)
    }

    /// Runs a program in this place, whatever its status.
    package func result(
        of arguments: String..., input: String = "", within deadline: Duration = .seconds(20)
    ) throws(LabError) -> Command.Result {
        try Command(entry + arguments, input: input).result(within: deadline)
    }

    /// Runs lines of shell, stopping at the first that fails.
    @discardableResult
    package func shell(_ script: String, within deadline: Duration = .seconds(20)) throws(LabError) -> String {
        try Command(entry + ["sh", "-ec", script]).run(within: deadline)
    }

    /// Starts a program that goes on running; it ends with the lab, or when it is stopped.
    package func start(_ arguments: String..., log name: String) throws(LabError) -> Program {
        try Program(entry + arguments, logPath: "\(run.folder)/\(label)-\(name).log")
    }

    /// Loads nftables rules.
    package func loadRules(_ rules: String) throws(LabError) {
        try run("nft", "-f", "-", input: rules)
    }
}
