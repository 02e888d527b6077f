import Datapath
import Glibc
import Linux
import SansIO

/// The thread that reads the TUN: each turn reads what is there, seals it and sends it with one call.
struct OutboundThread: ~Copyable {
    /// A turn ends, and datagrams leave, after so many bytes or packets.
    private static let turnBytes = 60_000
    private static let turnPackets = 64
    /// How long to leave the interface alone after it refused a read, as it does while it is being removed.
    private static let pauseMilliseconds: Int32 = 100
    private static let packetLimit = VirtioHeader.size + 65535

    private let ports: PacketPorts
    private let drops: DropCounters
    private let buffer = PacketBuffer(count: packetLimit + OutboundEngine.spareBytes)
    private var engine: OutboundEngine
    private var sender: GroupSender
    private var seenTables: UInt64 = 0

    init(_ ports: PacketPorts, drops: DropCounters) {
        self.ports = ports
        self.drops = drops
        engine = OutboundEngine(drops: drops, now: SystemClock.now)
        sender = GroupSender(ports)
    }

    /// Runs until the ports end.
    consuming func run() {
        while !ports.hasEnded {
            switch turn() {
            case 0, -Int(EINTR): continue
            case -Int(EAGAIN):
                ports.ending.wait(
                    orReadable: ports.tun.descriptor, atMost: engine.nextDeadline.map { $0 - SystemClock.now })
            default: pause()
            }
        }
    }

    /// Reads, seals and sends one turn's packets. Returns the `-errno` that ended it, 0 when there may be more.
    private mutating func turn() -> Int {
        if engine.nextDeadline != nil {
            engine.release(at: SystemClock.now)
            if !engine.groups.isEmpty { flush() }
        }
        var packets = 0
        var result = 0
        while packets < Self.turnPackets, engine.sealedBytes < Self.turnBytes, !engine.isFull {
            let count = unsafe ports.tun.read(buffer.bytes.pointer, limit: Self.packetLimit)
            guard count > 0 else {
                result = count < 0 ? count : -Int(EIO)  // An end of file, which no interface in order reports.
                break
            }
            // After the read, so that a packet meets tables at least as new as itself.
            if let tables = ports.tables.update(since: &seenTables) { engine.tables = tables }
            engine.send(buffer.bytes, count: count, at: SystemClock.now)
            packets += 1
        }
        if packets > 0 { flush() }
        return result
    }

    private mutating func flush() {
        engine.finish()
        let groups = engine.groups
        if !groups.isEmpty {
            let failed = sender.send(groups)
            if failed > 0 { drops.add(.sendFailed, failed) }
        }
        for reply in engine.replies where !ports.deliver(reply) { drops.add(.tunWriteFailed) }
        if !engine.upcalls.isEmpty {
            let refused = ports.mailbox.post(engine.upcalls)
            if refused > 0 { drops.add(.mailboxFull, refused) }
        }
        engine.removeAll()
    }

    /// The interface is down or gone; packets flow again when it is back.
    private func pause() {
        ports.ending.wait(milliseconds: Self.pauseMilliseconds)
    }
}
