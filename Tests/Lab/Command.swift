import CLab
import Glibc

/// A program that is run to its end, with a deadline, its output kept.
package struct Command {
    package struct Result {
        /// The exit status, or 128 plus the number of the signal that ended it.
        package let status: Int32
        package let output: String
        package let errors: String

        package var succeeded: Bool { status == 0 }
    }

    package let arguments: [String]
    /// What the program reads from its standard input; at most what a pipe holds, 64 KiB.
    package let input: String

    package init(_ arguments: [String], input: String = "") {
        precondition(input.utf8.count <= 65536)
        self.arguments = arguments
        self.input = input
    }

    /// Runs the program; after `deadline` it is killed, with what it started, and the call throws.
    package func result(within deadline: Duration) throws(LabError) -> Result {
        let input = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        let pid = try spawn(arguments, input: input.reader, output: output.writer, errors: errors.writer)
        unsafe Array(self.input.utf8).withUnsafeBytes { _ = unsafe write(input.writer, $0.baseAddress, $0.count) }
        for pipe in [input, output, errors] { pipe.closeFarEnd(readingHere: pipe !== input) }

        var outputBytes: [UInt8] = []
        var errorBytes: [UInt8] = []
        let clock = ContinuousClock()
        let end = clock.now + deadline
        while true {
            var status: Int32 = 0
            let isOver = unsafe waitpid(pid, &status, WNOHANG) == pid
            let outputIsOpen = drain(output.reader, into: &outputBytes)
            let errorsAreOpen = drain(errors.reader, into: &errorBytes)
            if isOver {
                return Result(
                    status: statusCode(of: status), output: String(decoding: outputBytes, as: UTF8.self),
                    errors: String(decoding: errorBytes, as: UTF8.self))
            }
            do throws(LabError) {
                try Interruption.check()
                guard clock.now < end else {
                    throw .deadline(what: "the end of '\(arguments.joined(separator: " "))'", after: deadline)
                }
            } catch {
                kill(-pid, SIGKILL)
                _ = unsafe waitpid(pid, &status, 0)
                throw error
            }
            // Woken by output or by its end; when both are closed all that is left is to ask again soon.
            var waiting = [
                pollfd(fd: outputIsOpen ? output.reader : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorsAreOpen ? errors.reader : -1, events: Int16(POLLIN), revents: 0),
            ]
            _ = unsafe poll(&waiting, 2, outputIsOpen || errorsAreOpen ? 20 : 1)
        }
    }

    /// What the program printed. A status other than 0 is thrown with what it said.
    @discardableResult
    package func run(within deadline: Duration = .seconds(20)) throws(LabError) -> String {
        let result = try result(within: deadline)
        guard result.succeeded else {
            let said = result.errors.isEmpty ? result.output : result.errors
            throw .exited(command: arguments, status: result.status, errors: said)
        }
        return result.output
    }
}

/// A pipe whose descriptors close with it; reading does not block.
final class Pipe {
    private(set) var reader: Int32
    private(set) var writer: Int32

    init() throws(LabError) {
        var ends: [Int32] = [-1, -1]
        let failure = unsafe clab_pipe(&ends)
        guard failure == 0 else { throw .system(call: "pipe2", object: "a pipe", code: -failure) }
        reader = ends[0]
        writer = ends[1]
    }

    /// Closes the end that the child uses; the pipe of the child's input is closed as a whole.
    func closeFarEnd(readingHere: Bool) {
        close(writer)
        writer = -1
        if readingHere {
            _ = fcntl(reader, F_SETFL, O_NONBLOCK)
        } else {
            close(reader)
            reader = -1
        }
    }

    deinit {
        if reader >= 0 { close(reader) }
        if writer >= 0 { close(writer) }
    }
}
