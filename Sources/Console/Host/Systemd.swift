import ControlAPI
import Glibc

/// The unit of the agent on a host that systemd runs.
enum Systemd {
    static let unit = "kubemesh.service"

    /// Whether systemd runs this host (sd_booted(3)) and knows the unit.
    static var hasUnit: Bool {
        guard unsafe access("/run/systemd/system", F_OK) == 0 else { return false }
        return (try? Subprocess.run(["systemctl", "cat", "--no-pager", unit]))?.exitCode == 0
    }

    /// The process of the running unit, `nil` if it does not run.
    static var mainProcess: pid_t? {
        // Without systemctl there is no unit.
        guard let result = try? Subprocess.run(["systemctl", "show", "--property=MainPID", "--value", unit]),
            let process = pid_t(result.output.filter { !$0.isWhitespace }), process > 0
        else { return nil }
        return process
    }

    /// Starts the unit, and if so wished at every boot, too.
    static func start(atBoot: Bool) throws(Failure) {
        // A unit that failed too often would not be started again.
        _ = try Subprocess.run(["systemctl", "reset-failed", unit])
        if atBoot { try run("enable", unit) }
        try run("start", unit)
    }

    /// Stops the unit, and starts it no more at boot.
    static func disable() throws(Failure) {
        try run("disable", "--now", unit)
    }

    private static func run(_ arguments: String...) throws(Failure) {
        let result = try Subprocess.run(["systemctl"] + arguments)
        guard result.exitCode == 0 else {
            let reason = result.output.split(separator: "\n").joined(separator: "; ")
            throw Failure(
                .failed, "'systemctl \(arguments.joined(separator: " "))' failed: \(reason)",
                nextStep: "see 'journalctl -u kubemesh -n 20'")
        }
    }
}
