import Datapath
import Linux

/// The thread that reads the UDP sockets: each turn takes a batch, opens it, forwards what is relayed, writes the rest
/// to the TUN.
struct InboundThread: ~Copyable {
    /// Messages, each up to a train of 64 KiB, that one call takes.
    private static let batchCount = 8
    /// Batches that one socket may have before the other gets its turn.
    private static let budget = 8

    private let ports: PacketPorts
    private let drops: DropCounters
    private var readiness: ReadinessPoll
    private var receiver = DatagramReceiver(count: batchCount)
    private var engine: InboundEngine
    private var sender: GroupSender
    private var seenTables: UInt64 = 0

    init(_ ports: PacketPorts, drops: DropCounters) {
        self.ports = ports
        self.drops = drops
        readiness = ReadinessPoll(ports.sockets.map { $0.descriptor.number } + [ports.ending.descriptor.number])
        engine = InboundEngine(drops: drops, mergesUDP: ports.tun.offloads.contains(.udp), now: SystemClock.now)
        sender = GroupSender(ports)
    }

    /// Runs until the ports end.
    consuming func run() {
        while !ports.hasEnded {
            readiness.wait()
            for (index, socket) in ports.sockets.enumerated() where readiness.isReadable(index) { serve(socket) }
        }
    }

    private mutating func serve(_ socket: UDPSocket) {
        for _ in 0..<Self.budget {
            let count = receiver.receive(from: socket)
            guard count > 0 else { return }
            // After the receipt, so that a message meets tables at least as new as itself.
            if let tables = ports.tables.update(since: &seenTables) { engine.tables = tables }
            let now = SystemClock.now
            for index in 0..<count {
                guard let message = receiver.message(index), !message.isTruncated else {
                    drops.add(.malformedMessage)
                    continue
                }
                engine.receive(
                    unsafe PacketBytes(message.start, count: message.count), segmentSize: message.segmentSize,
                    from: message.source, localAddress: message.localAddress, at: now)
                if engine.isFull { flush() }
            }
            flush()
            if count < Self.batchCount { return }
        }
    }

    private mutating func flush() {
        engine.finish()
        let groups = engine.groups
        if !groups.isEmpty {
            let failed = sender.send(groups)
            if failed > 0 { drops.add(.sendFailed, failed) }
        }
        for index in 0..<engine.frameCount {
            let frame = engine.frame(index)
            let written = unsafe ports.tun.write(frame.pointer, count: frame.count)
            if written < 0 { drops.add(.tunWriteFailed) }
        }
        if !engine.upcalls.isEmpty {
            let refused = ports.mailbox.post(engine.upcalls)
            if refused > 0 { drops.add(.mailboxFull, refused) }
        }
        engine.removeAll()
    }
}
