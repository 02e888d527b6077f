import Linux
import Wire

/// The socket of one exchange with an upstream, used once.
final class UpstreamSocket {
    enum Progress {
        case waiting
        case message([UInt8])
        case failed
    }

    private enum Kind {
        case datagrams(ConnectedSocket)
        case stream(TCPSocket)
    }

    private let kind: Kind
    private var output: [UInt8]
    private var input: [UInt8] = []

    /// Sends the question from a port that the system draws.
    init(asking message: [UInt8], of server: Endpoint) throws(SystemError) {
        let any = Endpoint(server.address.isIPv4 ? .v4(.any) : .v6(.any), port: 0)
        let socket = ConnectedSocket(try UDPSocket(asking: any).connect(to: server), cutsDatagrams: false)
        try socket.send(message)
        kind = .datagrams(socket)
        output = []
    }

    /// Begins to connect, and sends the question when that is done.
    init(connectingFor message: [UInt8], to server: Endpoint) throws(SystemError) {
        kind = .stream(try TCPSocket.connect(to: server))
        output = [UInt8(message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message
    }

    func watch(with set: ReadinessSet, token: UInt64) throws(SystemError) {
        switch kind {
        case .datagrams(let socket): try set.add(socket.descriptor, token: token)
        case .stream(let socket): try set.add(socket.descriptor, for: .writable, token: token)
        }
    }

    func unwatch(from set: ReadinessSet) {
        switch kind {
        case .datagrams(let socket): set.remove(socket.descriptor)
        case .stream(let socket): set.remove(socket.descriptor)
        }
    }

    /// Goes on, since the socket is ready for something.
    func proceed(_ receiver: inout DatagramReceiver, _ set: ReadinessSet, token: UInt64, isClosed: Bool) -> Progress {
        switch kind {
        case .datagrams(let socket):
            let count = receiver.receive(from: socket.descriptor)
            // An error without a datagram: the port is closed (ICMP).
            guard count > 0, let message = receiver.message(0) else { return isClosed ? .failed : .waiting }
            let bytes = unsafe UnsafeRawBufferPointer(start: message.start, count: message.count)
            return .message(unsafe Array(bytes))
        case .stream(let socket):
            do {
                if !output.isEmpty {
                    try socket.checkConnected()
                    guard case .bytes(output.count) = try socket.descriptor.send(output[...]) else { return .failed }
                    output = []
                    try set.setInterest(.readable, of: socket.descriptor, token: token)
                    return .waiting
                }
                return try readStream(socket)
            } catch {
                return .failed
            }
        }
    }

    private func readStream(_ socket: TCPSocket) throws(SystemError) -> Progress {
        while true {
            let transfer = try socket.descriptor.read(into: &input, limit: 1 << 16)
            if input.count >= 2 {
                let count = Int(input[0]) << 8 | Int(input[1])
                if input.count >= 2 + count { return .message(Array(input[2..<(2 + count)])) }
            }
            switch transfer {
            case .bytes: continue
            case .wouldBlock: return .waiting
            case .end: return .failed
            }
        }
    }
}
