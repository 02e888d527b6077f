import Crypto
import Datapath
import Glibc
import Linux
import Noise
import PacketIO
import SansIO
import Testing
import Traversal
import Wire

private let needsRoot: Comment = "needs root: opens TUN interfaces in network namespaces"

/// Links of real descriptors: datagrams in both directions, and what happens at their ends.
@Suite(.serialized, .enabled(if: geteuid() == 0, needsRoot))
struct LinkTests {
    private let node: TunnelNode

    init() throws {
        node = try TunnelNode(IPv4Address(10, 128, 0, 1))
    }

    private func upcalls() -> [Upcall] {
        node.threads.mailbox.wakeUp.wait(milliseconds: 5000)
        return node.threads.mailbox.takeAll()
    }

    /// What comes out at the other end, up to `count` datagrams; fewer after two seconds of nothing.
    private func read(_ count: Int, from socket: ConnectedSocket) throws -> [[UInt8]] {
        let readiness = try ReadinessSet()
        try readiness.add(socket.descriptor, token: 0)
        var events: [ReadinessSet.Event] = []
        var receiver = DatagramReceiver(count: 8)
        var datagrams: [[UInt8]] = []
        while datagrams.count < count {
            readiness.wait(&events, milliseconds: 2000)
            let received = receiver.receive(from: socket.descriptor)
            if received == 0 { break }
            for message in (0..<received).compactMap({ receiver.message($0, from: node.endpoint) }) {
                let bytes = unsafe PacketBytes(message.start, count: message.count).array
                let size = message.segmentSize > 0 ? message.segmentSize : bytes.count
                for start in stride(from: 0, to: bytes.count, by: size) {
                    datagrams.append(Array(bytes[start..<min(start + size, bytes.count)]))
                }
            }
        }
        return datagrams
    }

    @Test(arguments: [LinkKind.stream, .socket])
    func `what comes and goes along a link bears the link's endpoint`(kind: LinkKind) throws {
        let far = try open(7, kind)
        let endpoint = Endpoint.link(number: 7, kind: kind)
        try far.send(cookieReply)
        #expect(upcalls() == [.datagram(cookieReply, origin: Origin(.direct(endpoint)), from: .peer)])
        try node.threads.send([3, 4], to: Destination(endpoint))
        try node.threads.send([5], to: Destination(endpoint, circuit: 1))
        #expect(try read(2, from: far) == [[3, 4], [0x4b, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 5]])
        node.threads.stop()
    }

    @Test(arguments: [LinkKind.stream, .socket])
    func `packets of the host leave along a link, cut to datagrams`(kind: LinkKind) throws {
        let far = try open(1, kind)
        let secrets = [SystemRandom.bytes(32), SystemRandom.bytes(32)].map { Secret($0) }
        let keypair = Keypair(
            localIndex: 1, remoteIndex: 1, isInitiator: true, createdAt: SystemClock.now, sendKey: secrets[0],
            receiveKey: secrets[1])
        let endpoint = Endpoint.link(number: 1, kind: kind)
        let prefix = IPPrefix("10.128.0.2/32")!
        let peer = PeerEntry(
            index: 0, keypair: keypair, destination: Destination(endpoint), path: .direct(endpoint), sources: .none,
            activity: Activity(), innerMTU: 1408)
        node.threads.publish(Tables(generation: 1, peers: [peer], routes: RouteTable([(prefix, 0)])))
        try node.udp.send(Array(repeating: 1, count: 5000), to: Endpoint("10.128.0.2:9")!)
        let datagrams = try read(4, from: far)
        #expect(datagrams.count == 4)
        #expect(datagrams.allSatisfy { $0.first == 4 && $0.count <= 1440 })
        node.threads.stop()
    }

    @Test func `a stream whose other end is closed is removed and reported, after what it brought`() throws {
        try Self.sendAndClose(node, cookieReply)
        var seen: [Upcall] = []
        while !seen.contains(.linkClosed(3)) {
            let more = upcalls()
            if more.isEmpty { break }
            seen += more
        }
        let origin = Origin(.direct(.link(number: 3, kind: .stream)))
        #expect(seen == [.datagram(cookieReply, origin: origin, from: .peer), .linkClosed(3)])
        let destination = Destination(.link(number: 3, kind: .stream))
        #expect(throws: SystemError.self) { try node.threads.send([1], to: destination) }
        node.threads.stop()
    }

    private static func sendAndClose(_ node: TunnelNode, _ bytes: [UInt8]) throws {
        let far = try open(3, .stream, at: node)
        try far.send(bytes)
    }

    @Test func `a full link loses datagrams and blocks nobody`() throws {
        let far = try open(1, .stream)
        let destination = Destination(.link(number: 1, kind: .stream))
        var refusals = 0
        for _ in 0..<2000 {
            do { try node.threads.send(Array(repeating: 1, count: 1400), to: destination) } catch { refusals += 1 }
        }
        #expect(refusals > 0)
        #expect(try read(10, from: far).count >= 10)
        try node.threads.send([1], to: destination)
        node.threads.stop()
    }

    @Test func `a removed link is closed at once, and its number may be used again`() throws {
        let far = try open(5, .stream)
        #expect(throws: SystemError.self) { _ = try open(5, .stream) }
        node.threads.remove(link: 5)
        node.threads.remove(link: 5)
        #expect(throws: SystemError.self) { try far.send([1]) }
        let again = try open(5, .stream)
        try again.send(cookieReply)
        let origin = Origin(.direct(.link(number: 5, kind: .stream)))
        #expect(upcalls() == [.datagram(cookieReply, origin: origin, from: .peer)])
        node.threads.stop()
    }

    @Test func `hundreds of links are served side by side`() throws {
        let count = 400
        let ends = try (0..<count).map { try open(UInt32($0), .stream) }
        for far in ends {
            for _ in 0..<3 { try far.send(cookieReply) }
        }
        var perLink: [Path: Int] = [:]
        while perLink.values.reduce(0, +) < 3 * count {
            let more = upcalls()
            if more.isEmpty { break }
            for case .datagram(_, let origin, _) in more { perLink[origin.path, default: 0] += 1 }
        }
        #expect(perLink.count == count)
        #expect(perLink.values.allSatisfy { $0 == 3 })
        node.threads.stop()
    }

    /// Opens a link at the node and gives its other end.
    private func open(_ number: UInt32, _ kind: LinkKind) throws -> ConnectedSocket {
        try Self.open(number, kind, at: node)
    }

    private static func open(_ number: UInt32, _ kind: LinkKind, at node: TunnelNode) throws -> ConnectedSocket {
        switch kind {
        case .stream:
            let far = try FileDescriptor.datagramPair { near throws(SystemError) in
                try node.threads.add(link: number, kind: .stream, descriptor: near)
            }
            return ConnectedSocket(far, cutsDatagrams: false)
        case .socket:
            let near = try UDPSocket(Endpoint("127.0.0.1:0")!)
            let far = try UDPSocket(Endpoint("127.0.0.1:0")!)
            try node.threads.add(
                link: number, kind: .socket, descriptor: try near.connect(to: far.localEndpoint))
            return ConnectedSocket(try far.connect(to: near.localEndpoint), cutsDatagrams: true)
        }
    }
}
