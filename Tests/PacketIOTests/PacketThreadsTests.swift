import Crypto
import Datapath
import Glibc
import Linux
import Noise
import PacketIO
import SansIO
import Synchronization
import Testing
import Traversal
import Wire

/// As long as a cookie reply, so that it is handed up.
let cookieReply: [UInt8] = [3, 0, 0, 0] + Array(repeating: 8, count: 60)

private let needsRoot: Comment = "needs root: opens TUN interfaces in network namespaces"

/// Two nodes with real interfaces and sockets, and a session made by hand.
@Suite(.serialized, .enabled(if: geteuid() == 0, needsRoot))
struct PacketThreadsTests {
    private let node1: TunnelNode
    private let node2: TunnelNode

    init() throws {
        node1 = try TunnelNode(IPv4Address(10, 128, 0, 1))
        node2 = try TunnelNode(IPv4Address(10, 128, 0, 2))
    }

    private func connect(overIPv6: Bool = false, holdUntil: Instant? = nil) {
        TunnelNode.connect(node1, node2, overIPv6: overIPv6, holdUntil: holdUntil)
    }

    private func stop() {
        node1.threads.stop()
        node2.threads.stop()
    }

    /// Sends datagrams from node 1 until one arrives at node 2; `nil` when none does within five seconds.
    private func firstArrival(sending payload: [UInt8] = [1, 2, 3]) throws -> [UInt8]? {
        let deadline = SystemClock.now + .seconds(5)
        var receiver = DatagramReceiver(count: 1)
        let readiness = try ReadinessSet()
        try readiness.add(node2.udp.descriptor, token: 0)
        var events: [ReadinessSet.Event] = []
        while SystemClock.now < deadline {
            // A refusal while the interface is down is part of what is tested.
            try? node1.udp.send(payload, to: Endpoint(.v4(node2.address), port: 9))
            readiness.wait(&events, milliseconds: 20)
            guard receiver.receive(from: node2.udp.descriptor) > 0, let message = receiver.message(0) else {
                continue
            }
            #expect(message.source.address == .v4(node1.address))
            return unsafe PacketBytes(message.start, count: message.count).array
        }
        return nil
    }

