package import SansIO
import Wire

/// Application traffic from one host to another, and what became of each of its packets.
package final class Flow {
    package enum Kind: UInt8, Sendable {
        /// Packets one way; what counts is when they arrive.
        case oneWay
        /// Each packet is answered; what counts is when the answer arrives.
        case requests
    }

    /// One packet or, of `requests`, one request.
    package struct Probe: Equatable, Sendable {
        package let sentAt: Instant
        package internal(set) var deliveredAt: Instant?
        package internal(set) var copies = 0
    }

    package let number: Int
    package let kind: Kind
    /// Places of the two hosts in `Simulation.hosts`.
    package let sender: Int
    package let receiver: Int
    package let interval: Duration
    package let payloadBytes: Int
    package let startedAt: Instant
    package internal(set) var endsAt: Instant
    package private(set) var probes: [Probe] = []
    /// Packets that came after one that was sent later.
    package private(set) var overtaken = 0
    private var latestSequence = -1

    init(
        number: Int, kind: Kind, from sender: Int, to receiver: Int, every interval: Duration, payloadBytes: Int,
        at now: Instant, until endsAt: Instant
    ) {
        self.number = number
        self.kind = kind
        self.sender = sender
        self.receiver = receiver
        self.interval = interval
        self.payloadBytes = payloadBytes
        startedAt = now
        self.endsAt = endsAt
    }

    // MARK: figures

    package var sent: Int { probes.count }
    package var delivered: Int { probes.count { $0.deliveredAt != nil } }
    package var duplicates: Int { probes.reduce(0) { $0 + max(0, $1.copies - 1) } }
    package var lastDelivery: Instant? { deliveries.max() }
    package var firstDelivery: Instant? { deliveries.min() }

    /// Packets sent in a span of time that have not arrived.
    package func lost(in span: ClosedRange<Instant>) -> Int {
        probes.count { span.contains($0.sentAt) && $0.deliveredAt == nil }
    }

    /// From sending to delivery (of the answer), the shortest first.
    package var delays: [Duration] {
        probes.compactMap { probe in probe.deliveredAt.map { $0 - probe.sentAt } }.sorted()
    }

    /// The longest time within `span` in which nothing arrived, its ends included.
    package func longestGap(in span: ClosedRange<Instant>) -> Duration {
        var last = span.lowerBound
        var longest = Duration.zero
        for delivery in deliveries.filter(span.contains).sorted() {
            longest = max(longest, delivery - last)
            last = delivery
        }
        return max(longest, span.upperBound - last)
    }

    private var deliveries: [Instant] { probes.compactMap(\.deliveredAt) }

    // MARK: traffic

    func takeSequence(at now: Instant) -> UInt32 {
        probes.append(Probe(sentAt: now))
        return UInt32(probes.count - 1)
    }

    /// A packet, or the answer to one, reached its end.
    func deliver(_ sequence: UInt32, at now: Instant) {
        let index = Int(sequence)
        guard probes.indices.contains(index) else { return }
        probes[index].copies += 1
        guard probes[index].deliveredAt == nil else { return }
        probes[index].deliveredAt = now
        if index < latestSequence { overtaken += 1 }
        latestSequence = max(latestSequence, index)
    }
}

/// A packet of a flow as it passes through the TUN: IPv4, protocol 253 (for experiments, RFC 3692), then "flow", the flow's
/// number (4), the sequence number (4), whether it is an answer (1), and zeros.
struct FlowPacket: Equatable {
    private static let headerSize = 20
    private static let smallestPayload = 13
    private static let protocolNumber: UInt8 = 253
    private static let magic = Array("flow".utf8)

    var flow: UInt32
    var sequence: UInt32
    var isAnswer: Bool

    func encoded(from source: IPAddress, to target: IPAddress, payloadBytes: Int) -> [UInt8] {
        let payload = max(payloadBytes, Self.smallestPayload)
        var writer = ByteWriter(capacity: Self.headerSize + payload)
        writer.append([0x45, 0] as [UInt8])
        writer.append(bigEndian: UInt16(Self.headerSize + payload))
        writer.append([0, 0, 0x40, 0, 64, Self.protocolNumber, 0, 0] as [UInt8])
        writer.append(source.bytes)
        writer.append(target.bytes)
        writer.append(Self.magic)
        writer.append(bigEndian: flow)
        writer.append(bigEndian: sequence)
        writer.append(isAnswer ? 1 : 0 as UInt8)
        writer.append([UInt8](repeating: 0, count: payload - Self.smallestPayload))
        return writer.bytes
    }

    /// `nil` for a packet of anybody else.
    init?(parsing packet: [UInt8]) {
        guard packet.count >= Self.headerSize + Self.smallestPayload, packet[0] == 0x45,
            packet[9] == Self.protocolNumber, packet[20..<24].elementsEqual(Self.magic)
        else { return nil }
        flow = packet[24..<28].reduce(0) { $0 << 8 | UInt32($1) }
        sequence = packet[28..<32].reduce(0) { $0 << 8 | UInt32($1) }
        isAnswer = packet[32] == 1
    }

    init(flow: UInt32, sequence: UInt32, isAnswer: Bool) {
        self.flow = flow
        self.sequence = sequence
        self.isAnswer = isAnswer
    }
}
