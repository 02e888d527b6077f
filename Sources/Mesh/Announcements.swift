import Identity
import Wire

/// The newest announcement of each part of each other node, with the bytes that its signature covers.
struct Announcements: Sendable {
    struct Key: Hashable, Comparable, Sendable {
        var node: NodeID
        var part: UInt8

        static func < (left: Key, right: Key) -> Bool { (left.node, left.part) < (right.node, right.part) }
    }

    struct Entry: Sendable {
        var announcement: Announcement
        var encoded: [UInt8]
    }

    private var entries: [Key: Entry] = [:]
    /// The keys of `entries`, ordered.
    private var order: [Key] = []

    /// All, ordered by node and part.
    var all: [Entry] { order.compactMap { entries[$0] } }

    subscript(key: Key) -> Entry? { entries[key] }

    /// Takes a verified announcement unless a newer one, or the same, is here. Whether it was taken.
    mutating func merge(_ announcement: Announcement, encoded: [UInt8]) -> Bool {
        let key = Key(node: announcement.node, part: announcement.part)
        if let known = entries[key], !announcement.supersedes(known.announcement) { return false }
        if entries.updateValue(Entry(announcement: announcement, encoded: encoded), forKey: key) == nil {
            order.insert(key, at: order.firstIndex { key < $0 } ?? order.count)
        }
        return true
    }

    /// Whether anything of the node was here.
    mutating func remove(_ node: NodeID) -> Bool {
        let removed = order.filter { $0.node == node }
        guard !removed.isEmpty else { return false }
        for key in removed { entries[key] = nil }
        order.removeAll { $0.node == node }
        return true
    }

    /// What is here and what this node itself announces, in the form that peers compare: pieces that together cover
    /// all nodes and parts.
    func digests(with own: [AnnouncementMessage.Line]) -> [AnnouncementMessage] {
        let lines = (all.map { AnnouncementMessage.Line($0.announcement) } + own).sorted()
        var digests: [AnnouncementMessage] = []
        var first = AnnouncementMessage.Place.lowest
        for start in stride(from: 0, to: max(lines.count, 1), by: AnnouncementMessage.lineLimit) {
            let end = min(start + AnnouncementMessage.lineLimit, lines.count)
            let last = end == lines.count ? AnnouncementMessage.Place.highest : lines[end - 1].place
            guard first <= last else { continue }
            digests.append(.digest(first: first, last: last, Array(lines[start..<end])))
            first = last.next
        }
        return digests
    }
}
