import JSON
import Linux
import SansIO
import Services
import Wire

/// Answers load balancers that ask whether this node has endpoints of a service: `healthCheckNodePort` of a service whose
/// `externalTrafficPolicy` is Local.
///
/// HTTP, as kube-proxy answers it: 200 with a ready endpoint on this node, else 503, and the count as JSON and in the header
/// `X-Load-Balancing-Endpoint-Weight` (KEP-3836).
///
/// Confined to the control thread, which waits for `fileDescriptor` and calls `ready`.
final class HealthCheckPorts {
    /// What is said at a port.
    struct Answer: Equatable {
        var service: ServiceName
        var readyCount: Int
    }

    private struct Listener {
        /// One of each family.
        let sockets: [TCPListener]
        var answer: Answer
    }

    private struct Connection {
        let socket: TCPSocket
        let port: UInt16
        let since: Instant
        var request: [UInt8] = []
    }

    private static let connectionLimit = 64
    private static let requestLimitBytes = 4096
    private static let patience: Duration = .seconds(5)
    /// Below are listeners: a port, and 2^16 more for the socket of the other family.
    private static let firstToken: UInt64 = 1 << 17

    private let readiness: ReadinessSet
    private var listeners: [UInt16: Listener] = [:]
    private var connections: [UInt64: Connection] = [:]
    private var nextToken = firstToken
    /// Ports that cannot be had, and why.
    private(set) var problems: [UInt16: String] = [:]

    init() throws(SystemError) {
        readiness = try ReadinessSet()
    }

    var fileDescriptor: Int32 { readiness.descriptor.number }

    /// Answers at these ports and no others from now on.
    func set(_ answers: [UInt16: Answer]) {
        for (port, listener) in listeners where answers[port] == nil {
            for socket in listener.sockets { readiness.remove(socket.descriptor) }
            listeners[port] = nil
        }
        problems = [:]
        for (port, answer) in answers {
            if listeners[port] != nil {
                listeners[port]?.answer = answer
                continue
            }
            do throws(SystemError) {
                listeners[port] = Listener(sockets: try listen(port), answer: answer)
            } catch {
                problems[port] =
                    "port \(port), where \(answer.service) is asked for its health, cannot be had: \(error)"
            }
        }
    }

    private func listen(_ port: UInt16) throws(SystemError) -> [TCPListener] {
        var sockets = [try TCPListener(Endpoint(.v4(.any), port: port))]
        do throws(SystemError) {
            sockets.append(try TCPListener(Endpoint(.v6(.any), port: port)))
        } catch {
            // A host without IPv6 is asked by IPv4 alone.
            guard ["EAFNOSUPPORT", "EADDRNOTAVAIL"].contains(error.name) else { throw error }
        }
        for (index, socket) in sockets.enumerated() {
            try readiness.add(socket.descriptor, token: UInt64(port) + UInt64(index) << 16)
        }
        return sockets
    }

    /// Something can be read.
    func ready(at now: Instant) {
        var events: [ReadinessSet.Event] = []
        readiness.wait(&events, milliseconds: 0)
        for event in events {
            if event.token < Self.firstToken {
                accept(at: UInt16(truncatingIfNeeded: event.token), Int(event.token >> 16), now)
            } else {
                read(event.token)
            }
        }
    }

    func stop() {
        set([:])
        for token in connections.keys { close(token) }
    }

    private func accept(at port: UInt16, _ family: Int, _ now: Instant) {
        for (token, connection) in connections where now - connection.since > Self.patience { close(token) }
        guard let listener = listeners[port]?.sockets[family] else { return }
        // A client that is gone already is no error of ours.
        while let socket = try? listener.accept() {
            guard connections.count < Self.connectionLimit else { continue }
            let token = nextToken
            nextToken += 1
            guard (try? readiness.add(socket.descriptor, token: token)) != nil else { continue }
            connections[token] = Connection(socket: socket, port: port, since: now)
        }
    }

    private func read(_ token: UInt64) {
        guard var connection = connections[token] else { return }
        var isOver = true
        if case .bytes? = try? connection.socket.descriptor.read(
            into: &connection.request, limit: Self.requestLimitBytes)
        {
            isOver = connection.request.count >= Self.requestLimitBytes
        }
        connections[token] = connection
        if Self.isWhole(connection.request) {
            if let answer = listeners[connection.port]?.answer {
                // One short packet into an empty buffer: it fits, or the client is gone.
                _ = try? connection.socket.descriptor.send(Self.response(answer)[...])
            }
            isOver = true
        }
        if isOver { close(token) }
    }

    private func close(_ token: UInt64) {
        guard let connection = connections.removeValue(forKey: token) else { return }
        readiness.remove(connection.socket.descriptor)
    }

    /// Whether the head of the request is here: an empty line ends it.
    static func isWhole(_ request: [UInt8]) -> Bool {
        request.indices.dropFirst().contains { index in
            guard request[index] == 10 else { return false }
            return request[index - 1] == 10 || (index >= 3 && request[index - 1] == 13 && request[index - 2] == 10)
        }
    }

    static func response(_ answer: Answer) -> [UInt8] {
        let status = answer.readyCount > 0 ? "200 OK" : "503 Service Unavailable"
        // A name may come from another node's announcement.
        let value: JSONValue = [
            "service": ["namespace": .string(answer.service.namespace), "name": .string(answer.service.name)],
            "localEndpoints": .integer(Int64(answer.readyCount)), "serviceProxyHealthy": true,
        ]
        let body = value.text
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
            + "X-Load-Balancing-Endpoint-Weight: \(answer.readyCount)\r\nContent-Length: \(body.count)\r\n"
            + "Connection: close\r\n\r\n"
        return Array(head.utf8) + body
    }
}
