import Crypto
import Noise
import Relay
package import SansIO

/// From the TUN to the network: routes, cuts, seals and groups packets. No I/O: the caller reads and sends.
///
///     release(at:), send(...) once or more  ──▶  finish()  ──▶  groups, replies, upcalls  ──▶  removeAll()
///
/// Route, session and path are looked up once per super-packet. Sealing is the only pass over the payload apart from its
/// checksum. Nothing is allocated while packets can be sealed.
package struct OutboundEngine: ~Copyable {
    /// Bytes that must follow a packet in the buffer given to `send`, for padding.
    package static let spareBytes = TransportMessage.paddingUnit

    /// Up to `sealedLimit` messages are sealed; behind them is room for second copies, each longer by a relay header at most.
    private static let arenaSize = 2 * 1024 * 1024
    private static let sealedLimit = 768 * 1024
    /// Enough for what a super-packet of TCP grows to: 64 KiB in segments of 48 bytes, headers and overhead on each.
    private static let reserve = 256 * 1024
    /// What sealing adds to a packet at most.
    private static let overheadLimit =
        TransportMessage.overhead + TransportMessage.paddingUnit + RelayFrame.headerSize
    private static let upcallLimit = 128

    package var tables = Tables.empty
    package let drops: DropCounters
    /// Upcalls since `removeAll`.
    package private(set) var upcalls: [Upcall] = []
    /// Packets for the TUN since `removeAll`, without virtio header: ICMP errors.
    package private(set) var replies: [[UInt8]] = []

    private let arena = PacketBuffer(count: arenaSize)
    private let scratch = PacketBuffer(count: Segmenter.headerLimit)
    private var sealed = OutgoingGroups(capacity: 256)
    private var length = 0
    private var lastPeer: PeerEntry?
    /// Which groups go to a second destination as well.
    private var duplicates: [(groups: Range<Int>, destination: Destination)] = []
    private var held = HeldMessages()
    private var replyBudget: TokenBucket

    package init(drops: DropCounters, now: Instant) {
        self.drops = drops
        replyBudget = TokenBucket(rate: TooBig.repliesPerSecond, burst: TooBig.burst, now: now)
    }

    /// Datagrams to send since `removeAll`.
    package var groups: [OutgoingGroup] { sealed.list }

    /// When `release` has something to do next; `nil` while nothing is held.
    package var nextDeadline: Instant? { held.nextDeadline }

    /// Adds the held messages that are due to `groups`.
    package mutating func release(at now: Instant) {
        guard let deadline = held.nextDeadline, deadline <= now else { return }
        held.release(at: now, into: &sealed)
        lastPeer = nil
    }

    /// Whether `groups` must be sent and removed before another packet.
    package var isFull: Bool { length > Self.sealedLimit - Self.reserve }

    /// Bytes of datagrams waiting to be sent.
    package var sealedBytes: Int { length }

    /// Takes one read from the TUN: a virtio header and a packet, `count` bytes of `buffer` in all.
    ///
    /// The buffer is written to; `spareBytes` must follow the packet. Precondition: not `isFull`.
    package mutating func send(_ buffer: PacketBytes, count: Int, at now: Instant) {
        guard count >= VirtioHeader.size, let header = VirtioHeader(parsing: buffer),
            let inner = InnerPacket(buffer.slice(VirtioHeader.size, count - VirtioHeader.size))
        else {
            drops.add(.malformedPacket)
            return
        }
        guard let index = tables.routes.lookup(inner.destination), let peer = tables.peer(index) else {
            drops.add(.noRoute)
            return
        }
        let packet = buffer.slice(VirtioHeader.size, inner.length)
        guard var segmenter = Segmenter(packet, header, scratch: scratch.bytes),
            segmenter.sizeBound(overhead: Self.overheadLimit) <= Self.reserve
        else {
            drops.add(.malformedPacket)
            return
        }
        if segmenter.largestPacket > peer.innerMTU, TooBig.mustAnswer(packet) {
            answerTooBig(packet, mtu: peer.innerMTU, at: now)
            return
        }
        guard let keypair = peer.keypair, keypair.isUsable(at: now), let destination = peer.destination else {
            while let segment = segmenter.next() { handUp(segment, of: peer) }
            return
        }
        let due = holdUntil(peer, at: now)
        if due != nil { lastPeer = nil }
        let firstGroup = lastPeer === peer ? sealed.list.count &- 1 : sealed.list.count
        let start = length
        seal(&segmenter, from: buffer, end: VirtioHeader.size + inner.length, peer, keypair, destination, at: now)
        if let due {
            hold(of: peer, groupsFrom: firstGroup, bytesFrom: start, until: due)
        } else if let duplicate = peer.duplicate {
            noteDuplicate(from: firstGroup, to: duplicate)
        }
    }

    /// Adds the second copies: behind all others, so that each destination's make trains. To be called once, when nothing more
    /// is sent.
    package mutating func finish() {
        guard !duplicates.isEmpty else { return }
        for (groups, destination) in duplicates {
            for index in groups { copy(sealed.list[index], to: destination) }
        }
        duplicates.removeAll(keepingCapacity: true)
    }

    /// Forgets what was sent and handed up.
    package mutating func removeAll() {
        sealed.removeAll()
        duplicates.removeAll(keepingCapacity: true)
        held.giveBack()
        length = 0
        lastPeer = nil
        if !upcalls.isEmpty { upcalls.removeAll(keepingCapacity: true) }
        if !replies.isEmpty { replies.removeAll(keepingCapacity: true) }
    }

    // MARK: holding

    /// Until when messages of `peer` must wait, if at all: those held before them go first, even when the tables ask for no more.
    private mutating func holdUntil(_ peer: PeerEntry, at now: Instant) -> Instant? {
        guard !held.isEmpty || peer.holdUntil != nil else { return nil }
        release(at: now)
        let due = [held.due(of: peer.index), held.begin(peer, at: now)].compactMap { $0 }.max()
        guard let due, due > now else { return nil }
        // Both copies of what one packet may grow to.
        guard held.hasRoom(for: 3 * Self.reserve) else {
            held.release(at: .distantFuture, into: &sealed)
            lastPeer = nil
            return nil
        }
        return due
    }

    /// Puts what was just sealed for `peer` aside.
    private mutating func hold(of peer: PeerEntry, groupsFrom first: Int, bytesFrom start: Int, until due: Instant) {
        let end = sealed.list.count
        if let duplicate = peer.duplicate {
            for index in first..<end { copy(sealed.list[index], to: duplicate) }
        }
        for group in sealed.list[first...] { held.append(group, of: peer.index, until: due) }
        sealed.removeAll(from: first)
        length = start
        lastPeer = nil
    }

    // MARK: steps

    private mutating func seal(
        _ segmenter: inout Segmenter, from buffer: PacketBytes, end: Int, _ peer: PeerEntry, _ keypair: Keypair,
        _ destination: Destination, at now: Instant
    ) {
        var packets = 0
        var lastCounter: UInt64 = 0
        let before = length
        var isSameDestination = lastPeer === peer
        while let segment = segmenter.next() {
            guard let counter = keypair.takeCounter() else {
                handUp(segment, of: peer)
                continue
            }
            // Padding reaches behind the segment, so only the last one, with nothing unsent behind it, has any.
            let isLast = segmenter.isFinished
            let padded = isLast ? TransportMessage.paddedLength(segment.count, mtu: peer.innerMTU) : segment.count
            let plaintext = isLast ? buffer.slice(end - segment.count, padded) : segment
            if isLast { plaintext.fill(segment.count, padded - segment.count) }
            seal(plaintext, keypair, counter, to: destination, isSameDestination: isSameDestination)
            isSameDestination = true
            lastCounter = counter
            packets += 1
        }
        guard packets > 0 else { return }
        lastPeer = peer
        if peer.activity.noteSent(at: now, packets: packets, bytes: length - before, isData: true) {
            report(.active(peer: peer.index))
        }
        if keypair.wantsRekeyAfterSending(lastCounter, at: now) { report(.rekeyWanted(peer: peer.index)) }
    }

    private mutating func seal(
        _ plaintext: PacketBytes, _ keypair: Keypair, _ counter: UInt64, to destination: Destination,
        isSameDestination: Bool
    ) {
        let prefix = destination.circuit == nil ? 0 : RelayFrame.headerSize
        let size = prefix &+ TransportMessage.overhead &+ plaintext.count
        let datagram = arena.bytes.slice(length, size)
        if let circuit = destination.circuit { RelayHeader.write(to: datagram, circuit: circuit) }
        let message = datagram.from(prefix)
        TransportMessage.writeHeader(to: message, receiver: keypair.remoteIndex, counter: counter)
        let body = message.from(TransportMessage.headerSize)
        unsafe keypair.sealer.seal(plaintext.pointer, count: plaintext.count, into: body.pointer, counter: counter)
        sealed.append(arena.bytes, length, size, to: destination, isSameDestination: isSameDestination)
        length &+= size
    }

    /// The groups from `first` on, or the last of an earlier note and those after it, go to `destination` too.
    private mutating func noteDuplicate(from first: Int, to destination: Destination) {
        let end = sealed.list.count
        if let last = duplicates.last, last.groups.upperBound > first, last.destination == destination {
            duplicates[duplicates.count - 1].groups = last.groups.lowerBound..<end
        } else {
            duplicates.append((first..<end, destination))
        }
    }

    /// Sends the messages of `group` to `destination` as well: the same bytes where both are direct, else copies with the relay
    /// header that the destination asks for.
    private mutating func copy(_ group: OutgoingGroup, to destination: Destination) {
        guard group.destination.circuit != destination.circuit else {
            sealed.append(group, to: destination)
            return
        }
        let skipped = group.destination.circuit == nil ? 0 : RelayFrame.headerSize
        let prefix = destination.circuit == nil ? 0 : RelayFrame.headerSize
        var isSameDestination = false
        var offset = 0
        while offset < group.bytes.count {
            let datagram = group.bytes.slice(offset, min(group.segmentSize, group.bytes.count &- offset))
            let message = datagram.from(skipped)
            let copy = arena.bytes.slice(length, prefix &+ message.count)
            if let circuit = destination.circuit { RelayHeader.write(to: copy, circuit: circuit) }
            copy.copy(message, at: prefix)
            sealed.append(
                arena.bytes, length, copy.count, to: destination, isSameDestination: isSameDestination)
            isSameDestination = true
            length &+= copy.count
            offset &+= datagram.count
        }
    }

    private mutating func answerTooBig(_ packet: PacketBytes, mtu: Int, at now: Instant) {
        drops.add(.tooBig)
        guard replyBudget.take(at: now), let reply = TooBig.reply(to: packet, mtu: mtu) else { return }
        replies.append(reply)
    }

    private mutating func handUp(_ packet: PacketBytes, of peer: PeerEntry) {
        report(.unsealed(packet: packet.array, peer: peer.index))
    }

    private mutating func report(_ upcall: Upcall) {
        guard upcalls.count < Self.upcallLimit else {
            drops.add(.upcallLimit)
            return
        }
        upcalls.append(upcall)
    }
}
