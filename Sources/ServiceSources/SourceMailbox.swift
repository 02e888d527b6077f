package import Linux
package import Services
import Synchronization

/// Changes on their way to the control thread. What a source said earlier and nobody has taken yet is replaced by what it says
/// now, since each says all that it has: there are never more changes than sources.
package final class SourceMailbox: Sendable {
    private let contents = Mutex<[CatalogChange]>([])
    /// Signalled while there is something to take: watch its descriptor.
    package let wakeUp: WakeUp

    init() throws(SystemError) {
        wakeUp = try WakeUp()
    }

    /// Everything that waits, in the order in which it was said.
    package func takeAll() -> [CatalogChange] {
        wakeUp.clear()
        return contents.withLock { contents in
            defer { contents = [] }
            return contents
        }
    }

    /// - Parameter change: all that a source has, or its withdrawal.
    func post(_ change: CatalogChange) {
        contents.withLock { contents in
            contents.removeAll { $0.source == change.source }
            contents.append(change)
        }
        wakeUp.signal()
    }
}
