package import Datapath
package import Linux
import Synchronization

/// What the packet threads leave for the control thread: bounded, and never a reason for them to wait.
package final class UpcallMailbox: Sendable {
    /// Upcalls that wait at most, and the bytes of the packets in them; more are dropped and counted.
    package static let countLimit = 4096
    package static let byteLimit = 4 << 20
    /// What peers' control frames and handshakes may take besides: no member that sends too many keeps the rest from what is raised
    /// only once.
    package static let peerLimit = countLimit / 4 * 3
    /// What datagrams of others than peers, and packets without a session, may take of `countLimit`: upcalls that a session's life
    /// depends on, and that are raised only once, find room behind a flood of them.
    package static let replaceableLimit = countLimit / 2
    /// What strangers' handshakes may take: so few that everybody else waits some milliseconds for them at most, however slow the
    /// control thread is with them.
    package static let strangerLimit = 128

    private struct Contents {
        var upcalls: [Upcall] = []
        var bytes = 0
    }

    private let contents = Mutex(Contents())
    /// Signalled while there is something to take: watch its descriptor.
    package let wakeUp: WakeUp

    package init() throws(SystemError) {
        wakeUp = try WakeUp()
    }

    /// Everything that waits, oldest first.
    package func takeAll() -> [Upcall] {
        wakeUp.clear()
        return contents.withLock { contents in
            defer { contents = Contents() }
            return contents.upcalls
        }
    }

    /// Adds `upcalls` and returns how many found no room.
    package func post(_ upcalls: [Upcall]) -> Int {
        var refused = 0
        let isFirst = contents.withLock { contents in
            let wasEmpty = contents.upcalls.isEmpty
            for upcall in upcalls {
                let bytes = upcall.byteCount
                let limit = upcall.countLimit
                if contents.upcalls.count < limit, contents.bytes + bytes <= Self.byteLimit {
                    contents.upcalls.append(upcall)
                    contents.bytes += bytes
                } else {
                    refused += 1
                }
            }
            return wasEmpty && !contents.upcalls.isEmpty
        }
        if isFirst { wakeUp.signal() }
        return refused
    }
}

extension Upcall {
    /// How many upcalls may wait for this one still to be taken. Replaceable is what is lost like a packet, which its sender
    /// repeats.
    fileprivate var countLimit: Int {
        switch self {
        case .datagram(_, _, .stranger): UpcallMailbox.strangerLimit
        case .datagram(_, _, .newcomer), .unsealed: UpcallMailbox.replaceableLimit
        case .datagram(_, _, .peer), .control: UpcallMailbox.peerLimit
        case .active, .rekeyWanted, .confirmed, .moved, .linkClosed: UpcallMailbox.countLimit
        }
    }
}
