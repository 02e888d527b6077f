import DNS
import Synchronization

/// The zones as they are now: replaced by the agent, looked at by the server's thread once a batch.
final class PublishedIndex: Sendable {
    private let current = Mutex(ZoneIndex.empty)
    private let version = Atomic<UInt64>(0)

    func publish(_ index: ZoneIndex) {
        current.withLock { $0 = index }
        version.add(1, ordering: .releasing)
    }

    /// The current snapshot if it is newer than the one seen as `seen`, which is brought up to date.
    func update(since seen: inout UInt64) -> ZoneIndex? {
        let latest = version.load(ordering: .acquiring)
        guard latest != seen else { return nil }
        seen = latest
        return current.withLock { $0 }
    }
}
