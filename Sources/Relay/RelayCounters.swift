import Synchronization

/// What was relayed, counted by the inbound packet thread and readable by any.
package final class RelayCounters: Sendable {
    /// Frames that went on, and frames that were dropped because a rate was used up. Bytes are those of UDP payloads.
    package struct Counts: Equatable, Sendable {
        package var packets: UInt64 = 0
        package var bytes: UInt64 = 0
        package var droppedPackets: UInt64 = 0
        package var droppedBytes: UInt64 = 0

        package init() {}
    }

    private let packets = Atomic<UInt64>(0)
    private let bytes = Atomic<UInt64>(0)
    private let droppedPackets = Atomic<UInt64>(0)
    private let droppedBytes = Atomic<UInt64>(0)

    package var counts: Counts {
        var counts = Counts()
        counts.packets = packets.load(ordering: .relaxed)
        counts.bytes = bytes.load(ordering: .relaxed)
        counts.droppedPackets = droppedPackets.load(ordering: .relaxed)
        counts.droppedBytes = droppedBytes.load(ordering: .relaxed)
        return counts
    }

    func noteRelayed(packets: Int, bytes: Int) {
        Self.add(packets, to: self.packets)
        Self.add(bytes, to: self.bytes)
    }

    func noteDropped(bytes: Int) {
        Self.add(1, to: droppedPackets)
        Self.add(bytes, to: droppedBytes)
    }

    /// One thread writes, so that no locked instruction is needed.
    private static func add(_ count: Int, to value: borrowing Atomic<UInt64>) {
        value.store(value.load(ordering: .relaxed) &+ UInt64(count), ordering: .relaxed)
    }
}