    @Test(arguments: [false, true])
    func `a TCP stream crosses two interfaces unchanged, and nothing is dropped`(overIPv6: Bool) throws {
        connect(overIPv6: overIPv6)
        let listener = node2.tcp
        let received = Received()
        try TCP.listen(listener, Endpoint(.v4(node2.address), port: 5201))
        let reader = try Thread(name: "reader") { received.set(TCP.acceptAndReadAll(listener)) }
        var random = SeededRandom(seed: 1)
        let sent = (0..<500_000).flatMap { _ in
            let word = random.next()
            return (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
        }
        try TCP.connectAndWrite(node1.tcp, Endpoint(.v4(node2.address), port: 5201), sent)
        reader.join()
        stop()
        #expect(received.bytes == sent)
        for reason in DropReason.allCases where reason != .noRoute {  // The kernel's own IPv6 multicast has no route.
            #expect(node1.threads.outboundDrops[reason] == 0, "\(reason.name)")
            #expect(node2.threads.inboundDrops[reason] == 0, "\(reason.name)")
        }
    }

    @Test func `held packets leave when they are due, though nothing else happens`() throws {
        let due = SystemClock.now + .milliseconds(80)
        connect(holdUntil: due)
        try node1.udp.send([5], to: Endpoint(.v4(node2.address), port: 9))
        let readiness = try ReadinessSet()
        try readiness.add(node2.udp.descriptor, token: 0)
        var events: [ReadinessSet.Event] = []
        readiness.wait(&events, milliseconds: 5000)
        #expect(!events.isEmpty)
        #expect(SystemClock.now >= due)
        stop()
    }

    @Test func `datagrams of every size up to the largest cross`() throws {
        connect()
        for size in [1, 15, 16, 17, 1379, 1380, 1381, 9000, 60_000] {
            let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
            #expect(try firstArrival(sending: payload) == payload, "\(size) bytes")
        }
        stop()
    }

    @Test func `packets without a session reach the control thread, and flow once there is one`()
        throws
    {
        let prefix = IPPrefix(.v4(node2.address))
        let peer = PeerEntry(
            index: 0, keypair: nil, destination: nil, path: nil, sources: .none, activity: Activity(),
            innerMTU: 1408)
        node1.threads.publish(Tables(generation: 1, peers: [peer], routes: RouteTable([(prefix, 0)])))
        try node1.udp.send([7], to: Endpoint(.v4(node2.address), port: 9))
        node1.threads.mailbox.wakeUp.wait(milliseconds: 5000)
        let upcalls = node1.threads.mailbox.takeAll()
        guard case .unsealed(let packet, peer: 0) = upcalls.first else {
            Issue.record("no packet came up: \(upcalls)")
            return stop()
        }
        #expect(packet.last == 7)
        #expect(packet.count == 29)
        connect()
        #expect(try firstArrival() == [1, 2, 3])
        stop()
    }

    @Test func `what is no packet of a session reaches the control thread with its addresses`() throws {
        let stranger = try UDPSocket(Endpoint(.v4(IPv4Address(127, 0, 0, 1)), port: 0))
        try stranger.send(cookieReply, to: node1.endpoint)
        node1.threads.mailbox.wakeUp.wait(milliseconds: 5000)
        let origin = Origin(
            .direct(stranger.localEndpoint), localAddress: .v4(IPv4Address(127, 0, 0, 1)))
        #expect(node1.threads.mailbox.takeAll() == [.datagram(cookieReply, origin: origin, from: .newcomer)])
        stop()
    }

    @Test func `traffic resumes after the interface was switched off and on`() throws {
        connect()
        #expect(try firstArrival() == [1, 2, 3])
        try node1.setInterface(up: false)
        try? node1.udp.send([9], to: Endpoint(.v4(node2.address), port: 9))  // Refused: there is no route.
        #expect(!node1.threads.deliver(Array(repeating: 0x45, count: 20)))
        try node1.setInterface(up: true)
        #expect(try firstArrival(sending: [4, 5]) == [4, 5])
        stop()
    }

    @Test func `of several sockets the one that was spoken to answers`() throws {
        let loopback = ["127.0.0.1:0", "127.0.0.2:0"].map { Endpoint($0)! }
        let sockets = [try UDPSocket(loopback[0]), try UDPSocket(loopback[1])]
        let threads = try PacketThreads(tun: node1.tun, sockets: sockets)
        for socket in sockets {
            let address = socket.localEndpoint.address
            try threads.send(cookieReply, to: Destination(node2.endpoint, localAddress: address))
            node2.threads.mailbox.wakeUp.wait(milliseconds: 5000)
            let origin = Origin(.direct(socket.localEndpoint), localAddress: node2.endpoint.address)
            #expect(node2.threads.mailbox.takeAll() == [.datagram(cookieReply, origin: origin, from: .newcomer)])
        }
        threads.stop()
        stop()
    }

    @Test func `an unreachable destination costs its own datagrams only`() throws {
        let socket = try UDPSocket(Endpoint(.v4(IPv4Address(127, 0, 0, 1)), port: 0))
        var queue = SendQueue(capacity: 4)
        let bytes = cookieReply + cookieReply
        let failed = unsafe bytes.withUnsafeBytes { bytes in
            let elsewhere = Endpoint("192.0.2.1:9")!  // From 127.0.0.1 nothing leaves the host.
            for destination in [elsewhere, node1.endpoint, elsewhere, node1.endpoint] {
                unsafe queue.append(
                    bytes.baseAddress!, count: 128, segmentSize: 64, to: destination, from: nil)
            }
            return socket.send(&queue)
        }
        #expect(failed == 4)
        var arrived = 0
        while arrived < 4 {
            node1.threads.mailbox.wakeUp.wait(milliseconds: 1000)
            let upcalls = node1.threads.mailbox.takeAll()
            guard !upcalls.isEmpty else { break }
            arrived += upcalls.count
        }
        #expect(arrived == 4)
        stop()
    }
}

/// What another thread received.
private final class Received: Sendable {
    private let value = Mutex<[UInt8]>([])

    var bytes: [UInt8] { value.withLock { $0 } }

    func set(_ bytes: [UInt8]) { value.withLock { $0 = bytes } }
}
