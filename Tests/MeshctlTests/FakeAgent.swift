import ControlAPI
import Glibc
import Linux
import Synchronization

/// An agent that answers as a test tells it, from a thread of its own.
final class FakeAgent: Sendable {
    private let thread: Thread
    private let isStopped: FlagBox
    private let log: RequestLog

    private final class FlagBox: Sendable {
        let value = Atomic<Bool>(false)
    }

    private final class RequestLog: Sendable {
        let requests = Mutex<[Request]>([])
    }

    /// - Parameter answer: the bytes to send for a request, before the connection is closed.
    init(at path: String, answering answer: @escaping @Sendable (Request) -> [UInt8]) throws {
        let listener = try UnixSocketListener(path: path)
        let isStopped = FlagBox()
        let log = RequestLog()
        self.isStopped = isStopped
        self.log = log
        thread = try Thread(name: "fake-agent") {
            while !isStopped.value.load(ordering: .relaxed) {
                Self.wait(for: listener.descriptor.number)
                guard let connection = try? listener.accept() else { continue }
                Self.serve(connection, log, answer)
            }
        }
    }

    convenience init(at path: String, replying replies: Reply...) throws {
        let bytes = replies.flatMap(\.line)
        try self.init(at: path) { _ in bytes }
    }

    deinit {
        isStopped.value.store(true, ordering: .relaxed)
        thread.join()
    }

    /// What was asked, in order.
    var requests: [Request] { log.requests.withLock { $0 } }

    private static func serve(_ connection: UnixSocketConnection, _ log: RequestLog, _ answer: (Request) -> [UInt8]) {
        var lines = LineBuffer(limitBytes: Control.requestLimitBytes)
        while true {
            wait(for: connection.descriptor.number)
            var piece: [UInt8] = []
            guard let transfer = try? connection.read(into: &piece), transfer != .end else { return }
            lines.append(piece)
            guard let line = try? lines.next(), let request = try? Request(parsing: line) else { continue }
            log.requests.withLock { $0.append(request) }
            var rest = answer(request)[...]
            while case .bytes(let count)? = try? connection.write(rest), count < rest.count {
                rest = rest.dropFirst(count)
            }
            return
        }
    }

    private static func wait(for descriptor: Int32) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, 50)
    }
}
