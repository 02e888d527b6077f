import DNS
import Glibc
import Linux
import Testing
import Wire

enum ProcessNumber {
    static var own: Int32 { getpid() }
}

/// A client that waits for its answers, over UDP.
final class UDPClient {
    private let descriptor: FileDescriptor
    private let wakeUp: WakeUp

    init(_ server: Endpoint) throws {
        let any = IPAddress.v4(.any)
        descriptor = try UDPSocket(serving: Endpoint(any, port: 0)).connect(to: server)
        wakeUp = try WakeUp()
    }

    func send(_ query: [UInt8]) throws {
        guard case .bytes(query.count) = try descriptor.send(query[...]) else { throw TimeOut() }
    }

    func receive() throws -> Message {
        var bytes: [UInt8] = []
        for _ in 0..<3 {
            if case .bytes = try descriptor.read(into: &bytes, limit: 1 << 16) { return try Message(parsing: bytes) }
            wakeUp.wait(orReadable: descriptor, atMost: .seconds(10))
        }
        throw TimeOut()
    }

    func ask(_ query: [UInt8]) throws -> Message {
        try send(query)
        return try receive()
    }
}

/// A client of one TCP connection.
final class TCPClient {
    private let socket: TCPSocket
    private let wakeUp: WakeUp
    private let writable: ReadinessSet
    private var input: [UInt8] = []

    init(_ server: Endpoint) throws {
        socket = try TCPSocket.connect(to: server)
        wakeUp = try WakeUp()
        writable = try ReadinessSet()
        try writable.add(socket.descriptor, for: .writable, token: 1)
        var events: [ReadinessSet.Event] = []
        writable.wait(&events, milliseconds: 10_000)
        try socket.checkConnected()
    }

    static func framed(_ message: [UInt8]) -> [UInt8] {
        [UInt8(message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message
    }

    func send(_ bytes: ArraySlice<UInt8>) throws {
        guard case .bytes(bytes.count) = try socket.descriptor.send(bytes) else { throw TimeOut() }
    }

    func receive() throws -> Message {
        for _ in 0..<200 {
            if input.count >= 2 {
                let count = Int(input[0]) << 8 | Int(input[1])
                if input.count >= 2 + count {
                    defer { input.removeFirst(2 + count) }
                    return try Message(parsing: Array(input[2..<(2 + count)]))
                }
            }
            switch try socket.descriptor.read(into: &input, limit: 1 << 16) {
            case .bytes: continue
            case .wouldBlock: wakeUp.wait(orReadable: socket.descriptor, atMost: .seconds(10))
            case .end: throw TimeOut()
            }
        }
        throw TimeOut()
    }

    /// Whether the server closes it in time.
    func isClosed(within limit: Duration) throws -> Bool {
        var bytes: [UInt8] = []
        wakeUp.wait(orReadable: socket.descriptor, atMost: limit)
        do {
            return try socket.descriptor.read(into: &bytes, limit: 1) == .end
        } catch {
            return true
        }
    }
}

struct TimeOut: Error {}
