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

private let needsRoot: Comment = "needs root: opens TUN interfaces in network namespaces"

/// A hundred thousand spoofed initiations, 20,000 a second, half of them with a made-up cookie, on real sockets while packets
/// flow.
@Suite(.serialized, .enabled(if: geteuid() == 0, needsRoot))
struct FloodTests {
    private static let initiations = 100_000
    private static let perSecond = 20_000
    private static let batch = 100

    @Test func `a flow and newcomers with a cookie pass through a flood of spoofed initiations`() throws {
        let node1 = try TunnelNode(IPv4Address(10, 128, 0, 1))
        let node2 = try TunnelNode(IPv4Address(10, 128, 0, 2))
        let key = try AgreementKey(secret: Secret(SystemRandom.bytes(32)))
        let cookieSecret = Secret(SystemRandom.bytes(32))
        let macKeys = MACKeys(receiver: key.publicKey)
        let macs = HandshakeMACs(keys: macKeys, cookieSecret: cookieSecret)
        TunnelNode.connect(node1, node2, handshakeMACs: macs)
        let control = try ControlThread(
            node1, macs,
            HandshakeResponder(
                key: key, cookieSecret: cookieSecret, at: SystemClock.now))
        let serving = try Thread(name: "control") { control.run() }
        let flood = try Flood(of: node1, macKeys)
        let start = SystemClock.now
        // A machine that is too slow for the rate gets a lower one: what overflows the socket is not what is tested.
        let flooding = try Thread(name: "flood") {
            flood.run(Self.initiations, Self.batch, Self.perSecond) { sent in sent - control.handled < 4000 }
        }

        // A packet in each direction every 10 ms, and a newcomer that has a cookie every 50.
        let newcomer = try UDPSocket(Endpoint("127.0.0.1:0")!)
        var sent = 0
        var newcomers = 0
        while !flood.isOver.load(ordering: .relaxed) {
            if sent.isMultiple(of: 5) {
                let message = flood.unfinishedInitiation()
                try newcomer.send(
                    message + macs.mac2(over: message, from: newcomer.localEndpoint), to: node1.endpoint)
                newcomers += 1
            }
            try node2.udp.send(flowMarker(sent), to: Endpoint(.v4(node1.address), port: 9))
            sent += 1
            control.pause(milliseconds: 10)
        }
        flooding.join()
        let arrived = try drain(node1.udp, until: sent)
        control.end()
        serving.join()
        #expect(arrived == sent)
        #expect(control.counts.cookied.load(ordering: .relaxed) == newcomers)
        let strangers = control.counts.strangers.load(ordering: .relaxed)
        let seconds = (SystemClock.now - start).seconds
        #expect((1000...1000 + Int(10_000 * seconds)).contains(strangers))
        #expect(control.counts.replies.load(ordering: .relaxed) > 0)
        node1.threads.stop()
        node2.threads.stop()
        #expect(node1.threads.inboundDrops[.wrongMAC] == 0)
    }

    private func flowMarker(_ number: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

    /// Reads what came out of the tunnel, until it is `count` datagrams or nothing comes for two seconds.
    private func drain(_ socket: UDPSocket, until count: Int) throws -> Int {
        let readiness = try ReadinessSet()
        try readiness.add(socket.descriptor, token: 0)
        var events: [ReadinessSet.Event] = []
        var receiver = DatagramReceiver(count: 8)
        var arrived = 0
        while arrived < count {
            readiness.wait(&events, milliseconds: 2000)
            let received = receiver.receive(from: socket.descriptor)
            if received == 0 { break }
            for message in (0..<received).compactMap({ receiver.message($0) }) {
                arrived += message.segmentSize > 0 ? (message.count + message.segmentSize - 1) / message.segmentSize : 1
            }
        }
        return arrived
    }
}

/// Sends initiations with a right mac1 from random loopback addresses.
private final class Flood: Sendable {
    let isOver = Atomic(false)
    private let socket: UDPSocket
    private let target: Endpoint
    private let macKeys: MACKeys

