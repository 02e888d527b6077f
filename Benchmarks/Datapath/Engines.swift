import Crypto
import Datapath
import Noise
import Relay
import SansIO
import Traversal
import Wire

/// Segmenting and sealing, opening and joining, and relaying UDP super-packets of 40 packets.
func measureEngines(payloadSize: Int) {
    Tunnel(payloadSize: payloadSize).measure()
}

/// Two engines and a session that is renewed for each round, so that every message is new.
private final class Tunnel {
    private static let packetsPerTrain = 40
    private static let trains = 100
    private static let now = Instant.zero + .seconds(1)
    private static let sender = Endpoint("192.0.2.1:20007")!
    private static let receiver = Endpoint("192.0.2.2:20007")!

    private let payloadSize: Int
    private let superPacket: [UInt8]
    private let frame = PacketBuffer(count: 1 << 16)
    private let train = PacketBuffer(count: 1 << 16)
    private var outbound = OutboundEngine(drops: DropCounters(), now: now)
    private var inbound = InboundEngine(drops: DropCounters(), mergesUDP: true, now: now)
    private var relay = InboundEngine(drops: DropCounters(), mergesUDP: true, now: now)
    private var sealed: [(bytes: [UInt8], segmentSize: Int)] = []

    init(payloadSize: Int) {
        self.payloadSize = payloadSize
        superPacket = Self.superPacket(payloadSize: payloadSize)
        relay.tables = Tables(
            generation: 1,
            circuits: [
                CircuitEntry(
                    id: 1, source: Self.sender,
                    role: .relay(to: Destination(Self.receiver, circuit: 2), meter: RelayMeter()))
            ])
        startSession()
        sealAll { _ in }
    }

    private var packets: Int { Self.packetsPerTrain * Self.trains }
    private var packetSize: Int { payloadSize + 28 }

    func measure() {
        let size = "\(packetSize) B"
        Measurement("segment and seal, \(size)", units: packets, prepare: startSession) {
            sealAll { _ in }
        }.report(bytes: packetSize)
        Measurement("open and join, \(size)", units: packets, prepare: prepareTrains) {
            openAll()
        }.report(bytes: packetSize)
        Measurement("relay, \(size)", units: packets) {
            relayAll()
        }.report(bytes: packetSize)
        precondition(inbound.drops[.notAuthentic] + inbound.drops[.replayed] + inbound.drops[.sourceNotAllowed] == 0)
    }

    // MARK: rounds

    private func sealAll(_ body: (OutgoingGroup) -> Void) {
        for _ in 0..<Self.trains {
            frame.bytes.copy(superPacket)
            outbound.send(frame.bytes, count: superPacket.count, at: Self.now)
            outbound.finish()
            for group in outbound.groups { body(group) }
            outbound.removeAll()
        }
    }

    private func openAll() {
        for message in sealed {
            train.bytes.copy(message.bytes)
            inbound.receive(
                train.bytes.prefix(message.bytes.count), segmentSize: message.segmentSize, from: Self.sender,
                localAddress: nil, at: Self.now)
            inbound.finish()
            inbound.removeAll()
        }
    }

    private func relayAll() {
        let header = RelayFrame.header(circuit: 1)
        let message: [UInt8] = [4, 0, 0, 0] + Array(repeating: 0, count: packetSize + 28)
        let bytes = (0..<Self.packetsPerTrain).flatMap { _ in header + message }
        for _ in 0..<Self.trains {
            train.bytes.copy(bytes)
            relay.receive(
                train.bytes.prefix(bytes.count), segmentSize: header.count + message.count, from: Self.sender,
                localAddress: nil, at: Self.now)
            relay.finish()
            relay.removeAll()
        }
    }

    // MARK: preparation

    private func prepareTrains() {
        startSession()
        sealed = []
        sealAll { sealed.append(($0.bytes.array, $0.segmentSize)) }
    }

    private func startSession() {
        let keys = [UInt8(1), 2].map { Secret(Array(repeating: $0, count: 32)) }
        let sending = Keypair(
            localIndex: 1, remoteIndex: 2, isInitiator: true, createdAt: Self.now, sendKey: keys[0], receiveKey: keys[1]
        )
        let receiving = Keypair(
            localIndex: 2, remoteIndex: 1, isInitiator: false, createdAt: Self.now, sendKey: keys[1],
            receiveKey: keys[0])
        outbound.tables = Self.tables(sending, to: Self.receiver, sources: "10.128.2.0/24")
        inbound.tables = Self.tables(receiving, to: Self.sender, sources: "10.128.1.0/24")
    }

    private static func tables(_ keypair: Keypair, to endpoint: Endpoint, sources: String) -> Tables {
        let prefix = IPPrefix(sources)!
        let peer = PeerEntry(
            index: 0, keypair: keypair, destination: Destination(endpoint), path: .direct(endpoint),
            sources: SourceSet([prefix]), activity: Activity(), innerMTU: 1408)
        return Tables(
            generation: 1, peers: [peer], sessions: [Tables.Session(keypair, peer: peer)],
            routes: RouteTable([(prefix, 0)]))
    }

    /// A virtio header and a UDP super-packet from 10.128.1.1 to 10.128.2.1.
    private static func superPacket(payloadSize: Int) -> [UInt8] {
        let payload = packetsPerTrain * payloadSize
        let header = VirtioHeader(
            segmentation: .udp, needsChecksum: true, segmentSize: UInt16(payloadSize), checksumStart: 20,
            checksumOffset: 6)
        return PacketBuffer.array(count: VirtioHeader.size + 28 + payload) { frame in
            header.write(to: frame)
            let packet = frame.from(VirtioHeader.size)
            packet[0] = 0x45
            packet.set(UInt16(28 + payload), at: 2)
            packet[6] = 0x40
            packet[8] = 64
            packet[9] = 17
            packet.set(UInt32(0x0a80_0101), at: 12)
            packet.set(UInt32(0x0a80_0201), at: 16)
            packet.set(UInt16(4000), at: 20)
            packet.set(UInt16(5201), at: 22)
            packet.set(UInt16(8 + payload), at: 24)
        }
    }
}
