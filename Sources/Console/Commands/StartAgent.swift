import Arguments
import ControlAPI
import Glibc
import Linux
import SansIO

/// Starting the agent, for `up` and for a `down` that finds it gone.
extension Meshctl {
    private var ownAgent: AgentProcess {
        AgentProcess(
            socketPath: socketPath, configurationPath: invocation.text("config"),
            stateDirectory: invocation.text("state-directory"))
    }

    /// Whether the unit is what runs the agent here: there is one, and no option asks for another agent.
    var usesUnit: Bool {
        isHostAgent && !invocation.has("config") && !invocation.has("state-directory") && Systemd.hasUnit
    }

    /// Where the agent keeps its state, as far as that is known without it.
    var stateDirectory: String? {
        invocation.text("state-directory") ?? (isHostAgent ? "/var/lib/kubemesh" : nil)
    }

    /// Whether an agent listens; being refused by one that does is a failure.
    func isAgentListening() throws(Failure) -> Bool {
        do throws(Failure) {
            _ = try ControlSession(.version, to: socketPath)
            return true
        } catch {
            guard error.code == .unreachable else { throw error }
            return false
        }
    }

    /// Starts the agent and waits until it listens.
    ///
    /// - Parameter atBoot: whether systemd shall start it again at every boot.
    func startAgent(atBoot: Bool, until deadline: Instant) throws(Failure) {
        guard geteuid() == 0 else {
            let command = invocation.path.joined(separator: " ")
            throw Failure(.notPermitted, "starting the agent takes root", nextStep: "run 'sudo meshctl \(command)'")
        }
        guard usesUnit else {
            output.note("Starting the agent.")
            return try ownAgent.start(until: deadline)
        }
        output.note("Starting the agent (\(Systemd.unit)).")
        try Systemd.start(atBoot: atBoot)
        while true {
            if try isAgentListening() { return }
            guard SystemClock.now < deadline else {
                throw Failure(
                    .unreachable, "\(Systemd.unit) was started but does not listen at \(socketPath)",
                    nextStep: "see 'journalctl -u kubemesh -n 20'")
            }
            AgentProcess.sleep(.milliseconds(50))
        }
    }
}
