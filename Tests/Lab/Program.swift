import Glibc

/// A program that goes on running: a daemon, a server, a capture. What it prints goes to a file.
package final class Program {
    package let pid: Int32
    package let logPath: String
    private let arguments: [String]
    private var status: Int32?

    package init(_ arguments: [String], logPath: String) throws(LabError) {
        let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        let log = unsafe open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        defer {
            close(null)
            close(log)
        }
        guard null >= 0, log >= 0 else { throw .system(call: "open", object: logPath, code: errno) }
        pid = try spawn(arguments, input: null, output: log, errors: log)
        self.arguments = arguments
        self.logPath = logPath
    }

    /// A program of this build: it is beside the one that runs now, where the build puts all of them.
    package static func built(_ name: String) throws(LabError) -> String {
        guard let own = Files.target(ofLink: "/proc/self/exe"), let slash = own.lastIndex(of: "/") else {
            throw .unexpected("/proc/self/exe cannot be read")
        }
        return own[..<slash] + "/" + name
    }

    /// All that it has printed so far.
    package var log: String { Files.text(of: logPath) ?? "" }

    /// The exit status, or 128 plus the signal's number, once the program has ended.
    package var exitStatus: Int32? {
        if status == nil {
            var raw: Int32 = 0
            switch unsafe waitpid(pid, &raw, WNOHANG) {
            case 0: break
            case pid: status = statusCode(of: raw)
            // Taken down and waited for with its whole run.
            default: status = 128 + SIGKILL
            }
        }
        return status
    }

    package var isRunning: Bool { exitStatus == nil }

    /// Waits until the log contains `text`; throws what the program said if it ends before that.
    package func waitForLog(_ text: String, within limit: Duration = .seconds(10)) throws(LabError) {
        try wait(for: "'\(text)' in the log of '\(arguments.joined(separator: " "))'", within: limit) {
            () throws(LabError) in
            if log.contains(text) { return true }
            if let status = exitStatus { throw LabError.exited(command: arguments, status: status, errors: log) }
            return false
        }
    }

    package func send(signal number: Int32) {
        if isRunning { kill(pid, number) }
    }

    /// Ends the program and waits for that; one that does not listen is killed after `patience`.
    @discardableResult
    package func stop(with number: Int32 = SIGTERM, patience: Duration = .seconds(5)) -> Int32 {
        let clock = ContinuousClock()
        let deadline = clock.now + patience
        send(signal: number)
        while isRunning {
            if clock.now > deadline { kill(-pid, SIGKILL) }
            usleep(2000)
        }
        return exitStatus ?? 0
    }
}
