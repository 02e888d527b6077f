import Noise
import SansIO

/// Sealed messages that wait, so that they do not overtake those that are still on their way along a slower path.
///
/// They lie in one buffer that is made when the first comes and given back when the last has left; it is not reused piece by
/// piece in between, since a time of holding is short. When it is full everything goes out at once.
struct HeldMessages: ~Copyable {
    /// About 0.3 s of a 100 Mbit/s link, 30 ms of a 1 Gbit/s link.
    static let capacityBytes = 4 << 20

    /// A run of datagrams of one size, the last one shorter or equal.
    private struct Train {
        var offset: Int
        var count: Int
        var segmentSize: Int
        /// Index of its batch.
        var batch: Int
    }

    /// What the trains of one peer to one destination have in common.
    private struct Batch {
        var peer: Int
        var destination: Destination
        var due: Instant
    }

    /// Peers that may have just moved.
    private static let beginningLimit = 1024

    /// What the tables asked for a peer, and what came of it when its first message was sent.
    private struct Beginning {
        var asked: Instant
        var due: Instant
    }

    private var beginnings: [Int: Beginning] = [:]
    private var buffer: PacketBuffer?
    private var length = 0
    private var trains: [Train] = []
    private var batches: [Batch] = []
    /// When the first are due; `nil` when none are held.
    private(set) var nextDeadline: Instant?

    var isEmpty: Bool { nextDeadline == nil }

    func hasRoom(for count: Int) -> Bool { count <= Self.capacityBytes &- length }

    /// When the last messages held for a peer are due; `nil` when there are none.
    func due(of peer: Int) -> Instant? {
        batches.last { $0.peer == peer }?.due
    }

    /// Until when the tables want messages of a peer to wait, later by as much as the last message along the slower path was late.
    mutating func begin(_ peer: PeerEntry, at now: Instant) -> Instant? {
        guard let asked = peer.holdUntil, now < peer.movedAt.map({ asked + (asked - $0) }) ?? asked else { return nil }
        if let begun = beginnings[peer.index], begun.asked == asked { return begun.due }
        var due = asked
        if let movedAt = peer.movedAt, let last = peer.activity.lastDataSent, last > movedAt, last < asked {
            due = asked + (last - movedAt)
        }
        if beginnings.count >= Self.beginningLimit { beginnings.removeAll(keepingCapacity: true) }
        beginnings[peer.index] = Beginning(asked: asked, due: due)
        return due
    }

    /// Keeps a copy of the group's datagrams until `due`. Precondition: there is room for them.
    mutating func append(_ group: OutgoingGroup, of peer: Int, until due: Instant) {
        let buffer = buffer ?? PacketBuffer(count: Self.capacityBytes)
        self.buffer = buffer
        buffer.bytes.copy(group.bytes, at: length)
        trains.append(
            Train(
                offset: length, count: group.bytes.count, segmentSize: group.segmentSize,
                batch: batch(of: peer, to: group.destination, until: due)))
        length &+= group.bytes.count
        nextDeadline = min(nextDeadline ?? due, due)
    }

    /// Moves what is due at `now` into `groups`, in order. The bytes stay until `giveBack()`.
    mutating func release(at now: Instant, into groups: inout OutgoingGroups) {
        guard let buffer else { return }
        groups.close()
        let batches = batches
        var last: Int?
        trains.removeAll { train in
            let batch = batches[train.batch]
            guard batch.due <= now else { return false }
            var offset = train.offset
            let end = train.offset &+ train.count
            while offset < end {
                let size = min(train.segmentSize, end &- offset)
                groups.append(
                    buffer.bytes, offset, size, to: batch.destination, isSameDestination: last == train.batch)
                last = train.batch
                offset &+= size
            }
            return true
        }
        groups.close()
        // Batches keep their places while trains refer to them; what is released counts no more.
        for index in batches.indices where batches[index].due <= now { self.batches[index].peer = -1 }
        nextDeadline = self.batches.lazy.filter { $0.peer >= 0 }.map(\.due).min()
    }

    /// Frees the memory once nothing is held. To be called when what was released has been sent.
    mutating func giveBack() {
        guard buffer != nil, isEmpty else { return }
        buffer = nil
        length = 0
        batches.removeAll(keepingCapacity: true)
        trains.removeAll()
    }

    private mutating func batch(of peer: Int, to destination: Destination, until due: Instant) -> Int {
        let known = batches.lastIndex { $0.peer == peer && $0.due == due && $0.destination == destination }
        if let known { return known }
        batches.append(Batch(peer: peer, destination: destination, due: due))
        return batches.count - 1
    }
}
