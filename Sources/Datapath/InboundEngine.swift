import Crypto
import Noise
import Relay
package import SansIO
import Traversal
package import Wire

/// From the network to the TUN: opens, checks and joins packets, and forwards what others relay through this node. No
/// I/O: the caller receives, sends and writes.
///
///     receive(...) once or more  ──▶  frames, groups, upcalls  ──▶  removeAll()
///
/// `groups` point into the buffers given to `receive`, so they must be sent before those are used again.
package struct InboundEngine: ~Copyable {
    private static let upcallLimit = 512

    /// What arrived on one session since the last note.
    private struct Arrivals {
        var packets = 0
        var bytes = 0
        var hasData = false
        /// Those that held a packet of a container, and whether any of these may pass.
        var inner = 0
        var hasPackets = false
    }

    package var tables = Tables.empty {
        didSet { session = nil }
    }
    package let drops: DropCounters
    /// Upcalls since `removeAll`.
    package private(set) var upcalls: [Upcall] = []

    private var coalescer: Coalescer
    private let emptyPacket = PacketBuffer(count: TransportMessage.tagSize)
    private var relayed = RelayedFrames()
    private var budget: UpcallBudget
    /// The session of the last message, kept for the rest of its train.
    private var session: Tables.Session?
    private var arrivals = Arrivals()
    private var origin = Origin(.relayed(circuit: 0))
    private var appearances = Appearances()

    /// `mergesUDP` where the TUN takes UDP super-packets.
    package init(drops: DropCounters, mergesUDP: Bool, now: Instant) {
        self.drops = drops
        coalescer = Coalescer(mergesUDP: mergesUDP)
        budget = UpcallBudget(now: now)
    }

    /// Datagrams to forward since `removeAll`.
    package var groups: [OutgoingGroup] { relayed.list }

    /// Messages that this node has relayed.
    package var relayedCount: UInt64 { relayed.count }

    /// Packets for the TUN, complete with virtio headers.
    package var frameCount: Int { coalescer.frameCount }

    package func frame(_ index: Int) -> PacketBytes { coalescer.frame(index) }

    /// Whether everything must be taken and removed before more is received.
    package var isFull: Bool { coalescer.isFull || upcalls.count >= Self.upcallLimit / 2 }

    /// Takes one datagram, or with `segmentSize` > 0 a train of datagrams of that size that the kernel joined.
    ///
    /// The bytes are written to. Precondition: not `isFull`.
    package mutating func receive(
        _ bytes: PacketBytes, segmentSize: Int, from source: Endpoint, localAddress: IPAddress?, at now: Instant
    ) {
        let size = segmentSize > 0 ? segmentSize : bytes.count
        let direct = Origin(.direct(source), localAddress: localAddress)
        var offset = 0
        while offset < bytes.count {
            let count = min(size, bytes.count &- offset)
            receiveDatagram(bytes, offset, count, from: source, direct, at: now)
            offset &+= count
        }
        noteArrivals(at: now)
        relayed.endRun()
    }

    /// Completes the last frame. To be called when nothing more is there to receive.
    package mutating func finish() { coalescer.finish() }

    /// Forgets what was taken, after `finish()`.
    package mutating func removeAll() {
        coalescer.removeAll()
        relayed.removeAll()
        if !upcalls.isEmpty { upcalls.removeAll(keepingCapacity: true) }
    }

    // MARK: one datagram

    private mutating func receiveDatagram(
        _ train: PacketBytes, _ offset: Int, _ count: Int, from source: Endpoint, _ direct: Origin, at now: Instant
    ) {
        let datagram = train.slice(offset, count)
        if TransportMessage.isTransport(datagram) {
            open(datagram, direct, at: now)
        } else if RelayHeader.isData(datagram) {
            receiveRelayed(train, offset, count, from: source, at: now)
        } else {
            handUp(datagram, direct, at: now)
        }
    }

    private mutating func receiveRelayed(
        _ train: PacketBytes, _ offset: Int, _ count: Int, from source: Endpoint, at now: Instant
    ) {
        let datagram = train.slice(offset, count)
        let message = datagram.from(RelayFrame.headerSize)
        guard message.count > TransportMessage.headerSize, (1...4).contains(message[0]) else {
            drops.add(.malformedMessage)
            return
        }
        let id = RelayHeader.circuit(of: datagram)
        // The source is the same throughout a train, so it has been checked.
        if relayed.isRunning(along: id) {
            relay(train, offset, count, at: now)
            return
        }
        guard let circuit = tables.circuit(id) else {
            drops.add(.unknownCircuit)
            return
        }
        guard circuit.accepts(from: source) else {
            drops.add(.wrongCircuitSource)
            return
        }
        switch circuit.role {
        case .relay(let destination, let meter):
            relayed.beginRun(along: id, to: destination, meter)
            relay(train, offset, count, at: now)
        case .end:
            let origin = Origin(.relayed(circuit: id))
            if TransportMessage.isTransport(message) {
                open(message, origin, at: now)
            } else {
                handUp(message, origin, at: now)
            }
        }
    }

    private mutating func relay(_ train: PacketBytes, _ offset: Int, _ count: Int, at now: Instant) {
        if !relayed.append(train, offset, count, at: now) { drops.add(.relayLimit) }
    }

    /// Opens a transport message (WireGuard paper §5.4.6).
    private mutating func open(_ message: PacketBytes, _ origin: Origin, at now: Instant) {
        guard message.count >= TransportMessage.overhead else {
            drops.add(.malformedMessage)
            return
        }
        guard select(receiver: TransportMessage.receiver(of: message), origin, at: now), let session else {
            drops.add(.unknownReceiver)
            return
        }
        let counter = TransportMessage.counter(of: message)
        guard session.keypair.isUsable(at: now) else {
            drops.add(.expiredSession)
            return
        }
        guard session.keypair.replay.accepts(counter) else {
            drops.add(.replayed)
            return
        }
        let body = message.from(TransportMessage.headerSize)
        let length = body.count &- TransportMessage.tagSize
        guard length > 0 else {
            openKeepalive(body, session, counter)
            return
        }
        let space = coalescer.space(for: length)
        guard
            unsafe session.keypair.opener.open(body.pointer, count: body.count, into: space.pointer, counter: counter)
        else {
            coalescer.reject()
            drops.add(.notAuthentic)
            return
        }
        session.keypair.replay.mark(counter)
        arrivals.packets &+= 1
        arrivals.bytes &+= message.count
        arrivals.hasData = true
        deliver(space, from: session.peer)
    }

    private mutating func openKeepalive(_ body: PacketBytes, _ session: Tables.Session, _ counter: UInt64) {
        guard
            unsafe session.keypair.opener.open(
                body.pointer, count: body.count, into: emptyPacket.bytes.pointer, counter: counter)
        else {
            drops.add(.notAuthentic)
            return
        }
        session.keypair.replay.mark(counter)
        arrivals.packets &+= 1
        arrivals.bytes &+= TransportMessage.overhead
    }

    /// Sorts an authentic inner packet, which lies in the coalescer's space.
    private mutating func deliver(_ packet: PacketBytes, from peer: PeerEntry) {
        if packet[0] >> 4 == 0 {
            let arrived = peer.activity.innerReceived &+ UInt64(arrivals.inner)
            report(
                .control(
                    frame: packet.array, peer: peer.index, origin: origin, arrived: UInt32(truncatingIfNeeded: arrived))
            )
            coalescer.reject()
            return
        }
        arrivals.inner &+= 1
        guard let inner = InnerPacket(packet) else {
            coalescer.reject()
            drops.add(.malformedInnerPacket)
            return
        }
        guard peer.sources.contains(inner.source) else {
            coalescer.reject()
            drops.add(.sourceNotAllowed)
            return
        }
        coalescer.accept(inner.length)
        arrivals.hasPackets = true
    }

    // MARK: sessions

    /// Makes the session of `receiver` the current one; `false` when there is none.
    private mutating func select(receiver: UInt32, _ origin: Origin, at now: Instant) -> Bool {
        if let session, session.keypair.localIndex == receiver {
            if origin != self.origin {
                noteArrivals(at: now)
                self.origin = origin
            }
            return true
        }
        noteArrivals(at: now)
        self.origin = origin
        session = tables.session(receiver: receiver)
        return session != nil
    }

    /// Tells the peer's timers, and the control thread where it must know, what came in on the current session.
    private mutating func noteArrivals(at now: Instant) {
        guard arrivals.packets > 0, let session else { return }
        let peer = session.peer
        if peer.activity.noteReceived(
            at: now, packets: arrivals.packets, inner: arrivals.inner, bytes: arrivals.bytes, isData: arrivals.hasData,
            isControl: !arrivals.hasPackets)
        {
            report(.active(peer: peer.index))
        }
        arrivals = Arrivals()
        if session.keypair.confirmsSession() {
            report(.confirmed(peer: peer.index, receiver: session.keypair.localIndex))
        }
        if session.keypair.wantsRekeyAfterReceiving(at: now) { report(.rekeyWanted(peer: peer.index)) }
        if origin.path != peer.path, appearances.areNews(of: peer.index, along: origin.path, at: now) {
            report(.moved(peer: peer.index, to: origin))
        }
    }

    // MARK: control thread

    private mutating func handUp(_ datagram: PacketBytes, _ origin: Origin, at now: Instant) {
        guard let kind = DatagramKind(datagram) else {
            drops.add(.unknownKind)
            return
        }
        let isKnown = tables.isKnown(origin.path)
        // Before it takes anything of the budget: who does not know our key is no stranger worth a cookie.
        guard let judged = isKnown ? kind : tables.judged(kind, datagram.array, along: origin.path) else {
            drops.add(.wrongMAC)
            return
        }
        switch budget.admit(judged, along: origin.path, isKnown: isKnown, at: now) {
        case .success(let sender): report(.datagram(datagram.array, origin: origin, from: sender))
        case .failure(let refusal): drops.add(refusal.reason)
        }
    }

    private mutating func report(_ upcall: Upcall) {
        guard upcalls.count < Self.upcallLimit else {
            drops.add(.upcallLimit)
            return
        }
        upcalls.append(upcall)
    }
}
