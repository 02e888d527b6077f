import Crypto
import Datapath
import Noise
import Relay
import SansIO
import Traversal
import Wire

/// One node's packet path with everything that came out of it.
final class TestNode {
    var outbound: OutboundEngine
    var inbound: InboundEngine
    let outboundDrops = DropCounters()
    let inboundDrops = DropCounters()
    private let buffer = PacketBuffer(count: 70_000)

    init(_ tables: Tables, now: Instant) {
        outbound = OutboundEngine(drops: outboundDrops, now: now)
        inbound = InboundEngine(drops: inboundDrops, mergesUDP: true, now: now)
        outbound.tables = tables
        inbound.tables = tables
    }

    struct Sent {
        var trains: [Train] = []
        var replies: [[UInt8]] = []
        var upcalls: [Upcall] = []

        var datagrams: [[UInt8]] { trains.flatMap(\.datagrams) }
    }

    struct Received {
        /// IP packets, cut again as the kernel would.
        var packets: [[UInt8]] = []
        var frameCount = 0
        var trains: [Train] = []
        var upcalls: [Upcall] = []
    }

    /// Datagrams that leave with one call.
    struct Train: Equatable {
        var bytes: [UInt8]
        var segmentSize: Int
        var destination: Destination

        var datagrams: [[UInt8]] {
            stride(from: 0, to: bytes.count, by: segmentSize).map {
                Array(bytes[$0..<min($0 + segmentSize, bytes.count)])
            }
        }

        init(_ group: OutgoingGroup) {
            bytes = group.bytes.array
            segmentSize = group.segmentSize
            destination = group.destination
        }
    }

    /// Sends what the TUN hands over, one read after the other, in one batch.
    func send(_ frames: [(header: VirtioHeader, bytes: [UInt8])], at now: Instant) -> Sent {
        for frame in frames {
            frame.header.write(to: buffer.bytes)
            buffer.bytes.copy(frame.bytes, at: VirtioHeader.size)
            outbound.send(buffer.bytes, count: VirtioHeader.size + frame.bytes.count, at: now)
        }
        outbound.finish()
        defer { outbound.removeAll() }
        return Sent(trains: outbound.groups.map(Train.init), replies: outbound.replies, upcalls: outbound.upcalls)
    }

    func send(_ packet: [UInt8], at now: Instant) -> Sent { send([(.plain, packet)], at: now) }

    /// Receives a train of datagrams, or with `segmentSize` 0 one datagram.
    func receive(
        _ bytes: [UInt8], segmentSize: Int = 0, from source: Endpoint, localAddress: IPAddress? = nil, at now: Instant
    ) -> Received {
        buffer.bytes.copy(bytes)
        inbound.receive(
            buffer.bytes.prefix(bytes.count), segmentSize: segmentSize, from: source, localAddress: localAddress,
            at: now)
        inbound.finish()
        defer { inbound.removeAll() }
        var received = Received(frameCount: inbound.frameCount, upcalls: inbound.upcalls)
        received.trains = inbound.groups.map(Train.init)
        for index in 0..<inbound.frameCount { received.packets += Self.cut(inbound.frame(index).array) }
        return received
    }

    func receive(_ train: Train, from source: Endpoint, at now: Instant) -> Received {
        receive(train.bytes, segmentSize: train.segmentSize, from: source, at: now)
    }

    private static func cut(_ frame: [UInt8]) -> [[UInt8]] {
        let scratch = PacketBuffer(count: 128)
        return PacketBuffer.reading(frame) { frame in
            guard let header = VirtioHeader(parsing: frame),
                var segmenter = Segmenter(frame.from(VirtioHeader.size), header, scratch: scratch.bytes)
            else { return [] }
            var packets: [[UInt8]] = []
            while let packet = segmenter.next() { packets.append(packet.array) }
            return withExtendedLifetime(scratch) { packets }
        }
    }
}

