package import ControlAPI
import Glibc
package import Linux
import SansIO

/// The daemon's end of the local socket: reads one request from each connection and writes its replies.
///
/// Confined to the event loop's thread by its owner, which forwards readiness. Connections are bounded in number, requests in
/// length; who may connect is the socket's file mode. When the process has no descriptor left, who waits goes on waiting.
package struct ControlServer: ~Copyable {
    /// Names one connection; never used twice.
    package typealias ConnectionID = UInt64

    package static let connectionLimit = 64
    /// Until somebody is accepted again after the system refused another descriptor.
    private static let acceptPause: Duration = .seconds(1)

    private final class Connection {
        let socket: UnixSocketConnection
        var watch: EventLoop.Watch?
        var lines = LineBuffer(limitBytes: Control.requestLimitBytes)
        var outgoing: [UInt8] = []
        var sentCount = 0
        var hasRequest = false
        var isFinished = false

        init(_ socket: UnixSocketConnection) { self.socket = socket }
    }

    private let listener: UnixSocketListener
    private let loop: EventLoop
    private var watch: EventLoop.Watch?
    /// Ends a pause in accepting.
    private var resumption: EventLoop.Timer?
    private var connections: [ConnectionID: Connection] = [:]
    private var nextID: ConnectionID = 1

    package init(loop: EventLoop, path: String, mode: UInt32) throws(SystemError) {
        self.loop = loop
        try Self.makeFolder(of: path)
        listener = try UnixSocketListener(path: path, mode: mode)
    }

    /// systemd makes the socket's folder; elsewhere it is gone after each boot.
    private static func makeFolder(of path: String) throws(SystemError) {
        guard let end = path.lastIndex(of: "/"), end != path.startIndex else { return }
        let folder = String(path[..<end])
        guard unsafe mkdir(folder, 0o755) == 0 || errno == EEXIST else {
            throw SystemError("make \(folder)", code: errno)
        }
    }

    /// Calls `handler` from now on when somebody waits to be accepted.
    package mutating func listen(_ handler: @escaping EventLoop.ReadinessHandler) throws(SystemError) {
        let watch = try loop.watch(listener.descriptor, for: .readable, handler)
        self.watch = watch
        resumption = loop.makeTimer { [loop] in
            try? loop.setInterest(.readable, of: watch)  // Fails only once the loop has ended.
        }
    }

    /// Accepts what waits; `makeHandler` gives the readiness handler of each new connection.
    package mutating func accept(
        makeHandler: (ConnectionID) -> EventLoop.ReadinessHandler
    ) {
        while let socket = next() {
            guard connections.count < Self.connectionLimit else { continue }
            let identifier = nextID
            nextID += 1
            let connection = Connection(socket)
            connection.watch = try? loop.watch(socket.descriptor, for: .readable, makeHandler(identifier))
            // A connection that cannot be watched is closed by letting go of it.
            if connection.watch != nil { connections[identifier] = connection }
        }
    }

    /// Who waits first. Without a descriptor for it nobody is accepted for a moment: the listener stays readable, and would be
    /// reported again at once.
    private func next() -> UnixSocketConnection? {
        do {
            return try listener.accept()
        } catch {
            if let watch, let resumption {
                try? loop.setInterest([], of: watch)  // At worst the listener is reported again at once.
                loop.set(resumption, to: SystemClock.now + Self.acceptPause)
            }
            return nil
        }
    }

    /// Moves bytes; returns the request that became complete, or the failure to answer it with.
    package mutating func advance(
        _ identifier: ConnectionID, _ readiness: EventLoop.Readiness
    ) -> Result<Request, Failure>? {
        guard let connection = connections[identifier] else { return nil }
        var request: Result<Request, Failure>?
        if readiness.contains(.readable) || readiness.contains(.closed) {
            request = read(identifier, connection)
        }
        flush(identifier, connection)
        return request
    }

    package mutating func reply(_ reply: Reply, to identifier: ConnectionID) {
        guard let connection = connections[identifier], !connection.isFinished else { return }
        connection.outgoing += reply.line
        connection.isFinished = reply.isFinal
        flush(identifier, connection)
    }

    package func isOpen(_ identifier: ConnectionID) -> Bool { connections[identifier] != nil }

    /// Closes every connection; the socket file goes with the value.
    package mutating func closeAll() {
        for identifier in connections.keys.sorted() { close(identifier) }
    }

    private mutating func read(_ identifier: ConnectionID, _ connection: Connection) -> Result<Request, Failure>? {
        var piece: [UInt8] = []
        guard let transfer = try? connection.socket.read(into: &piece), transfer != .end else {
            // The client left; with nothing more to send to it, so do we.
            close(identifier)
            return nil
        }
        guard !connection.hasRequest else { return nil }
        connection.lines.append(piece)
        do {
            guard let line = try connection.lines.next() else { return nil }
            connection.hasRequest = true
            return .success(try Request(parsing: line, limitBytes: Control.requestLimitBytes))
        } catch {
            connection.hasRequest = true
            return .failure(
                Failure(.usage, "the request cannot be read: \(error)", nextStep: "use meshctl of the daemon's version")
            )
        }
    }

    private mutating func flush(_ identifier: ConnectionID, _ connection: Connection) {
        while connection.sentCount < connection.outgoing.count {
            guard let transfer = try? connection.socket.write(connection.outgoing[connection.sentCount...]) else {
                close(identifier)
                return
            }
            switch transfer {
            case .bytes(let count): connection.sentCount += count
            case .wouldBlock:
                if let watch = connection.watch { try? loop.setInterest([.readable, .writable], of: watch) }
                return
            case .end:
                close(identifier)
                return
            }
        }
        connection.outgoing = []
        connection.sentCount = 0
        if connection.isFinished {
            close(identifier)
        } else if let watch = connection.watch {
            // Fails only for a descriptor that is closed, which ends the connection anyway.
            try? loop.setInterest(.readable, of: watch)
        }
    }

    private mutating func close(_ identifier: ConnectionID) {
        guard let connection = connections.removeValue(forKey: identifier) else { return }
        if let watch = connection.watch { loop.cancel(watch) }
    }
}
