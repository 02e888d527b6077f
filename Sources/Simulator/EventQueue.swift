package import SansIO

/// What is going to happen, earliest first; what is due at one moment happens in the order it was planned.
///
/// A binary heap: planning and taking cost O(log n). Events stay where they were put, and only their places move in the heap.
package struct EventQueue<Event> {
    fileprivate struct Entry {
        let due: Instant
        let order: UInt64
        /// Where in `events` it is.
        let place: Int

        func isBefore(_ other: Entry) -> Bool {
            due == other.due ? order < other.order : due < other.due
        }
    }

    private var heap: [Entry] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var nextOrder: UInt64 = 0

    package init() {}

    package var count: Int { heap.count }
    package var earliest: Instant? { heap.first?.due }

    package mutating func add(_ event: Event, at due: Instant) {
        let entry = Entry(due: due, order: nextOrder, place: store(event))
        nextOrder += 1
        var child = heap.count
        heap.append(entry)
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.isBefore(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    /// Takes the earliest event if it is due at `now`.
    package mutating func popFirst(dueAt now: Instant) -> Event? {
        guard let first = heap.first, first.due <= now, let last = heap.popLast() else { return nil }
        if !heap.isEmpty { sink(last) }
        free.append(first.place)
        return events[first.place].take()
    }

    private mutating func store(_ event: Event) -> Int {
        guard let place = free.popLast() else {
            events.append(event)
            return events.count - 1
        }
        events[place] = event
        return place
    }

    /// Puts `entry` where it belongs, beginning at the top, whose own entry has been taken.
    private mutating func sink(_ entry: Entry) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(entry) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = entry
    }
}

extension EventQueue.Entry: Sendable where Event: Sendable {}
extension EventQueue: Sendable where Event: Sendable {}
