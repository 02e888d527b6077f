import Crypto
import Datapath
import Noise
import Relay
import SansIO
import Testing
import Traversal
import Wire

/// Peers that move to a faster path: messages wait until those on the slower one have arrived.
struct HoldTests {
    private let session = TestSession()
    private let now = TestSession.start + .seconds(1)
    private let due = TestSession.start + .milliseconds(1040)
    private static let direct = Destination(TestSession.endpoint2)
    private static let relayed = Destination(TestSession.relay, circuit: TestSession.relayID)

    private func node1(duplicate: Destination? = nil) -> TestNode {
        TestNode(session.tables1(to: Self.direct, duplicate: duplicate, holdUntil: due), now: now)
    }

    /// What has left when time has come to `now`.
    private func released(_ node: TestNode, at now: Instant) -> [TestNode.Train] {
        node.outbound.release(at: now)
        node.outbound.finish()
        defer { node.outbound.removeAll() }
        return node.outbound.groups.map(TestNode.Train.init)
    }

    private func packet(_ number: Int) -> [UInt8] {
        TestPacket(payload: Array(repeating: UInt8(number), count: 40)).bytes
    }

    /// The packets in datagrams, as the other node delivers them.
    private func opened(_ trains: [TestNode.Train]) -> [[UInt8]] {
        let node2 = TestNode(session.tables2(), now: now)
        return trains.flatMap { node2.receive($0, from: TestSession.endpoint1, at: now).packets }
    }

    @Test func `messages wait until they are due, then leave in order as trains`() {
        let node1 = node1()
        #expect(node1.outbound.nextDeadline == nil)
        for number in 0..<30 { #expect(node1.send(packet(number), at: now + .milliseconds(number)).trains.isEmpty) }
        #expect(node1.outbound.nextDeadline == due)
        #expect(released(node1, at: due - .nanoseconds(1)).isEmpty)
        let trains = released(node1, at: due)
        #expect(trains.map(\.destination) == [Self.direct])
        #expect(opened(trains) == (0..<30).map(packet))
        #expect(node1.outbound.nextDeadline == nil)
        #expect(node1.send(packet(31), at: due).trains.count == 1)
    }

    @Test func `a message sent when the time has come goes behind those that wait`() {
        let node1 = node1()
        for number in 0..<3 { _ = node1.send(packet(number), at: now) }
        let sent = node1.send(packet(3), at: due)
        #expect(opened(sent.trains) == (0...3).map(packet))
    }

    @Test func `held messages keep their destination, and none overtakes them, when the tables change`() {
        let node1 = node1()
        _ = node1.send(packet(0), at: now)
        node1.outbound.tables = session.tables1(to: Self.relayed)
        #expect(node1.send(packet(1), at: now).trains.isEmpty)
        let later = due + .milliseconds(10)
        node1.outbound.tables = session.tables1(to: Self.relayed, holdUntil: later)
        #expect(node1.send(packet(2), at: now).trains.isEmpty)
        #expect(released(node1, at: due).map(\.destination) == [Self.direct, Self.relayed])
        #expect(node1.outbound.nextDeadline == later)
        #expect(released(node1, at: later).map(\.datagrams.count) == [1])
    }

    @Test func `what still took the slower path after the move makes the wait longer by as much`() {
        let node1 = TestNode(session.tables1(to: Self.relayed), now: now)
        let late = now + .milliseconds(15)
        #expect(node1.send(packet(0), at: late).datagrams.count == 1)
        node1.outbound.tables = session.tables1(to: Self.direct, holdUntil: due, movedAt: now)
        #expect(node1.send(packet(1), at: late).trains.isEmpty)
        #expect(released(node1, at: due).isEmpty)
        #expect(node1.send(packet(2), at: due + .milliseconds(5)).trains.isEmpty)
        #expect(released(node1, at: due + .milliseconds(15)).flatMap(\.datagrams).count == 2)
        #expect(node1.send(packet(3), at: due + .milliseconds(16)).datagrams.count == 1)
    }

    @Test func `packets of other peers pass`() {
        let other = TestSession(seed: 9)
        let peers = [session.keypair1, other.keypair1].enumerated().map { index, keypair in
            PeerEntry(
                index: index, keypair: keypair, destination: Self.direct, path: nil, sources: .none,
                activity: Activity(), innerMTU: 1408, holdUntil: index == 0 ? due : nil)
        }
        let routes = RouteTable([(IPPrefix("10.128.2.0/24")!, 0), (IPPrefix("10.128.3.0/24")!, 1)])
        let node = TestNode(Tables(generation: 1, peers: peers, routes: routes), now: now)
        let packets = ["10.128.2.1", "10.128.3.1", "10.128.2.1", "10.128.3.1"].map {
            (header: VirtioHeader.plain, bytes: TestPacket(destination: IPAddress($0)!, payload: [1]).bytes)
        }
        #expect(node.send(packets, at: now).trains.flatMap(\.datagrams).count == 2)
        #expect(released(node, at: due).flatMap(\.datagrams).count == 2)
    }

    @Test func `what is held for a peer in doubt leaves on both paths`() {
        let node1 = node1(duplicate: Self.relayed)
        let large = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 9000))
        #expect(node1.send([large.superPacket(segmentSize: 1368)], at: now).trains.isEmpty)
        let trains = released(node1, at: due)
        #expect(trains.map(\.destination) == [Self.direct, Self.relayed])
        #expect(trains.map(\.datagrams.count) == [7, 7])
        #expect(trains[1].datagrams.map { Array($0.dropFirst(12)) } == trains[0].datagrams)
    }

    @Test func `when the room is used up everything goes out at once, in order`() {
        let node1 = node1()
        let large = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 60_000)).superPacket(segmentSize: 1368)
        var sent: [[UInt8]] = []
        var frames = 0
        while sent.isEmpty, frames < 200 {
            sent = node1.send([large], at: now).datagrams
            frames += 1
        }
        #expect((50..<80).contains(frames))
        let counters = sent.map { $0[8...15].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        #expect(counters == (0..<UInt64(counters.count)).map { $0 })
        #expect(counters.count == frames * 44)
        // And there is room again.
        #expect(node1.send([large], at: now).trains.isEmpty)
    }

    @Test func `the plain path says when`() {
        var plain = PlainPath()
        plain.tables = session.tables1(to: Self.direct, holdUntil: due)
        #expect(plain.send(packet(0), at: now).datagrams.map(\.sendAt) == [due])
        plain.tables = session.tables1(to: Self.relayed)
        #expect(plain.send(packet(1), at: now).datagrams.map(\.sendAt) == [due])
        #expect(plain.send(packet(2), at: due).datagrams.map(\.sendAt) == [due])
        #expect(plain.send(packet(3), at: due + .nanoseconds(1)).datagrams.map(\.sendAt) == [nil])
    }

    @Test func `a super-packet that would grow beyond all bounds is refused`() {
        let node1 = TestNode(session.tables1(), now: now)
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 60_000)).superPacket(segmentSize: 1)
        #expect(node1.send([packet], at: now).trains.isEmpty)
        #expect(node1.outboundDrops[.malformedPacket] == 1)
    }
}
