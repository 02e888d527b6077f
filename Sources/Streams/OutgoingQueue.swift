import SansIO

/// Datagrams that wait until TCP takes more: few, and none for long, since a packet that comes late is worth less than none.
struct OutgoingQueue {
    /// Half a second of 4 Mbit/s.
    static let byteLimit = 256 << 10
    static let patience: Duration = .milliseconds(500)

    private struct Entry {
        let datagram: [UInt8]
        let since: Instant
    }

    private var entries: [Entry] = []
    private var first = 0
    private(set) var bytes = 0

    var isEmpty: Bool { first == entries.count }

    /// Adds a datagram and returns how many of the oldest made room for it.
    mutating func append(_ datagram: ArraySlice<UInt8>, at now: Instant) -> Int {
        entries.append(Entry(datagram: Array(datagram), since: now))
        bytes += datagram.count
        var dropped = 0
        while bytes > Self.byteLimit {
            removeFirst()
            dropped += 1
        }
        return dropped
    }

    /// Takes as many datagrams as fit `limit` bytes with their frames, and counts those that waited too long and are left out.
    /// Precondition: any one datagram fits.
    mutating func take(limit: Int, at now: Instant) -> (frames: [UInt8], sent: Int, dropped: Int) {
        var frames: [UInt8] = []
        var (sent, dropped) = (0, 0)
        while !isEmpty {
            let entry = entries[first]
            if now - entry.since > Self.patience {
                dropped += 1
            } else {
                guard frames.count + StreamFrame.headerSize + entry.datagram.count <= limit else { break }
                StreamFrame.append(entry.datagram[...], to: &frames)
                sent += 1
            }
            removeFirst()
        }
        return (frames, sent, dropped)
    }

    private mutating func removeFirst() {
        bytes -= entries[first].datagram.count
        first += 1
        if first == entries.count {
            entries.removeAll(keepingCapacity: entries.count < 256)
            first = 0
        } else if first >= 256 {
            entries.removeFirst(first)
            first = 0
        }
    }
}
