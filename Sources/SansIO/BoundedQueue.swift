/// A first-in, first-out queue with a limit; when it is full the oldest element makes room.
package struct BoundedQueue<Element> {
    private var elements: [Element] = []
    package let limit: Int

    /// Precondition: `limit` is positive.
    package init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    package var count: Int { elements.count }
    package var isEmpty: Bool { elements.isEmpty }

    /// Returns the element that was dropped to make room, if any.
    @discardableResult
    package mutating func append(_ element: Element) -> Element? {
        let dropped = elements.count == limit ? elements.removeFirst() : nil
        elements.append(element)
        return dropped
    }

    /// Takes everything, oldest first, and leaves the queue empty.
    package mutating func removeAll() -> [Element] {
        defer { elements = [] }
        return elements
    }
}

extension BoundedQueue: Sendable where Element: Sendable {}
