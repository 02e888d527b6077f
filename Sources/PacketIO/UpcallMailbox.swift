package import Datapath
package import Linux
import Synchronization

/// What the packet threads leave for the control thread: bounded, and never a reason for them to wait.
package final class UpcallMailbox: Sendable {
    /// Upcalls that wait at most; more are dropped and counted.
    package static let limit = 4096

    private let waiting = Mutex<[Upcall]>([])
    /// Signalled while there is something to take: watch its descriptor.
    package let wakeUp: WakeUp

    init() throws(SystemError) {
        wakeUp = try WakeUp()
    }

    /// Everything that waits, oldest first.
    package func takeAll() -> [Upcall] {
        wakeUp.clear()
        return waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }

    /// Adds `upcalls` and returns how many found no room.
    func post(_ upcalls: [Upcall]) -> Int {
        let (wasEmpty, taken) = waiting.withLock { waiting in
            let taken = min(upcalls.count, Self.limit - waiting.count)
            let wasEmpty = waiting.isEmpty
            waiting.append(contentsOf: upcalls.prefix(taken))
            return (wasEmpty, taken)
        }
        if wasEmpty, taken > 0 { wakeUp.signal() }
        return upcalls.count - taken
    }
}
