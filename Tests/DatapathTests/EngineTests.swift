import Datapath
import Noise
import SansIO
import Testing
import Traversal
import Wire

/// Two nodes back to back: what one sends the other receives.
struct EngineTests {
    private let session = TestSession()
    private let now = TestSession.start + .seconds(1)
    private let from1 = TestSession.endpoint1

    private func node1() -> TestNode { TestNode(session.tables1(), now: now) }
    private func node2() -> TestNode { TestNode(session.tables2(), now: now) }

    @Test func `a super-packet crosses as one train and becomes one frame again`() {
        let (node1, node2) = (node1(), node2())
        let packet = TestPacket(flags: 0x18, payload: Array(repeating: 3, count: 40_000))
        let sent = node1.send([packet.superPacket(segmentSize: 1368)], at: now)
        #expect(sent.trains.count == 1)
        #expect(sent.trains.first?.destination == Destination(TestSession.endpoint2))
        // 1408 bytes of packet, 32 of overhead.
        #expect(sent.trains.first?.segmentSize == 1440)
        #expect(sent.upcalls == [.active(peer: 0)])

        let received = node2.receive(sent.trains[0], from: from1, at: now)
        #expect(received.frameCount == 1)
        #expect(received.packets == packet.segments(ofSize: 1368))
        #expect(received.upcalls == [.active(peer: 7), .confirmed(peer: 7, receiver: 0x2222_0005)])
        #expect(session.activity1.packetsSent == 30)
        #expect(session.activity2.packetsReceived == 30)
        #expect(session.activity1.bytesSent == session.activity2.bytesReceived)
    }

    @Test func `any packets cross unchanged, singly and in super-packets`() {
        for seed in UInt64(1)...60 {
            let session = TestSession(seed: UInt8(seed))
            let node1 = TestNode(session.tables1(), now: now)
            let node2 = TestNode(session.tables2(), now: now)
            var random = SeededRandom(seed: seed)
            var frames: [(header: VirtioHeader, bytes: [UInt8])] = []
            var expected: [[UInt8]] = []
            for _ in 0..<4 {
                let packet = TestPacket.random(payloadLimit: 6000, using: &random)
                let size = Int.random(in: 100...1300, using: &random)
                frames.append(packet.superPacket(segmentSize: size))
                expected += packet.segments(ofSize: size)
                let single = TestPacket.random(payloadLimit: 1000, using: &random)
                frames.append((.plain, single.bytes))
                expected.append(single.bytes)
            }
            var received: [[UInt8]] = []
            for train in node1.send(frames, at: now).trains {
                received += node2.receive(train, from: from1, at: now).packets
            }
            #expect(received == expected, "seed \(seed)")
        }
    }

