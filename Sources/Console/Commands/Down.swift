import Arguments
import ControlAPI
import Glibc
import JSON
import Linux

extension Meshctl {
    /// Takes the mesh off the host, then the agent.
    func down() throws(Failure) {
        let timeout = Duration.seconds(invocation.seconds("timeout") ?? 15)
        guard let process = try takeAway(within: timeout) else {
            try stopUnit()
            return output.show(["wasRunning": false], ["The agent is not running; there is nothing to take away."])
        }
        let isUnit = try stopUnit(of: process)
        if !isUnit { try AgentProcess.end(process, within: timeout) }
        output.show(["wasRunning": true], ["The mesh is off this host. 'meshctl up' brings it back."])
    }

    /// Has the agent undo what it did to the host. Returns its process, `nil` if none runs.
    private func takeAway(within timeout: Duration) throws(Failure) -> pid_t? {
        var session: ControlSession
        do throws(Failure) {
            session = try ControlSession(.down, to: socketPath)
        } catch {
            guard error.code == .unreachable else { throw error }
            return nil
        }
        let process = session.agentProcess
        guard case .done = try session.next(within: timeout) else { throw Self.unexpected }
        return process
    }

    /// Stops the unit if the process belongs to it, and says whether it does.
    private func stopUnit(of process: pid_t) throws(Failure) -> Bool {
        guard isHostAgent, Systemd.hasUnit, Systemd.mainProcess == process else { return false }
        try stopUnit()
        return true
    }

    private func stopUnit() throws(Failure) {
        guard isHostAgent, Systemd.hasUnit else { return }
        guard geteuid() == 0 else {
            throw Failure(.notPermitted, "stopping \(Systemd.unit) takes root", nextStep: "run 'sudo meshctl down'")
        }
        try Systemd.disable()
    }
}