    init(of node: TunnelNode, _ macKeys: MACKeys) throws {
        socket = try UDPSocket(Endpoint("0.0.0.0:0")!)
        target = node.endpoint
        self.macKeys = macKeys
    }

    /// One that lacks its mac2.
    func unfinishedInitiation() -> [UInt8] {
        let body = [1, 0, 0, 0] + SystemRandom.bytes(112)
        return body + macKeys.mac1(over: body.span)
    }

    func run(_ count: Int, _ batch: Int, _ perSecond: Int, mayGoOn: (Int) -> Bool) {
        let messages = (0..<batch).flatMap { number in
            unfinishedInitiation() + Array(repeating: UInt8(number % 2), count: 16)
        }
        var random = SeededRandom(seed: 1)
        var queue = SendQueue(capacity: batch)
        let start = SystemClock.now
        for round in 0..<(count / batch) {
            let due = start + .nanoseconds(Int64(round * batch) * 1_000_000_000 / Int64(perSecond))
            while SystemClock.now < due { sched_yield() }
            let patience = SystemClock.now + .milliseconds(500)
            while SystemClock.now < patience, !mayGoOn(round * batch) { sched_yield() }
            unsafe messages.withUnsafeBytes { bytes in
                for index in 0..<batch {
                    let source = IPv4Address(rawValue: 0x7f00_0000 | UInt32.random(in: 2..<0x00ff_ffff, using: &random))
                    unsafe queue.append(
                        bytes.baseAddress! + index * InitiationMessage.size, count: InitiationMessage.size,
                        segmentSize: InitiationMessage.size, to: target, from: .v4(source))
                }
                _ = socket.send(&queue)
            }
        }
        isOver.store(true, ordering: .relaxed)
    }
}

/// Stands for the control thread: takes the upcalls and judges handshakes as a node does.
private final class ControlThread: Sendable {
    struct Counts: ~Copyable {
        let strangers = Atomic(0)
        let cookied = Atomic(0)
        let replies = Atomic(0)
    }

    let counts = Counts()
    private let node: TunnelNode
    private let macs: HandshakeMACs
    private let responder: Mutex<HandshakeResponder>
    private let isEnding = Atomic(false)
    private let pauses: WakeUp

    init(_ node: TunnelNode, _ macs: HandshakeMACs, _ responder: HandshakeResponder) throws(SystemError) {
        self.node = node
        self.macs = macs
        self.responder = Mutex(responder)
        pauses = try WakeUp()
    }

    func run() {
        while !isEnding.load(ordering: .relaxed) {
            node.threads.mailbox.wakeUp.wait(milliseconds: 100)
            judgeAll()
        }
        judgeAll()
    }

    private func judgeAll() {
        for case .datagram(let message, let origin, _) in node.threads.mailbox.takeAll() {
            judge(message, from: origin)
        }
    }

    /// Initiations that have been looked at or dropped.
    var handled: Int {
        let drops = [DropReason.handshakeLimit, .mailboxFull, .upcallLimit].map { node.threads.inboundDrops[$0] }
        return Int(drops.reduce(0, +)) + counts.strangers.load(ordering: .relaxed)
    }

    func end() { isEnding.store(true, ordering: .relaxed) }

    /// Waits for time to pass on the calling thread.
    func pause(milliseconds: Int32) { pauses.wait(milliseconds: milliseconds) }

    private func judge(_ message: [UInt8], from origin: Origin) {
        guard case .direct(let source) = origin.path else { return }
        if macs.hasValidMAC2(message, from: source) {
            counts.cookied.add(1, ordering: .relaxed)
        } else {
            counts.strangers.add(1, ordering: .relaxed)
        }
        let verdict = responder.withLock { $0.examine(message, from: source, at: SystemClock.now) }
        if case .reply(let reply) = verdict {
            counts.replies.add(1, ordering: .relaxed)
            try? node.threads.send(reply, to: Destination(source))
        }
    }
}
