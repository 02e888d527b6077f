package import Configuration
import ControlAPI
import Glibc
import Linux

/// The process: the event loop on its own thread, signals on the main one.
package struct Daemon {
    private let options: DaemonOptions
    private let configuration: Configuration
    private let log: Log

    package init(options: DaemonOptions, configuration: Configuration, log: Log) {
        self.options = options
        self.configuration = configuration
        self.log = log
    }

    /// Runs until SIGTERM or SIGINT, and ends the process: 0 in good order, 1 when it could not start, 77 without permission.
    package func run() -> Never {
        let agent: Agent
        let signals: SignalSource
        do {
            signals = try SignalSource([SIGTERM, SIGINT, SIGHUP])
            let loop = try EventLoop(name: "mesh-control")
            agent = try Agent(options: options, configuration: configuration, log: log, loop: loop)
        } catch let error as AgentError {
            refuse(error.description, exitCode: error.failure.code.exitCode)
        } catch {
            refuse("\(error)", exitCode: 1)
        }
        Task(executorPreference: agent.loop) { await start(agent) }
        while true {
            switch try? signals.wait() {
            case SIGHUP: Task(executorPreference: agent.loop) { await agent.reload() }
            case nil: refuse("signals cannot be read", exitCode: 1)
            default:
                Task(executorPreference: agent.loop) {
                    await agent.stop()
                    exit(0)
                }
            }
        }
    }

    private func start(_ agent: Agent) async {
        do {
            try await agent.start()
        } catch {
            refuse("\(error)", exitCode: 1)
        }
    }

    private func refuse(_ reason: String, exitCode: Int32) -> Never {
        log.error(reason)
        exit(exitCode)
    }
}
