import Glibc
import Synchronization

/// A program run as a judge or as a peer; killed and waited for when the value ends.
final class Program: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let command: String
        let status: Int32
        let output: String

        var description: String { "`\(command)` ended with \(status): \(output)" }
    }

    private let command: String
    let processID: pid_t
    private let output: Int32
    /// Waited for: its process id may belong to somebody else now.
    private let hasEnded = Atomic<Bool>(false)

    /// Standard output and error go to one pipe; `input` is what it reads.
    init(_ command: [String], input: String? = nil) throws {
        self.command = command.joined(separator: " ")
        let (reading, writing) = try Self.pipe()
        let (inputReading, inputWriting) = try Self.pipe()
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, inputReading, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, writing, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, writing, 2)
        var arguments = unsafe command.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var started = pid_t()
        let code = unsafe posix_spawnp(&started, command[0], &actions, nil, &arguments, environ)
        close(writing)
        close(inputReading)
        processID = started
        output = reading
        let bytes = Array((input ?? "").utf8)
        if code == 0, !bytes.isEmpty { _ = unsafe write(inputWriting, bytes, bytes.count) }
        close(inputWriting)
        guard code == 0 else { throw Failure(command: self.command, status: code, output: "cannot start") }
    }

    deinit {
        close(output)
        guard !hasEnded.load(ordering: .relaxed) else { return }
        kill(processID, SIGKILL)
        waitpid(processID, nil, 0)
    }

    @discardableResult
    static func run(_ command: String...) throws -> String {
        try run(command)
    }

    /// Runs to the end; throws unless it ends with 0.
    @discardableResult
    static func run(_ command: [String], input: String? = nil) throws -> String {
        let program = try Program(command, input: input)
        let text = program.readToEnd()
        var status: Int32 = 0
        unsafe waitpid(program.processID, &status, 0)
        program.hasEnded.store(true, ordering: .relaxed)
        guard status == 0 else { throw Failure(command: program.command, status: status, output: text) }
        return text
    }

    /// What it prints from now until it closes its output.
    func readToEnd() -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = unsafe read(output, &buffer, buffer.count), count > 0 {
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads until the output so far contains `text`, at most `seconds` long.
    func wait(for text: String, seconds: Int = 5) throws -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(seconds)
        while clock.now < deadline {
            var waiting = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&waiting, 1, 100) > 0 else { continue }
            let count = unsafe read(output, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
            let printed = String(decoding: bytes, as: UTF8.self)
            if printed.contains(text) { return printed }
        }
        throw Failure(
            command: command, status: 0, output: "no \"\(text)\" in: \(String(decoding: bytes, as: UTF8.self))")
    }

    private static func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw Failure(command: "socketpair", status: errno, output: "")
        }
        return (ends[0], ends[1])
    }
}
