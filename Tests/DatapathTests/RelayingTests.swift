import Datapath
import Relay
import SansIO
import Testing
import Traversal
import Wire

struct RelayingTests {
    private let session = TestSession()
    private let now = TestSession.start + .seconds(1)

    @Test func `a train crosses a relay as a train, unread, and arrives as if sent directly`() {
        let node1 = TestNode(session.tables1(circuit: TestSession.relayID), now: now)
        let relay = TestNode(session.relayTables, now: now)
        let node2 = TestNode(session.tables2(), now: now)
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 20_000))

        let sent = node1.send([packet.superPacket(segmentSize: 1368)], at: now)
        #expect(sent.trains.map(\.destination.endpoint) == [TestSession.relay])
        #expect(sent.trains.first?.segmentSize == 1452)

        let relayed = relay.receive(sent.trains[0], from: TestSession.endpoint1, at: now)
        #expect(relayed.frameCount == 0)
        #expect(relayed.upcalls.isEmpty)
        #expect(relayed.trains.map(\.destination.endpoint) == [TestSession.endpoint2])
        #expect(relay.inbound.relayedCount == 15)
        for (before, after) in zip(sent.datagrams, relayed.trains[0].datagrams) {
            #expect(after == RelayFrame.header(circuit: TestSession.endID) + before.dropFirst(12))
        }

        let received = node2.receive(relayed.trains[0], from: TestSession.relay, at: now)
        #expect(received.packets == packet.segments(ofSize: 1368))
        #expect(received.upcalls.contains(.moved(peer: 7, to: Origin(.relayed(circuit: TestSession.endID)))))
    }

    @Test func `a circuit is served only from its own endpoint and under its whole identifier`() {
        let node1 = TestNode(session.tables1(circuit: TestSession.relayID), now: now)
        let relay = TestNode(session.relayTables, now: now)
        let frame = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
        #expect(relay.receive(frame, from: TestSession.endpoint2, at: now).trains.isEmpty)
        #expect(relay.inboundDrops[.wrongCircuitSource] == 1)
        var other = frame
        other[4] ^= 1  // another identifier in the same slot
        #expect(relay.receive(other, from: TestSession.endpoint1, at: now).trains.isEmpty)
        other[11] = 200  // no such slot
        #expect(relay.receive(other, from: TestSession.endpoint1, at: now).trains.isEmpty)
        #expect(relay.inboundDrops[.unknownCircuit] == 2)
        #expect(relay.receive(frame, from: TestSession.endpoint1, at: now).trains.count == 1)
    }

    @Test func `only tunnel messages are relayed`() {
        let relay = TestNode(session.relayTables, now: now)
        for first: UInt8 in [0, 5, 0x4b] {
            let frame = RelayFrame.header(circuit: TestSession.relayID) + [first] + Array(repeating: 0, count: 40)
            #expect(relay.receive(frame, from: TestSession.endpoint1, at: now).trains.isEmpty)
        }
        let short = RelayFrame.header(circuit: TestSession.relayID) + [4, 0, 0, 0]
        #expect(relay.receive(short, from: TestSession.endpoint1, at: now).trains.isEmpty)
        #expect(relay.inboundDrops[.malformedMessage] == 4)
    }

    @Test func `a handshake message that came by a circuit is handed up with that path`() {
        let node2 = TestNode(session.tables2(), now: now)
        let initiation = [1, 0, 0, 0] + Array(repeating: UInt8(7), count: 144)
        let frame = RelayFrame.header(circuit: TestSession.endID) + initiation
        let received = node2.receive(frame, from: TestSession.relay, at: now)
        let origin = Origin(.relayed(circuit: TestSession.endID))
        #expect(received.upcalls == [.datagram(initiation, origin: origin, from: .peer)])
    }

    @Test func `frames of several circuits in one train go their own ways in order`() {
        let destinations = [TestSession.endpoint1, TestSession.endpoint2]
        let circuits = destinations.enumerated().map { index, endpoint in
            CircuitEntry(
                id: UInt64(index), source: TestSession.relay,
                role: .relay(to: Destination(endpoint, circuit: 90 + UInt64(index)), meter: RelayMeter()))
        }
        let relay = TestNode(Tables(generation: 1, circuits: circuits), now: now)
        let message = [UInt8(4), 0, 0, 0] + Array(repeating: 1, count: 36)
        let order: [UInt64] = [0, 0, 1, 0, 1, 1]
        let train = order.flatMap { RelayFrame.header(circuit: $0) + message }
        let relayed = relay.receive(train, segmentSize: 52, from: TestSession.relay, at: now).trains
        #expect(relayed.map(\.destination.endpoint) == [0, 1, 0, 1].map { destinations[$0] })
        #expect(relayed.map(\.datagrams.count) == [2, 1, 1, 2])
    }

    @Test func `frames are taken from each endpoint that their sender has shown itself at, and from no other`() {
        let second = Endpoint("[2001:db8::7]:20007")!
        let circuit = CircuitEntry(
            id: 1, source: TestSession.endpoint1, otherSources: [second],
            role: .relay(to: Destination(TestSession.endpoint2, circuit: 9), meter: RelayMeter()))
        let relay = TestNode(Tables(generation: 1, circuits: [circuit]), now: now)
        let frame = RelayFrame.header(circuit: 1) + [UInt8(4), 0, 0, 0] + Array(repeating: 1, count: 36)
        #expect(relay.receive(frame, from: TestSession.endpoint1, at: now).trains.count == 1)
        #expect(relay.receive(frame, from: second, at: now).trains.count == 1)
        #expect(relay.receive(frame, from: TestSession.relay, at: now).trains.isEmpty)
        #expect(relay.inboundDrops[.wrongCircuitSource] == 1)

        var path = PlainPath()
        path.tables = Tables(generation: 1, circuits: [circuit])
        let outcomes = [TestSession.endpoint1, second, TestSession.relay].map { path.receive(frame, from: $0, at: now) }
        #expect(outcomes.map(\.datagrams.count) == [1, 1, 0])
        #expect(path.drops[.wrongCircuitSource] == 1)
    }

    @Test func `what is relayed counts for the member that sends it, and what goes beyond a rate is dropped`() {
        let quota = RelayQuota()
        let meter = RelayMeter(quota)
        let node1 = TestNode(session.tables1(circuit: TestSession.relayID), now: now)
        let relay = TestNode(session.relayTables(meter), now: now)
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 20_000))
        let train = node1.send([packet.superPacket(segmentSize: 1368)], at: now).trains[0]
        #expect(relay.receive(train, from: TestSession.endpoint1, at: now).trains.count == 1)
        #expect(meter.counts.packets == 15)
        #expect(meter.counts.bytes == UInt64(train.bytes.count))

        quota.setRates(total: 0, perMember: 125_000)
        let relayed = (0..<10).map { _ in relay.receive(train, from: TestSession.endpoint1, at: now) }
        let bytes = relayed.flatMap(\.trains).reduce(0) { $0 + $1.bytes.count }
        #expect((14_900...16_384).contains(bytes))
        #expect(meter.counts.droppedPackets == relay.inboundDrops[.relayLimit])
        #expect(meter.counts.packets + meter.counts.droppedPackets == 165)
        #expect(quota.counts == meter.counts)
    }

    @Test func `an outsider's frames are never forwarded, whatever identifier they carry`() {
        let relay = TestNode(session.relayTables, now: now)
        var random = SeededRandom(seed: 3)
        let message = [UInt8(4), 0, 0, 0] + Array(repeating: 1, count: 60)
        let outsiders = ["203.0.113.7:20007", "192.0.2.1:20008", "[2001:db8::1]:20007"].map { Endpoint($0)! }
        for round in 0..<3000 {
            let id = round.isMultiple(of: 2) ? TestSession.relayID : random.next()
            let received = relay.receive(
                RelayFrame.header(circuit: id) + message, from: outsiders[round % 3], at: now)
            #expect(received.trains.isEmpty && received.upcalls.isEmpty)
        }
        #expect(relay.inbound.relayedCount == 0)
        #expect(relay.inboundDrops[.wrongCircuitSource] + relay.inboundDrops[.unknownCircuit] == 3000)
    }
}
