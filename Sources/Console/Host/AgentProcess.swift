import ControlAPI
import Glibc
import Linux
import SansIO

/// An agent that `meshctl` starts and stops itself, where systemd does not.
struct AgentProcess {
    let socketPath: String
    var configurationPath: String?
    var stateDirectory: String?

    private static let pollInterval: Duration = .milliseconds(50)
    private static let quotedLines = 10

    /// Starts meshd and waits until it listens.
    func start(until deadline: Instant) throws(Failure) {
        let program = try Self.findProgram()
        var arguments = [program, "--socket", socketPath]
        if let configurationPath { arguments += ["--config", configurationPath] }
        if let stateDirectory { arguments += ["--state-directory", stateDirectory] }
        let log = stateDirectory.map { "\($0)/meshd.log" } ?? "/var/log/kubemesh.log"
        if let stateDirectory { _ = unsafe mkdir(stateDirectory, 0o700) }
        let logStart = HostFile.size(of: log)
        let process = try Subprocess.start(arguments, log: log)
        while true {
            if let connection = try? UnixSocketConnection.connect(to: socketPath), connection.peer.process == process {
                return
            }
            if let exitCode = Subprocess.exitCode(ofChild: process) {
                throw Self.failure(exitCode: exitCode, log: log, from: logStart)
            }
            guard SystemClock.now < deadline else {
                throw Failure(
                    .unreachable, "meshd was started but does not listen at \(socketPath)", nextStep: "see \(log)")
            }
            Self.sleep(Self.pollInterval)
        }
    }

    /// Ends an agent that has taken everything away, and waits until it is gone.
    static func end(_ process: pid_t, until deadline: Instant) throws(Failure) {
        // The agent of another process namespace has no number here; who runs that namespace ends it.
        guard process > 0 else { return }
        guard kill(process, SIGTERM) == 0 || errno == ESRCH else {
            throw Failure(
                .notPermitted, "not permitted to end meshd (process \(process))", nextStep: "run it with sudo")
        }
        while kill(process, 0) == 0, !HostFile.isZombie(process) {
            guard SystemClock.now < deadline else {
                throw Failure(.failed, "meshd (process \(process)) does not end", nextStep: "see its log")
            }
            sleep(pollInterval)
        }
    }

    static func sleep(_ duration: Duration) {
        _ = usleep(UInt32(clamping: duration.nanoseconds / 1000))
    }

    /// Beside this program first, so that a build finds its own.
    private static func findProgram() throws(Failure) -> String {
        var candidates = ["/usr/sbin/meshd", "/usr/local/sbin/meshd"]
        if let own = HostFile.target(ofLink: "/proc/self/exe"), let slash = own.lastIndex(of: "/") {
            candidates.insert(own[..<slash] + "/meshd", at: 0)
        }
        for candidate in candidates where unsafe access(candidate, X_OK) == 0 { return candidate }
        throw Failure(
            .failed, "there is no meshd in \(candidates.joined(separator: ", "))",
            nextStep: "install the package kubemesh")
    }

    /// An agent that ended says why in its log, and in its exit code.
    private static func failure(exitCode: Int32, log: String, from start: Int) -> Failure {
        let text = String(decoding: HostFile.bytes(of: log, from: start, limit: 64 << 10), as: UTF8.self)
        let lines = text.split(separator: "\n").suffix(quotedLines)
        let code = Failure.Code.allCases.first { $0.exitCode == exitCode } ?? .failed
        let quoted = lines.isEmpty ? "" : ":\n" + lines.map { "  \($0)" }.joined(separator: "\n")
        return Failure(code, "meshd ended at once (exit code \(exitCode))\(quoted)", nextStep: "see \(log)")
    }
}