    @Test func `engines and the plain path understand each other and say the same`() {
        for seed in UInt64(1)...60 {
            var random = SeededRandom(seed: seed)
            let packet = TestPacket.random(payloadLimit: 1300, using: &random).bytes
            let batched = TestSession()
            let plain = TestSession()
            let node1 = TestNode(batched.tables1(), now: now)
            let node2 = TestNode(batched.tables2(), now: now)
            var plain1 = PlainPath()
            plain1.tables = plain.tables1()
            var plain2 = PlainPath()
            plain2.tables = plain.tables2()

            let sent = node1.send(packet, at: now)
            let outcome = plain1.send(packet, at: now)
            #expect(sent.datagrams == outcome.datagrams.map(\.bytes), "seed \(seed)")
            #expect(sent.upcalls == outcome.upcalls)
            guard var datagram = outcome.datagrams.first?.bytes else { return }
            if seed.isMultiple(of: 2) {
                let index = Int.random(in: 0..<datagram.count, using: &random)
                datagram[index] ^= UInt8.random(in: 1...255, using: &random)
            }
            let received = node2.receive(datagram, from: from1, at: now)
            let expected = plain2.receive(datagram, from: from1, at: now)
            #expect(received.packets == (expected.packet.map { [$0] } ?? []), "seed \(seed)")
            #expect(
                Set(received.upcalls.map(String.init(describing:)))
                    == Set(expected.upcalls.map(String.init(describing:))))
            for reason in DropReason.allCases {
                #expect(node2.inboundDrops[reason] == plain2.drops[reason], "seed \(seed), \(reason)")
            }
        }
    }

    @Test func `a replayed message is dropped and counted`() {
        let (node1, node2) = (node1(), node2())
        let datagram = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
        #expect(node2.receive(datagram, from: from1, at: now).packets.count == 1)
        for _ in 0..<3 { #expect(node2.receive(datagram, from: from1, at: now).packets.isEmpty) }
        #expect(node2.inboundDrops[.replayed] == 3)
        #expect(session.activity2.packetsReceived == 1)
    }

    @Test func `a forged message moves neither the window nor the path`() {
        let (node1, node2) = (node1(), node2())
        let datagram = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
        var forged = datagram
        forged[forged.count - 1] ^= 1
        let elsewhere = Endpoint("203.0.113.5:9")!
        #expect(node2.receive(forged, from: elsewhere, at: now).upcalls.isEmpty)
        #expect(node2.inboundDrops[.notAuthentic] == 1)
        #expect(node2.receive(datagram, from: from1, at: now).packets.count == 1)
    }

    @Test func `messages out of order are all delivered`() {
        let (node1, node2) = (node1(), node2())
        let packets = (0..<20).map { TestPacket(sequence: UInt32($0), payload: [UInt8($0)]).bytes }
        let datagrams = packets.map { node1.send($0, at: now).datagrams[0] }
        let received = datagrams.reversed().map { node2.receive($0, from: from1, at: now).packets }
        #expect(received == packets.reversed().map { [$0] })
    }

    @Test func `a source outside the peer's prefixes is dropped and counted, whatever its form`() {
        let (node1, node2) = (node1(), node2())
        for source in ["10.128.3.1", "::ffff:10.128.1.2", "2002:a80:102::1", "fd00:1:0:1::1"] {
            var packet = TestPacket(source: IPAddress(source)!, payload: [1])
            if !packet.isIPv4 { packet.destination = TestPacket.v6Destination }
            let datagram = node1.send(packet.bytes, at: now).datagrams[0]
            #expect(node2.receive(datagram, from: from1, at: now).packets.isEmpty, "\(source)")
        }
        #expect(node2.inboundDrops[.sourceNotAllowed] == 4)
    }

    @Test func `before the certificate is verified only control frames pass`() {
        let node1 = node1()
        let node2 = TestNode(session.tables2(sources: []), now: now)
        let datagram = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
        #expect(node2.receive(datagram, from: from1, at: now).packets.isEmpty)
        #expect(node2.inboundDrops[.sourceNotAllowed] == 1)

        let frame: [UInt8] = [0x01, 9, 9] + Array(repeating: 0, count: 13)
        let message = PlainPath.seal(frame, with: session.keypair1, mtu: 1408)!
        let origin = Origin(.direct(from1), localAddress: IPAddress("192.0.2.2"))
        let upcalls = node2.receive(message, from: from1, localAddress: IPAddress("192.0.2.2"), at: now).upcalls
        #expect(upcalls.contains(.control(frame: frame, peer: 7, origin: origin, arrived: 1)))
    }

    @Test func `a keepalive counts as received but not as data`() {
        let node2 = node2()
        let keepalive = PlainPath.seal([], with: session.keypair1, mtu: 1408)!
        #expect(keepalive.count == 32)
        let received = node2.receive(keepalive, from: from1, at: now)
        #expect(received.frameCount == 0)
        #expect(received.upcalls == [.confirmed(peer: 7, receiver: 0x2222_0005)])
        #expect(session.activity2.lastReceived == now)
        #expect(session.activity2.lastDataReceived == nil)
        #expect(node2.receive(keepalive, from: from1, at: now).upcalls.isEmpty)
        #expect(node2.inboundDrops[.replayed] == 1)
    }

    @Test func `an authentic message from elsewhere reports that the peer has moved, each place not too often`() {
        let (node1, node2) = (node1(), node2())
        func moved(to endpoint: Endpoint, at now: Instant) -> [Upcall] {
            let datagram = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
            return node2.receive(datagram, from: endpoint, at: now).upcalls.filter {
                if case .moved = $0 { true } else { false }
            }
        }
        let places = [Endpoint("203.0.113.5:9")!, Endpoint("203.0.113.5:10")!]
        let expected = places.map { Upcall.moved(peer: 7, to: Origin(.direct($0))) }
        #expect(moved(to: places[0], at: now) == [expected[0]])
        #expect(moved(to: places[1], at: now + .milliseconds(1)) == [expected[1]])
        #expect(moved(to: places[0], at: now + .milliseconds(2)).isEmpty)
        #expect(moved(to: places[1], at: now + .milliseconds(49)).isEmpty)
        #expect(moved(to: places[0], at: now + .milliseconds(50)) == [expected[0]])
        #expect(moved(to: from1, at: now + .milliseconds(51)).isEmpty)
    }

    @Test func `second copies of a peer in doubt are replays and report nothing`() {
        let (node1, node2) = (node1(), node2())
        for _ in 0..<20 {
            let datagram = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
            _ = node2.receive(datagram, from: from1, at: now)
            #expect(node2.receive(datagram, from: Endpoint("203.0.113.5:9")!, at: now).upcalls.isEmpty)
        }
    }

    @Test func `a session is used until it expires, and renewal is asked for once`() {
        let (node1, node2) = (node1(), node2())
        let packet = TestPacket(payload: [1]).bytes
        _ = node1.send(packet, at: now)
        let renewal = TestSession.start + .seconds(120)
        #expect(node1.send(packet, at: renewal).upcalls == [.rekeyWanted(peer: 0)])
        #expect(node1.send(packet, at: renewal).upcalls.isEmpty)
        let late = node1.send(packet, at: renewal).datagrams[0]
        let end = TestSession.start + .seconds(180)
        #expect(node1.send(packet, at: end).upcalls == [.unsealed(packet: packet, peer: 0)])
        #expect(node2.receive(late, from: from1, at: end).packets.isEmpty)
        #expect(node2.inboundDrops[.expiredSession] == 1)
    }

    @Test func `packets without a session are handed up whole, and not without end`() {
        let node1 = TestNode(session.tables1(hasSession: false), now: now)
        let packet = TestPacket(payload: Array(repeating: 1, count: 3000))
        let sent = node1.send([packet.superPacket(segmentSize: 1000)], at: now)
        #expect(sent.trains.isEmpty)
        #expect(sent.upcalls == packet.segments(ofSize: 1000).map { .unsealed(packet: $0, peer: 0) })
        let many = node1.send(Array(repeating: packet.superPacket(segmentSize: 1000), count: 100), at: now)
        #expect(many.upcalls.count == 128)
        #expect(node1.outboundDrops[.upcallLimit] == 300 - 128)
    }

    @Test func `what has no route is dropped`() {
        let node1 = node1()
        let sent = node1.send(TestPacket(destination: IPAddress("10.128.9.9")!).bytes, at: now)
        #expect(sent.trains.isEmpty)
        #expect(node1.outboundDrops[.noRoute] == 1)
    }

    @Test func `trains stay within what one call may hold`() {
        let small = Array(repeating: (header: VirtioHeader.plain, bytes: TestPacket(payload: [1]).bytes), count: 100)
        #expect(node1().send(small, at: now).trains.map(\.datagrams.count) == [64, 36])
        let large = TestPacket(payload: Array(repeating: 1, count: 65_000)).superPacket(segmentSize: 1368)
        let trains = node1().send([large], at: now).trains
        #expect(trains.map(\.datagrams.count) == [45, 3])
        #expect(trains.allSatisfy { $0.bytes.count <= 65_507 })
    }

    @Test func `packets of two peers in one batch go to each`() {
        let other = TestSession(seed: 9)
        let endpoints = [TestSession.endpoint2, TestSession.relay]
        let peers = [session.keypair1, other.keypair1].enumerated().map { index, keypair in
            PeerEntry(
                index: index, keypair: keypair, destination: Destination(endpoints[index]), path: nil, sources: .none,
                activity: Activity(), innerMTU: 1408)
        }
        let routes = RouteTable([(IPPrefix("10.128.2.0/24")!, 0), (IPPrefix("10.128.3.0/24")!, 1)])
        let node = TestNode(Tables(generation: 1, peers: peers, routes: routes), now: now)
        let packets = ["10.128.2.1", "10.128.2.1", "10.128.3.1", "10.128.2.1"].map {
            (header: VirtioHeader.plain, bytes: TestPacket(destination: IPAddress($0)!, payload: [1]).bytes)
        }
        let trains = node.send(packets, at: now).trains
        #expect(trains.map(\.destination.endpoint) == [endpoints[0], endpoints[1], endpoints[0]])
        #expect(trains.map(\.datagrams.count) == [2, 1, 1])
    }

    @Test func `a session counts under its whole index, and no longer than it is published`() {
        let (node1, node2) = (node1(), node2())
        let datagrams = (0..<3).map { _ in node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0] }
        var otherIndex = datagrams[0]
        otherIndex[7] ^= 1  // the same slot
        #expect(node2.receive(otherIndex, from: from1, at: now).packets.isEmpty)
        #expect(node2.inboundDrops[.unknownReceiver] == 1)
        #expect(node2.receive(datagrams[1], from: from1, at: now).packets.count == 1)
        node2.inbound.tables = .empty
        #expect(node2.receive(datagrams[2], from: from1, at: now).packets.isEmpty)
        #expect(node2.inboundDrops[.unknownReceiver] == 2)
    }

    @Test func `garbage from either side never stops an engine`() {
        let (node1, node2) = (node1(), node2())
        var random = SeededRandom(seed: 11)
        let packet = TestPacket(payload: Array(repeating: 1, count: 3000))
        let train = node1.send([packet.superPacket(segmentSize: 1368)], at: now).trains[0]
        for length in 0..<train.bytes.count {
            _ = node2.receive(Array(train.bytes.prefix(length)), segmentSize: 1440, from: from1, at: now)
        }
        for _ in 0..<2000 {
            var bytes = train.bytes
            for _ in 0..<3 { bytes[Int.random(in: 0..<24, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            let size = Int.random(in: 1...3000, using: &random)
            _ = node2.receive(Array(bytes.prefix(2000)), segmentSize: size, from: from1, at: now)
            _ = node1.send([(.plain, Array(bytes.prefix(size)))], at: now)
        }
        // Both still work.
        let datagram = node1.send(TestPacket(payload: [1]).bytes, at: now).datagrams[0]
        #expect(node2.receive(datagram, from: from1, at: now).packets == [TestPacket(payload: [1]).bytes])
    }
}
