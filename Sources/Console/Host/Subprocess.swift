import CSpawn
import ControlAPI
import Glibc
import Linux

/// Programs that `meshctl` starts. They inherit no descriptor but the ones given here, no blocked signal and, of the
/// environment, only `PATH`.
enum Subprocess {
    struct Result: Equatable {
        /// The exit code, or 128 and the number of the signal that ended it.
        var exitCode: Int32
        /// Standard output and standard error together, up to a limit.
        var output: String
    }

    private static let outputLimitBytes = 64 << 10

    /// Runs a program to its end; it is looked for in `PATH`.
    static func run(_ arguments: [String]) throws(Failure) -> Result {
        var ends: (input: Int32, output: Int32) = (-1, -1)
        let code = unsafe spawn_pipe(&ends.input, &ends.output)
        guard code == 0 else { throw failure("pipe", -code) }
        let input = FileDescriptor(owning: ends.input)
        let outlet = FileDescriptor(owning: ends.output)
        let process = try spawn(arguments, output: outlet.number, isDetached: false)
        // The output ends when nobody holds its other end any more, this program included.
        _ = consume outlet
        var output: [UInt8] = []
        while let transfer = try? input.read(into: &output, limit: 4096), transfer != .end {
            // A program that says more than this is still drained, so that it can end.
            if output.count > outputLimitBytes { output.removeLast(output.count - outputLimitBytes) }
        }
        return Result(exitCode: spawn_wait(process, true), output: String(decoding: output, as: UTF8.self))
    }

    /// Starts a program in a session of its own, with its output appended to the file `log`.
    static func start(_ arguments: [String], log: String) throws(Failure) -> pid_t {
        let number = unsafe open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard number >= 0 else { throw failure("open \(log)", errno) }
        let file = FileDescriptor(owning: number)
        return try spawn(arguments, output: file.number, isDetached: true)
    }

    /// How a child that was started has ended; `nil` while it runs.
    static func exitCode(ofChild process: pid_t) -> Int32? {
        let code = spawn_wait(process, false)
        return code < 0 ? nil : code
    }

    private static func spawn(_ arguments: [String], output: Int32, isDetached: Bool) throws(Failure) -> pid_t {
        let words = arguments.flatMap { argument -> [UInt8] in argument.utf8 + [0] }
        let process = unsafe words.withUnsafeBytes { bytes in
            let characters = unsafe bytes.assumingMemoryBound(to: CChar.self)
            return unsafe spawn_start(characters.baseAddress, characters.count, output, isDetached)
        }
        guard process > 0 else { throw failure("start \(arguments[0])", -process) }
        return process
    }

    private static func failure(_ call: String, _ code: Int32) -> Failure {
        Failure(code == EACCES || code == EPERM ? .notPermitted : .failed, "\(SystemError(call, code: code))")
    }
}
