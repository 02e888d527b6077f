/// Children's deadlines, earliest first; ties in the order they were set.
///
/// An indexed binary heap: setting, moving and removing one key cost O(log n). Everything is inlinable, for unspecialised each
/// call would cost several times as much.
package struct Deadlines<Key: Hashable & Sendable>: Sendable {
    @usableFromInline struct Entry: Sendable {
        @usableFromInline var deadline: Instant
        @usableFromInline var order: UInt64
        @usableFromInline var key: Key

        @inlinable init(deadline: Instant, order: UInt64, key: Key) {
            self.deadline = deadline
            self.order = order
            self.key = key
        }

        @inlinable func isBefore(_ other: Entry) -> Bool { (deadline, order) < (other.deadline, other.order) }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var positions: [Key: Int] = [:]
    @usableFromInline var nextOrder: UInt64 = 0

    @inlinable package init() {}

    @inlinable package var isEmpty: Bool { heap.isEmpty }
    @inlinable package var count: Int { heap.count }
    @inlinable package var earliest: Instant? { heap.first?.deadline }

    @inlinable package func deadline(of key: Key) -> Instant? {
        positions[key].map { heap[$0].deadline }
    }

    /// Sets, moves, or with `nil` removes the deadline of `key`.
    @inlinable package mutating func set(_ deadline: Instant?, for key: Key) {
        guard let deadline else {
            remove(key)
            return
        }
        if let position = positions[key] {
            guard heap[position].deadline != deadline else { return }
            heap[position].deadline = deadline
            heap[position].order = takeOrder()
            restore(at: position)
        } else {
            heap.append(Entry(deadline: deadline, order: takeOrder(), key: key))
            positions[key] = heap.count - 1
            siftUp(from: heap.count - 1)
        }
    }

    /// Takes the earliest key whose deadline is not after `now`.
    @inlinable package mutating func popExpired(at now: Instant) -> Key? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        remove(first.key)
        return first.key
    }

    @inlinable package mutating func remove(_ key: Key) {
        guard let position = positions.removeValue(forKey: key) else { return }
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        positions[last.key] = position
        restore(at: position)
    }

    @inlinable mutating func takeOrder() -> UInt64 {
        defer { nextOrder += 1 }
        return nextOrder
    }

    @inlinable mutating func restore(at position: Int) {
        siftUp(from: position)
        siftDown(from: position)
    }

    @inlinable mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { return }
            exchange(child, parent)
            child = parent
        }
    }

    @inlinable mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var first = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].isBefore(heap[first]) {
                first = child
            }
            guard first != parent else { return }
            exchange(parent, first)
            parent = first
        }
    }

    @inlinable mutating func exchange(_ left: Int, _ right: Int) {
        heap.swapAt(left, right)
        positions[heap[left].key] = left
        positions[heap[right].key] = right
    }
}
