import Linux
import Mesh
import Wire

/// Sockets of their own for finding out what stands between this host and others, as the node asks for them.
///
/// Confined to the control thread. Whoever owns it watches `fileDescriptor` and takes what came by `receive()`.
final class NATProbe {
    struct Arrival {
        var socket: Int
        var source: Endpoint
        var bytes: [UInt8]
    }

    /// As many as a node ever has open at a time.
    private static let limit = 8
    /// Rounds of reading at a time, so that a flood does not keep the control thread.
    private static let roundLimit = 16

    private let readiness: ReadinessSet
    private var events: [ReadinessSet.Event] = []
    private var receiver: DatagramReceiver
    private var sockets: [Int: UDPSocket] = [:]

    init() throws(SystemError) {
        readiness = try ReadinessSet()
        receiver = DatagramReceiver(count: 4)
    }

    /// Readable when something has come in.
    var fileDescriptor: Int32 { readiness.descriptor.number }

    /// Opens sockets at ports that the kernel picks; the ports of those that could be opened. A host without IPv6 has none of it.
    func open(_ wanted: [Node.ProbeSocket]) -> [Int: UInt16] {
        var ports: [Int: UInt16] = [:]
        for socket in wanted where sockets.count < Self.limit && sockets[socket.number] == nil {
            // Without this socket the node finds out less, and says so.
            guard let opened = try? UDPSocket(Endpoint(Self.any(ipv4: socket.isIPv4), port: 0)),
                (try? readiness.add(opened.descriptor, token: UInt64(socket.number))) != nil
            else { continue }
            sockets[socket.number] = opened
            ports[socket.number] = opened.localEndpoint.port
        }
        return ports
    }

    func close(_ numbers: [Int]) {
        for number in numbers {
            if let socket = sockets.removeValue(forKey: number) { readiness.remove(socket.descriptor) }
        }
    }

    /// Whether it could be sent.
    func send(_ bytes: [UInt8], from number: Int, to target: Endpoint) -> Bool {
        guard let socket = sockets[number] else { return false }
        return Self.send(bytes, from: socket, to: target)
    }

    /// Sends one datagram from a port that the kernel picks and nobody has ever sent to. Whether it could be sent.
    static func sendOnce(_ bytes: [UInt8], to target: Endpoint) -> Bool {
        // No socket, no dial-back: whoever asked hears of nothing, as if it had been lost.
        guard let socket = try? UDPSocket(Endpoint(any(ipv4: target.address.isIPv4), port: 0)) else { return false }
        return send(bytes, from: socket, to: target)
    }

    private static func send(_ bytes: [UInt8], from socket: UDPSocket, to target: Endpoint) -> Bool {
        do {
            try socket.send(bytes, to: target)
            return true
        } catch {
            return false
        }
    }

    /// Everything that has come in, as far as one turn goes.
    func receive() -> [Arrival] {
        var arrivals: [Arrival] = []
        for _ in 0..<Self.roundLimit {
            readiness.wait(&events, milliseconds: 0)
            if events.isEmpty { break }
            for event in events {
                guard let socket = sockets[Int(event.token)] else { continue }
                for index in 0..<receiver.receive(from: socket.descriptor) {
                    guard let message = receiver.message(index), !message.isTruncated else { continue }
                    arrivals += Self.datagrams(of: message).map {
                        Arrival(socket: Int(event.token), source: message.source, bytes: $0)
                    }
                }
            }
        }
        return arrivals
    }

    /// The datagrams of a message, which the kernel may have joined.
    private static func datagrams(of message: DatagramReceiver.Message) -> [[UInt8]] {
        let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: message.start, count: message.count))
        let size = message.segmentSize > 0 ? message.segmentSize : max(1, bytes.count)
        return stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
    }

    private static func any(ipv4: Bool) -> IPAddress { ipv4 ? .v4(.any) : .v6(.any) }
}
