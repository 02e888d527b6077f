import Crypto
package import Noise
import Relay
package import SansIO
import Traversal
package import Wire

/// The packet path one packet at a time, in arrays: what the engines do, without batches, cutting or merging.
///
/// The simulator's nodes use it, and the engines are tested against it.
package struct PlainPath {
    package var tables = Tables.empty
    package let drops = DropCounters()
    /// Until when messages of a peer, by its index, have been held.
    private var held: [Int: Instant] = [:]

    /// What became of one packet.
    package struct Outcome: Equatable, Sendable {
        package var datagrams: [Datagram] = []
        /// An IP packet for the TUN.
        package var packet: [UInt8]?
        package var upcalls: [Upcall] = []
    }

    package struct Datagram: Equatable, Sendable {
        package var bytes: [UInt8]
        package var destination: Destination
        /// When it must leave, not before; `nil`: at once.
        package var sendAt: Instant?

        init(_ message: [UInt8], to destination: Destination, at time: Instant? = nil) {
            bytes = (destination.circuit.map(RelayFrame.header) ?? []) + message
            self.destination = destination
            sendAt = time
        }
    }

    package init() {}

    // MARK: one message

    /// The transport message for `plaintext`, which is padded up to `mtu`; `nil` when the session has no more counters.
    package static func seal(_ plaintext: [UInt8], with keypair: Keypair, mtu: Int) -> [UInt8]? {
        guard let counter = keypair.takeCounter() else { return nil }
        let padded = TransportMessage.paddedLength(plaintext.count, mtu: mtu)
        let header = PacketBuffer.array(count: TransportMessage.headerSize) {
            TransportMessage.writeHeader(to: $0, receiver: keypair.remoteIndex, counter: counter)
        }
        let body = plaintext + Array(repeating: 0, count: padded - plaintext.count)
        return header + keypair.sealer.seal(body, counter: counter)
    }

    /// The plaintext of a transport message on `keypair`; a replay, a forgery and an expired session are refused.
    package static func open(
        _ message: [UInt8], with keypair: Keypair, at now: Instant
    ) throws(Refusal) -> [UInt8] {
        guard message.count >= TransportMessage.overhead else { throw Refusal(reason: .malformedMessage) }
        guard keypair.isUsable(at: now) else { throw Refusal(reason: .expiredSession) }
        let counter = PacketBuffer.reading(message, TransportMessage.counter)
        guard keypair.replay.accepts(counter) else { throw Refusal(reason: .replayed) }
        let body = Array(message[TransportMessage.headerSize...])
        guard let plaintext = keypair.opener.open(body, counter: counter) else {
            throw Refusal(reason: .notAuthentic)
        }
        keypair.replay.mark(counter)
        return plaintext
    }

    package struct Refusal: Error, Equatable {
        package let reason: DropReason
    }

    // MARK: with tables

    /// Sends one IP packet from the TUN.
    package mutating func send(_ packet: [UInt8], at now: Instant) -> Outcome {
        guard let inner = PacketBuffer.reading(packet, InnerPacket.init) else { return drop(.malformedPacket) }
        guard let index = tables.routes.lookup(inner.destination), let peer = tables.peer(index) else {
            return drop(.noRoute)
        }
        let plaintext = Array(packet.prefix(inner.length))
        if inner.length > peer.innerMTU, PacketBuffer.reading(plaintext, TooBig.mustAnswer) {
            drops.add(.tooBig)
            return Outcome(packet: PacketBuffer.reading(plaintext) { TooBig.reply(to: $0, mtu: peer.innerMTU) })
        }
        guard let keypair = peer.keypair, keypair.isUsable(at: now), let destination = peer.destination,
            let message = Self.seal(plaintext, with: keypair, mtu: peer.innerMTU)
        else { return Outcome(upcalls: [.unsealed(packet: plaintext, peer: index)]) }

        let sendAt = holdUntil(peer, at: now)
        var outcome = Outcome(
            datagrams: [destination, peer.duplicate].compactMap { $0 }.map { Datagram(message, to: $0, at: sendAt) })
        let count = outcome.datagrams[0].bytes.count
        if peer.activity.noteSent(at: now, bytes: count, isData: true) {
            outcome.upcalls.append(.active(peer: index))
        }
        let counter = PacketBuffer.reading(message, TransportMessage.counter)
        if keypair.wantsRekeyAfterSending(counter, at: now) { outcome.upcalls.append(.rekeyWanted(peer: index)) }
        return outcome
    }

    /// Until when messages of `peer` must wait, if at all: none overtakes those held before it, not even one sent when they leave.
    private mutating func holdUntil(_ peer: PeerEntry, at now: Instant) -> Instant? {
        let due = max(peer.holdUntil ?? .zero, held[peer.index] ?? .zero)
        held[peer.index] = due >= now ? due : nil
        return held[peer.index]
    }

    /// Receives one datagram from the network.
    package mutating func receive(
        _ datagram: [UInt8], from source: Endpoint, localAddress: IPAddress? = nil, at now: Instant
    ) -> Outcome {
        let direct = Origin(.direct(source), localAddress: localAddress)
        guard PacketBuffer.reading(datagram, RelayHeader.isData) else {
            return receiveMessage(datagram, direct, at: now)
        }
        let message = Array(datagram[RelayFrame.headerSize...])
        guard message.count > TransportMessage.headerSize, (1...4).contains(message[0]) else {
            return drop(.malformedMessage)
        }
        let id = PacketBuffer.reading(datagram, RelayHeader.circuit)
        guard let circuit = tables.circuit(id) else { return drop(.unknownCircuit) }
        guard circuit.accepts(from: source) else { return drop(.wrongCircuitSource) }
        switch circuit.role {
        case .relay(let destination, let meter):
            guard meter.admits(datagram.count, at: now) else { return drop(.relayLimit) }
            meter.noteRelayed(packets: 1, bytes: datagram.count)
            var next = destination
            next.circuit = destination.circuit ?? 0
            return Outcome(datagrams: [Datagram(message, to: next)])
        case .end:
            return receiveMessage(message, Origin(.relayed(circuit: id)), at: now)
        }
    }

    private mutating func receiveMessage(_ message: [UInt8], _ origin: Origin, at now: Instant) -> Outcome {
        guard PacketBuffer.reading(message, TransportMessage.isTransport) else {
            return handUp(message, origin)
        }
        guard message.count >= TransportMessage.overhead else { return drop(.malformedMessage) }
        guard let session = tables.session(receiver: PacketBuffer.reading(message, TransportMessage.receiver)) else {
            return drop(.unknownReceiver)
        }
        do throws(Refusal) {
            let plaintext = try Self.open(message, with: session.keypair, at: now)
            var outcome = deliver(plaintext, from: session.peer, origin)
            note(message.count, of: plaintext, session, origin, &outcome, at: now)
            return outcome
        } catch {
            return drop(error.reason)
        }
    }

    private func handUp(_ message: [UInt8], _ origin: Origin) -> Outcome {
        guard let kind = PacketBuffer.reading(message, DatagramKind.init) else { return drop(.unknownKind) }
        let isKnown = tables.isKnown(origin.path)
        guard let judged = isKnown ? kind : tables.judged(kind, message, along: origin.path) else {
            return drop(.wrongMAC)
        }
        return Outcome(upcalls: [.datagram(message, origin: origin, from: judged.sender(isKnown: isKnown))])
    }

    private func deliver(_ plaintext: [UInt8], from peer: PeerEntry, _ origin: Origin) -> Outcome {
        guard let first = plaintext.first else { return Outcome() }
        if first >> 4 == 0 {
            let arrived = UInt32(truncatingIfNeeded: peer.activity.innerReceived)
            return Outcome(
                upcalls: [.control(frame: plaintext, peer: peer.index, origin: origin, arrived: arrived)])
        }
        guard let inner = PacketBuffer.reading(plaintext, InnerPacket.init) else { return drop(.malformedInnerPacket) }
        guard peer.sources.contains(inner.source) else { return drop(.sourceNotAllowed) }
        return Outcome(packet: Array(plaintext.prefix(inner.length)))
    }

    private func note(
        _ count: Int, of plaintext: [UInt8], _ session: Tables.Session, _ origin: Origin, _ outcome: inout Outcome,
        at now: Instant
    ) {
        let peer = session.peer
        let isControl = plaintext.first.map { $0 >> 4 == 0 } ?? true
        if peer.activity.noteReceived(
            at: now, inner: isControl ? 0 : 1, bytes: count, isData: !plaintext.isEmpty, isControl: isControl)
        {
            outcome.upcalls.append(.active(peer: peer.index))
        }
        if session.keypair.confirmsSession() {
            outcome.upcalls.append(.confirmed(peer: peer.index, receiver: session.keypair.localIndex))
        }
        if session.keypair.wantsRekeyAfterReceiving(at: now) {
            outcome.upcalls.append(.rekeyWanted(peer: peer.index))
        }
        if origin.path != peer.path { outcome.upcalls.append(.moved(peer: peer.index, to: origin)) }
    }

    private func drop(_ reason: DropReason) -> Outcome {
        drops.add(reason)
        return Outcome()
    }
}
