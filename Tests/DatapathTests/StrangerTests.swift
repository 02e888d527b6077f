import Crypto
import Datapath
import Noise
import Relay
import SansIO
import Testing
import Traversal
import Wire

/// Datagrams that hold no data: what reaches the control thread, and how much of it.
struct StrangerTests {
    private let session = TestSession()
    private let now = TestSession.start + .seconds(1)
    private static let peer = TestSession.endpoint1
    private static let stranger = Endpoint("203.0.113.5:9")!
    private static let own = Bytes32(Array(repeating: 9, count: 32))!
    private static let cookieSecret = Secret(Array(repeating: 5, count: 32))

    private func node2(_ macs: HandshakeMACs? = nil) -> TestNode {
        TestNode(session.tables2(handshakeMACs: macs), now: now)
    }

    private static func initiation(hasCookie: Bool = false) -> [UInt8] {
        [1, 0, 0, 0] + Array(repeating: 7, count: 128) + Array(repeating: hasCookie ? 1 : 0, count: 16)
    }

    private static let answers = [
        [2, 0, 0, 0] + Array(repeating: UInt8(7), count: 88), [3, 0, 0, 0] + Array(repeating: UInt8(7), count: 60),
    ]
    private static let stun = [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42] + Array(repeating: UInt8(3), count: 20)

    /// How many of `count` such datagrams from different sources are handed up at one moment.
    private func handedUp(
        _ message: [UInt8], count: Int = 10_000, by node: TestNode, from source: Endpoint? = nil
    ) -> Int {
        var random = SeededRandom(seed: 5)
        return (0..<count).reduce(0) { sum, _ in
            let spoofed = Endpoint(.v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: random.next()))), port: 9)
            return sum + node.receive(message, from: source ?? spoofed, at: now).upcalls.count
        }
    }

    @Test func `handshake messages and STUN go to the control thread with their origin`() {
        let node2 = node2()
        let local = IPAddress("192.0.2.2")
        for source in [Self.peer, Self.stranger] {
            let origin = Origin(.direct(source), localAddress: local)
            for message in Self.answers + [Self.initiation(), Self.initiation(hasCookie: true), Self.stun] {
                let received = node2.receive(message, from: source, localAddress: local, at: now)
                let isStranger = source == Self.stranger && message == Self.initiation()
                let sender: Upcall.Sender = source == Self.peer ? .peer : isStranger ? .stranger : .newcomer
                #expect(received.upcalls == [.datagram(message, origin: origin, from: sender)])
            }
        }
    }

    @Test func `what is none of them is dropped and counted`() {
        let node2 = node2()
        var messages = (0...255).map { [UInt8($0), 9, 9, 9] + Array(repeating: UInt8(1), count: 40) }
        for message in Self.answers + [Self.initiation(), Self.stun] {
            messages += (1..<message.count).map { Array(message.prefix($0)) } + [message + [0]]
        }
        for message in messages { #expect(node2.receive(message, from: Self.stranger, at: now).upcalls.isEmpty) }
        #expect(node2.inboundDrops[.unknownKind] == UInt64(messages.count))
        let unknown = node2.receive([4, 0, 0, 0] + Array(repeating: 0, count: 40), from: Self.stranger, at: now)
        #expect(unknown.upcalls.isEmpty)
        #expect(node2.inboundDrops[.unknownReceiver] == 1)
    }

    @Test func `a flood of strangers' initiations is cut, and takes nothing from others`() {
        let node2 = node2()
        #expect(handedUp(Self.initiation(), by: node2) == 1000)
        #expect(node2.inboundDrops[.handshakeLimit] == 9000)
        #expect(handedUp(Self.initiation(), count: 100, by: node2, from: Self.peer) == 100)
        #expect(handedUp(Self.initiation(hasCookie: true), count: 100, by: node2) == 100)
        #expect(handedUp(Self.answers[0], count: 100, by: node2) == 100)
        #expect(handedUp(Self.stun, count: 100, by: node2) == 100)
        let frame = RelayFrame.header(circuit: TestSession.endID) + Self.initiation()
        #expect(handedUp(frame, count: 100, by: node2, from: TestSession.relay) == 100)
        let link = Endpoint.link(number: 4, kind: .stream)
        #expect(handedUp(Self.initiation(), count: 100, by: node2, from: link) == 100)
    }

    @Test(arguments: [initiation(hasCookie: true), answers[0], answers[1], stun])
    func `every sort has its bound`(message: [UInt8]) {
        let node2 = node2()
        #expect(handedUp(message, by: node2) == 1000)
        #expect(node2.inboundDrops[.handshakeLimit] + node2.inboundDrops[.stunLimit] == 9000)
        #expect(handedUp(Self.initiation(), count: 100, by: node2) == 100)
    }

    @Test func `who repeats an initiation after a while is let in though strangers flood`() {
        let node2 = node2()
        func initiate(_ milliseconds: Int) -> [Upcall.Sender] {
            let received = node2.receive(Self.initiation(), from: Self.stranger, at: now + .milliseconds(milliseconds))
            return received.upcalls.compactMap { if case .datagram(_, _, let sender) = $0 { sender } else { nil } }
        }
        #expect(handedUp(Self.initiation(), by: node2) == 1000)
        #expect(initiate(0) == [])
        #expect(initiate(50) == [.stranger])  // The budget has tokens again, but this is no patient caller yet.
        #expect(initiate(300) == [.newcomer])
        #expect(initiate(350) == [.stranger])
        #expect(initiate(900) == [.newcomer])
        #expect(initiate(8000) == [.stranger])
    }

    @Test func `an initiation of somebody who does not know our key takes nothing of the budget`() {
        let keys = MACKeys(receiver: Self.own)
        let node2 = node2(HandshakeMACs(keys: keys, cookieSecret: Self.cookieSecret))
        #expect(handedUp(Self.initiation(), count: 3000, by: node2) == 0)
        #expect(node2.inboundDrops[.wrongMAC] == 3000)
        let body = Array(Self.initiation().prefix(116))
        let genuine = body + keys.mac1(over: body.span) + Array(repeating: 0, count: 16)
        #expect(keys.hasValidMAC1(genuine))
        #expect(handedUp(genuine, by: node2) == 1000)
    }

    @Test func `a made-up cookie is none, and one of ours counts at its own address alone`() {
        let keys = MACKeys(receiver: Self.own)
        let macs = HandshakeMACs(keys: keys, cookieSecret: Self.cookieSecret)
        let node2 = node2(macs)
        let body = Array(Self.initiation().prefix(116))
        let message = body + keys.mac1(over: body.span)
        let made = message + Array(repeating: 1, count: 16)
        let genuine = message + macs.mac2(over: message, from: Self.stranger)
        #expect(handedUp(made, by: node2) == 1000)
        #expect(handedUp(genuine, count: 100, by: node2) == 0, "from other addresses")
        #expect(handedUp(genuine, count: 100, by: node2, from: Self.stranger) == 100)
        let received = node2.receive(genuine, from: Self.stranger, at: now)
        #expect(received.upcalls == [.datagram(genuine, origin: Origin(.direct(Self.stranger)), from: .newcomer)])
        let stale = self.node2(HandshakeMACs(keys: keys, cookieSecret: Secret(Array(repeating: 6, count: 32))))
        let late = stale.receive(genuine, from: Self.stranger, at: now)
        #expect(late.upcalls == [.datagram(genuine, origin: Origin(.direct(Self.stranger)), from: .stranger)])
    }
}
