import Datapath
import Linux
import Wire

/// The thread that reads the UDP sockets: each turn takes a batch, opens it, forwards what is relayed, writes the rest
/// to the TUN.
struct InboundThread: ~Copyable {
    /// Messages, each up to a train of 64 KiB, that one call takes.
    private static let batchCount = 8
    /// Batches that one socket, or one link, may have before the others get their turn.
    private static let socketBudget = 8
    private static let linkBudget = 1
    /// How soon the control thread is told again of a link that is closed, when its mailbox was full.
    private static let retryMilliseconds: Int32 = 50

    private let ports: PacketPorts
    private let drops: DropCounters
    private var receiver = DatagramReceiver(count: batchCount)
    private var engine: InboundEngine
    private var sender: GroupSender
    private var seenTables: UInt64 = 0
    private var ready: [ReadinessSet.Event] = []
    /// Links that ended and that the control thread does not know of yet.
    private var closedLinks: [Upcall] = []

    init(_ ports: PacketPorts, drops: DropCounters) {
        self.ports = ports
        self.drops = drops
        engine = InboundEngine(drops: drops, mergesUDP: ports.tun.offloads.contains(.udp), now: SystemClock.now)
        sender = GroupSender(ports)
    }

    /// Runs until the ports end.
    consuming func run() {
        while !ports.hasEnded {
            ports.readiness.wait(&ready, milliseconds: closedLinks.isEmpty ? -1 : Self.retryMilliseconds)
            for index in ready.indices {
                switch PacketPorts.Source(token: ready[index].token) {
                case .ending: break
                case .socket(let index): serve(ports.sockets[index])
                case .link(let number): serve(link: number)
                }
            }
            if !closedLinks.isEmpty { reportClosedLinks() }
        }
    }

    private mutating func serve(_ socket: UDPSocket) {
        for _ in 0..<Self.socketBudget {
            let count = receiver.receive(from: socket.descriptor)
            guard count > 0 else { return }
            process(count, from: nil)
            if count < Self.batchCount { return }
        }
    }

    private mutating func serve(link number: UInt32) {
        guard let link = ports.links[number] else { return }
        for _ in 0..<Self.linkBudget {
            let count = receiver.receive(from: link.socket.descriptor)
            guard count > 0 else { return }
            process(count, from: link.endpoint)
            // An empty message is how the end of a pair shows; a UDP datagram may be empty.
            if link.kind == .stream, receiver.message(count - 1, from: link.endpoint)?.count == 0 {
                if ports.remove(link: number) { closedLinks.append(.linkClosed(number)) }
                return
            }
            if count < Self.batchCount { return }
        }
    }

    /// Treats what was received: from the link `link`, or from the network.
    private mutating func process(_ count: Int, from link: Endpoint?) {
        // After the receipt, so that a message meets tables at least as new as itself.
        if let tables = ports.tables.update(since: &seenTables) { engine.tables = tables }
        let now = SystemClock.now
        for index in 0..<count {
            guard let message = receiver.message(index, from: link), !message.isTruncated else {
                drops.add(.malformedMessage)
                continue
            }
            guard link != nil || !message.source.address.isLinkRange else {
                drops.add(.forgedLink)
                continue
            }
            engine.receive(
                unsafe PacketBytes(message.start, count: message.count), segmentSize: message.segmentSize,
                from: message.source, localAddress: link == nil ? message.localAddress : nil, at: now)
            if engine.isFull { flush() }
        }
        flush()
    }

    private mutating func reportClosedLinks() {
        let refused = ports.mailbox.post(closedLinks)
        closedLinks.removeFirst(closedLinks.count - refused)
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
