import Agent
import Arguments
import Configuration
import Glibc
import Linux

/// Ends with a line on standard error that says what is wrong and what to do.
func fail(_ message: String, exitCode: Int32) -> Never {
    Log.writeToStandardError(Array("meshd: \(message)\n".utf8))
    exit(exitCode)
}

func options(_ invocation: Invocation) -> DaemonOptions {
    DaemonOptions(
        configurationPath: invocation.text("config"), stateDirectory: invocation.text("state-directory"),
        socketPath: invocation.text("socket"),
        logLevel: invocation.text("log-level").flatMap { Configuration.Logging.Level(rawValue: $0) })
}

func run() {
    let invocation: Invocation
    do {
        invocation = try Parser.parse(Array(CommandLine.arguments.dropFirst()), for: Programs.meshd.command)
    } catch {
        fail("\(error)", exitCode: 64)
    }
    if invocation.wantsHelp {
        print(HelpText.text(for: [], of: Programs.meshd.command), terminator: "")
        exit(0)
    }
    if invocation.has("version") {
        print("meshd \(Agent.version)")
        exit(0)
    }
    let options = options(invocation)
    let configuration: Configuration
    do {
        configuration = try options.readConfiguration()
    } catch {
        fail("\(error)", exitCode: 78)
    }
    if invocation.has("check") { exit(0) }
    let log = Log(
        level: Log.Level(configuration.logging.level), format: Log.Format(configuration.logging.format),
        writesPriority: unsafe getenv("JOURNAL_STREAM") != nil)
    Daemon(options: options, configuration: configuration, log: log).run()
}

run()