/// Two nodes with a session between them, made anew for each test: node 1 is 10.128.1.0/24, node 2 is 10.128.2.0/24.
struct TestSession {
    static let start = Instant.zero + .seconds(1000)
    static let endpoint1 = Endpoint("192.0.2.1:20007")!
    static let endpoint2 = Endpoint("192.0.2.2:20007")!
    static let relay = Endpoint("192.0.2.9:20007")!
    /// Identifiers of the circuit's legs: low 16 bits are the slot.
    static let relayID: UInt64 = 0xaaaa_0000_0000_0001
    static let endID: UInt64 = 0xbbbb_0000_0000_0002

    let keypair1: Keypair
    let keypair2: Keypair
    let activity1 = Activity()
    let activity2 = Activity()

    init(seed: UInt8 = 1) {
        let key1 = Secret(Array(repeating: seed, count: 32))
        let key2 = Secret(Array(repeating: seed &+ 1, count: 32))
        keypair1 = Keypair(
            localIndex: 0x1111_0003, remoteIndex: 0x2222_0005, isInitiator: true, createdAt: Self.start, sendKey: key1,
            receiveKey: key2)
        keypair2 = Keypair(
            localIndex: 0x2222_0005, remoteIndex: 0x1111_0003, isInitiator: false, createdAt: Self.start, sendKey: key2,
            receiveKey: key1)
    }

    /// Tables of node 1, whose peer 0 is node 2. `circuit`: the path leads through the relay.
    func tables1(mtu: Int = 1408, circuit: UInt64? = nil, hasSession: Bool = true) -> Tables {
        tables1(
            to: Destination(circuit == nil ? Self.endpoint2 : Self.relay, circuit: circuit), mtu: mtu,
            hasSession: hasSession)
    }

    func tables1(
        to destination: Destination, duplicate: Destination? = nil, holdUntil: Instant? = nil,
        movedAt: Instant? = nil, mtu: Int = 1408,
        hasSession: Bool = true
    ) -> Tables {
        let peer = PeerEntry(
            index: 0, keypair: hasSession ? keypair1 : nil, destination: destination, path: .direct(Self.endpoint2),
            sources: SourceSet([IPPrefix("10.128.2.0/24")!, IPPrefix("fd00:2::/64")!]), activity: activity1,
            innerMTU: mtu, duplicate: duplicate, holdUntil: holdUntil, movedAt: movedAt)
        return Tables(
            generation: 1, peers: [peer], sessions: [Tables.Session(keypair1, peer: peer)],
            routes: RouteTable([(IPPrefix("10.128.2.0/24")!, 0), (IPPrefix("fd00:2::/64")!, 0)]))
    }

    /// Tables of node 2, whose peer 7 is node 1; it is the end of a circuit too.
    func tables2(sources: [String] = ["10.128.1.0/24", "fd00:1::/64"], handshakeMACs: HandshakeMACs? = nil) -> Tables {
        let peer = PeerEntry(
            index: 7, keypair: keypair2, destination: Destination(Self.endpoint1), path: .direct(Self.endpoint1),
            sources: SourceSet(sources.map { IPPrefix($0)! }), activity: activity2, innerMTU: 1408)
        return Tables(
            generation: 1, peers: [peer], sessions: [Tables.Session(keypair2, peer: peer)],
            circuits: [CircuitEntry(id: Self.endID, source: Self.relay, role: .end)],
            routes: RouteTable([(IPPrefix("10.128.1.0/24")!, 7), (IPPrefix("fd00:1::/64")!, 7)]),
            handshakeMACs: handshakeMACs)
    }

    /// Tables of the relay: frames of node 1 on `relayID` go to node 2 as `endID`.
    var relayTables: Tables { relayTables(RelayMeter()) }

    func relayTables(_ meter: RelayMeter) -> Tables {
        Tables(
            generation: 1,
            circuits: [
                CircuitEntry(
                    id: Self.relayID, source: Self.endpoint1,
                    role: .relay(to: Destination(Self.endpoint2, circuit: Self.endID), meter: meter))
            ])
    }
}
