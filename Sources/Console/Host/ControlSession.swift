import ControlAPI
import Glibc
import JSON
import Linux
import SansIO

/// One request to the agent and its replies.
struct ControlSession {
    /// How long the agent may take for one reply.
    static let replyTimeout: Duration = .seconds(10)

    private let connection: UnixSocketConnection
    private let socketPath: String
    private var lines = LineBuffer(limitBytes: Control.replyLimitBytes)

    /// Connects and sends the request.
    init(_ request: Request, to socketPath: String) throws(Failure) {
        self.socketPath = socketPath
        do {
            connection = try UnixSocketConnection.connect(to: socketPath)
            var rest = request.line[...]
            while !rest.isEmpty {
                switch try connection.write(rest) {
                case .bytes(let count): rest = rest.dropFirst(count)
                case .wouldBlock: continue
                case .end: throw Self.ended
                }
            }
        } catch let error as SystemError {
            throw Self.failure(for: error, socketPath: socketPath)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(.failed, "\(error)")
        }
    }

    /// The process that listens on the other side.
    var agentProcess: Int32 { connection.peer.process }

    /// Sends a request and returns its only reply; a failure that the agent reports is thrown.
    static func reply(to request: Request, at socketPath: String) throws(Failure) -> Reply {
        var session = try ControlSession(request, to: socketPath)
        return try session.next()
    }

    /// The next reply; a failure that the agent reports is thrown.
    mutating func next(within timeout: Duration = replyTimeout) throws(Failure) -> Reply {
        let deadline = SystemClock.now + timeout
        let reply: Reply
        do {
            reply = try Reply(parsing: try nextLine(until: deadline))
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(
                .unreachable, "the agent's answer cannot be read: \(error)",
                nextStep: "use meshctl and meshd of one version; 'meshctl version' shows both")
        }
        if case .failure(let failure) = reply { throw failure }
        return reply
    }

    private mutating func nextLine(until deadline: Instant) throws -> [UInt8] {
        while true {
            if let line = try lines.next() { return line }
            guard waitForBytes(until: deadline) else {
                throw Failure(
                    .unreachable, "the agent at \(socketPath) does not answer",
                    nextStep: "see its log, and restart it if it hangs")
            }
            var piece: [UInt8] = []
            if try connection.read(into: &piece) == .end { throw Self.ended }
            lines.append(piece)
        }
    }

    private func waitForBytes(until deadline: Instant) -> Bool {
        while true {
            let left = deadline - SystemClock.now
            guard left > .zero else { return false }
            var entry = pollfd(fd: connection.descriptor.number, events: Int16(POLLIN), revents: 0)
            let milliseconds = Int32(clamping: left.nanoseconds / 1_000_000 + 1)
            let count = unsafe poll(&entry, 1, milliseconds)
            if count > 0 { return true }
        }
    }

    private static let ended = Failure(
        .unreachable, "the agent ended before it answered", nextStep: "see its log for the reason")

    private static func failure(for error: SystemError, socketPath: String) -> Failure {
        switch error.code {
        case ENOENT, ECONNREFUSED:
            Failure(
                .unreachable, "no agent listens at \(socketPath)", nextStep: "start it with 'sudo meshctl up'")
        case EACCES, EPERM:
            Failure(
                .notPermitted, "not permitted to talk to the agent at \(socketPath)",
                nextStep: "run it with sudo, or join the group that owns the socket")
        default:
            Failure(.unreachable, "cannot reach the agent: \(error)")
        }
    }
}
