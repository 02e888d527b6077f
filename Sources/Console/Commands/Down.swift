import Arguments
import ControlAPI
import Glibc
import JSON
import Linux
import SansIO

extension Meshctl {
    /// Takes the mesh off the host, then the agent.
    func down() throws(Failure) {
        let deadline = SystemClock.now + .seconds(invocation.seconds("timeout") ?? 15)
        var process = try takeAwayUnlessDying(until: deadline)
        if process == nil { process = try takeAwayAfterStart(until: deadline) }
        guard let process else {
            if usesUnit { try disableUnit() }
            return output.show(["wasUp": false], ["The agent is not running; there is nothing to take away."])
        }
        if usesUnit, Systemd.mainProcess == process {
            try disableUnit()
        } else {
            try AgentProcess.end(process, until: deadline)
        }
        output.show(["wasUp": true], ["The mesh is off this host. 'meshctl up' brings it back."])
    }

    /// As `takeAway`; an agent that was just killed may still accept a connection and end without an answer, which is as if none
    /// ran.
    private func takeAwayUnlessDying(until deadline: Instant) throws(Failure) -> pid_t? {
        do throws(Failure) {
            return try takeAway(until: deadline)
        } catch {
            guard error.code == .unreachable else { throw error }
            while try isAgentListening() {
                guard SystemClock.now < deadline else { throw error }
                AgentProcess.sleep(.milliseconds(50))
            }
            return nil
        }
    }

    /// Has the agent undo what it did to the host. Returns its process, `nil` if none runs.
    private func takeAway(until deadline: Instant) throws(Failure) -> pid_t? {
        var session: ControlSession
        do throws(Failure) {
            session = try ControlSession(.down, to: socketPath)
        } catch {
            guard error.code == .unreachable else { throw error }
            return nil
        }
        let process = session.agentProcess
        guard case .done = try session.next(within: deadline - SystemClock.now) else { throw Self.unexpected }
        return process
    }

    /// An agent that was killed or stopped has left its rules and routes in the kernel, and only an agent knows them. So
    /// where there is state of one, it is started once more to take them away.
    private func takeAwayAfterStart(until deadline: Instant) throws(Failure) -> pid_t? {
        guard let stateDirectory, unsafe access(stateDirectory, F_OK) == 0 else { return nil }
        try startAgent(atBoot: false, until: deadline)
        return try takeAway(until: deadline)
    }

    private func disableUnit() throws(Failure) {
        guard geteuid() == 0 else {
            throw Failure(.notPermitted, "stopping \(Systemd.unit) takes root", nextStep: "run 'sudo meshctl down'")
        }
        try Systemd.disable()
    }
}
