import Glibc
import Linux
import SansIO
import Testing
import Wire

struct UDPSocketTests {
    private static let loopback4 = Endpoint("127.0.0.1:0")!
    private static let loopback6 = Endpoint("[::1]:0")!

    /// One message with its bytes copied.
    private struct Arrival: Equatable {
        var bytes: [UInt8]
        var segmentSize: Int
        var source: Endpoint
        var localAddress: IPAddress?
    }

    private func receive(from socket: UDPSocket, atLeast byteCount: Int) -> [Arrival] {
        var receiver = DatagramReceiver(count: 4)
        var events: [ReadinessSet.Event] = []
        guard let readiness = try? ReadinessSet(), (try? readiness.add(socket.descriptor, token: 0)) != nil else {
            return []
        }
        var arrivals: [Arrival] = []
        while arrivals.reduce(0, { $0 + $1.bytes.count }) < byteCount {
            readiness.wait(&events, milliseconds: 2000)
            let count = receiver.receive(from: socket.descriptor)
            if count == 0 { break }
            for message in (0..<count).compactMap({ receiver.message($0) }) {
                let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: message.start, count: message.count))
                arrivals.append(
                    Arrival(
                        bytes: bytes, segmentSize: message.segmentSize, source: message.source,
                        localAddress: message.localAddress))
            }
        }
        return arrivals
    }

    @Test(arguments: [loopback4, loopback6])
    func `a datagram arrives with its source and the address it was sent to`(endpoint: Endpoint) throws {
        let sender = try UDPSocket(endpoint)
        let receiver = try UDPSocket(endpoint)
        #expect(sender.localEndpoint.port != 0)
        try sender.send([1, 2, 3], to: receiver.localEndpoint)
        let expected = Arrival(
            bytes: [1, 2, 3], segmentSize: 0, source: sender.localEndpoint, localAddress: endpoint.address)
        #expect(receive(from: receiver, atLeast: 3) == [expected])
    }

    @Test func `an answer can leave from the address that was spoken to`() throws {
        let server = try UDPSocket(Endpoint("0.0.0.0:0")!)
        let client = try UDPSocket(Self.loopback4)
        let spoken = IPAddress("127.0.0.77")!
        try server.send([9], to: client.localEndpoint, from: spoken)
        #expect(receive(from: client, atLeast: 1).first?.source == Endpoint(spoken, port: server.localEndpoint.port))
    }

    @Test func `a datagram leaves by the interface that is named, or not at all`() throws {
        let sender = try UDPSocket(asking: Endpoint("0.0.0.0:0")!)
        let receiver = try UDPSocket(asking: Self.loopback4)
        let loopback = try #require(IPAddress("127.0.0.1"))
        let index = unsafe if_nametoindex("lo")
        try sender.send([7], to: receiver.localEndpoint, from: loopback, interface: index)
        #expect(receive(from: receiver, atLeast: 1).first?.bytes == [7])
        #expect(throws: SystemError.self) {
            try sender.send([7], to: receiver.localEndpoint, from: loopback, interface: 999_999)
        }
    }

    @Test func `two sockets share a port only if both are willing`() throws {
        let first = try UDPSocket(asking: Self.loopback4, sharesPort: true)
        _ = try UDPSocket(asking: first.localEndpoint, sharesPort: true)
        #expect(throws: SystemError.self) { try UDPSocket(asking: first.localEndpoint) }
    }

    @Test func `a train is cut on its way and arrives whole`() throws {
        let sender = try UDPSocket(Self.loopback4)
        let receiver = try UDPSocket(Self.loopback4)
        let bytes = (0..<1050).map { UInt8(truncatingIfNeeded: $0) }
        var queue = SendQueue(capacity: 1)
        let failed = unsafe bytes.withUnsafeBytes { bytes in
            unsafe queue.append(
                bytes.baseAddress!, count: bytes.count, segmentSize: 100, to: receiver.localEndpoint, from: nil)
            return sender.send(&queue)
        }
        #expect(failed == 0)
        #expect(queue.count == 0)
        let arrivals = receive(from: receiver, atLeast: bytes.count)
        #expect(arrivals.flatMap(\.bytes) == bytes)
        #expect(arrivals.allSatisfy { $0.segmentSize == 100 || $0.bytes.count <= 100 })
    }

    @Test func `datagrams too large for a train go one by one`() throws {
        let sender = try UDPSocket(Self.loopback4)
        let receiver = try UDPSocket(Self.loopback4)
        // Two pieces that together exceed what one UDP message may hold.
        let bytes = Array(repeating: UInt8(5), count: 80_000)
        var queue = SendQueue(capacity: 1)
        let failed = unsafe bytes.withUnsafeBytes { bytes in
            unsafe queue.append(
                bytes.baseAddress!, count: bytes.count, segmentSize: 40_000, to: receiver.localEndpoint, from: nil)
            return sender.send(&queue)
        }
        #expect(failed == 0)
        #expect(receive(from: receiver, atLeast: bytes.count).map(\.bytes.count) == [40_000, 40_000])
    }

    @Test(arguments: [loopback4, loopback6])
    func `a datagram that may reach one host reaches the own one`(any: Endpoint) throws {
        let sender = try UDPSocket(any)
        let receiver = try UDPSocket(any)
        try sender.send([1, 2, 3], to: receiver.localEndpoint, hopLimit: 1)
        #expect(receive(from: receiver, atLeast: 3).map(\.bytes) == [[1, 2, 3]])
    }

    @Test func `a port in use is refused by name`() throws {
        let first = try UDPSocket(Self.loopback4)
        #expect(throws: SystemError("bind \(first.localEndpoint)", code: EADDRINUSE)) {
            try UDPSocket(first.localEndpoint)
        }
    }
}
