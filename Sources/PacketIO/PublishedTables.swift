import Datapath
import Synchronization

/// The current `Tables`: replaced by the control thread, looked at by the packet threads once a batch.
///
/// A packet thread that holds the current snapshot only loads a number.
final class PublishedTables: Sendable {
    private let current = Mutex(Tables.empty)
    private let version = Atomic<UInt64>(0)

    func publish(_ tables: Tables) {
        current.withLock { $0 = tables }
        version.add(1, ordering: .releasing)
    }

    /// The current snapshot if it is newer than the one seen as `seen`, which is brought up to date.
    func update(since seen: inout UInt64) -> Tables? {
        let latest = version.load(ordering: .acquiring)
        guard latest != seen else { return nil }
        seen = latest
        return current.withLock { $0 }
    }
}
