import Crypto
import Datapath
import Noise
import Relay
import SansIO
import Testing
import Traversal
import Wire

/// Peers whose path is in doubt: every message goes both ways.
struct DuplicateTests {
    private let session = TestSession()
    private let now = TestSession.start + .seconds(1)
    private static let direct = Destination(TestSession.endpoint2)
    private static let relayed = Destination(TestSession.relay, circuit: TestSession.relayID)
    private static let otherRelayed = Destination(Endpoint("192.0.2.8:20007")!, circuit: 77)
    private static let otherDirect = Destination(Endpoint("[2001:db8::2]:20007")!)

    private func node1(_ destination: Destination, _ duplicate: Destination) -> TestNode {
        TestNode(session.tables1(to: destination, duplicate: duplicate), now: now)
    }

    /// The messages of a train, without relay headers.
    private func messages(_ trains: [TestNode.Train], to destination: Destination) -> [[UInt8]] {
        trains.filter { $0.destination == destination }.flatMap(\.datagrams).map { datagram in
            guard let circuit = destination.circuit else { return datagram }
            #expect(Array(datagram.prefix(12)) == RelayFrame.header(circuit: circuit))
            return Array(datagram.dropFirst(12))
        }
    }

    @Test(arguments: [(direct, relayed), (relayed, direct), (relayed, otherRelayed), (direct, otherDirect)])
    func `each message goes to both destinations, sealed once`(destination: Destination, duplicate: Destination) {
        let node1 = node1(destination, duplicate)
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 30_000))
        let sent = node1.send([packet.superPacket(segmentSize: 1368)], at: now)
        #expect(sent.trains.map(\.destination) == [destination, duplicate])
        let first = messages(sent.trains, to: destination)
        #expect(first.count == 22)
        #expect(messages(sent.trains, to: duplicate) == first)
        #expect(session.activity1.packetsSent == 22)
    }

    @Test func `second copies go behind all first ones, as trains`() {
        let node1 = node1(Self.relayed, Self.direct)
        let small = Array(repeating: (header: VirtioHeader.plain, bytes: TestPacket(payload: [1]).bytes), count: 50)
        let sent = node1.send(small, at: now)
        #expect(sent.trains.map(\.destination) == [Self.relayed, Self.direct])
        #expect(sent.trains.map(\.datagrams.count) == [50, 50])
        let later = node1.send(small, at: now)
        #expect(later.trains.map(\.datagrams.count) == [50, 50])
    }

    @Test func `a batch for several peers is doubled for those in doubt only`() {
        let other = TestSession(seed: 9)
        let peers = [
            PeerEntry(
                index: 0, keypair: session.keypair1, destination: Self.direct, path: nil, sources: .none,
                activity: Activity(), innerMTU: 1408, duplicate: Self.relayed),
            PeerEntry(
                index: 1, keypair: other.keypair1, destination: Self.otherDirect, path: nil, sources: .none,
                activity: Activity(), innerMTU: 1408),
        ]
        let routes = RouteTable([(IPPrefix("10.128.2.0/24")!, 0), (IPPrefix("10.128.3.0/24")!, 1)])
        let node = TestNode(Tables(generation: 1, peers: peers, routes: routes), now: now)
        let packets = ["10.128.2.1", "10.128.2.1", "10.128.3.1", "10.128.2.1"].map {
            (header: VirtioHeader.plain, bytes: TestPacket(destination: IPAddress($0)!, payload: [1]).bytes)
        }
        let trains = node.send(packets, at: now).trains
        #expect(
            trains.map(\.destination)
                == [Self.direct, Self.otherDirect, Self.direct, Self.relayed, Self.relayed])
        #expect(trains.map(\.datagrams.count) == [2, 1, 1, 2, 1])
    }

    @Test func `a full arena of the smallest segments is doubled whole`() {
        let node1 = node1(Self.direct, Self.relayed)
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 65_000)).superPacket(segmentSize: 48)
        var frames = 0
        let buffer = PacketBuffer(count: 70_000)
        while !node1.outbound.isFull {
            packet.header.write(to: buffer.bytes)
            buffer.bytes.copy(packet.bytes, at: VirtioHeader.size)
            node1.outbound.send(buffer.bytes, count: VirtioHeader.size + packet.bytes.count, at: now)
            frames += 1
        }
        node1.outbound.finish()
        let counts = node1.outbound.groups.map { $0.datagramCount }
        #expect(counts.reduce(0, +) == 2 * frames * 1355)
    }

    @Test func `the receiver delivers one of the two, whichever comes first`() {
        let node1 = node1(Self.relayed, Self.direct)
        let relay = TestNode(session.relayTables, now: now)
        let node2 = TestNode(session.tables2(), now: now)
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 9000))
        let sent = node1.send([packet.superPacket(segmentSize: 1368)], at: now)
        let direct = node2.receive(sent.trains[1], from: TestSession.endpoint1, at: now)
        #expect(direct.packets == packet.segments(ofSize: 1368))
        let relayed = relay.receive(sent.trains[0], from: TestSession.endpoint1, at: now)
        #expect(node2.receive(relayed.trains[0], from: TestSession.relay, at: now).packets.isEmpty)
        #expect(node2.inboundDrops[.replayed] == 7)
    }

    @Test func `the plain path does the same`() {
        var plain = PlainPath()
        plain.tables = session.tables1(to: Self.direct, duplicate: Self.relayed)
        let outcome = plain.send(TestPacket(payload: [1]).bytes, at: now)
        #expect(outcome.datagrams.map(\.destination) == [Self.direct, Self.relayed])
        let header = RelayFrame.header(circuit: TestSession.relayID)
        #expect(outcome.datagrams[1].bytes == header + outcome.datagrams[0].bytes)
    }
}
