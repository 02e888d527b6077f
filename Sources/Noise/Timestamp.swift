package import Wire

/// A TAI64N label (WireGuard paper §5.4.2): 8 bytes of seconds, 4 of nanoseconds, big-endian.
///
/// Peers only ask whether one is greater than another.
package struct Timestamp: Hashable, Comparable, Sendable {
    package static let size = 12
    /// The label of 1970-01-01 00:00:00 UTC, as every WireGuard writes it.
    private static let unixEpoch: UInt64 = 0x4000_0000_0000_000a

    private let seconds: UInt64
    private let nanoseconds: UInt32

    private init(seconds: UInt64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// `unixTime` is the time since 1970; earlier times count as 1970. Rounded down to 2²⁴ ns, so that the label does
    /// not tell when exactly we act.
    package init(unixTime: Duration) {
        let (seconds, attoseconds) = max(unixTime, .zero).components
        let nanoseconds = UInt32(attoseconds / 1_000_000_000)
        self.init(seconds: Self.unixEpoch + UInt64(seconds), nanoseconds: nanoseconds & ~0xff_ffff)
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        seconds = try reader.readBigEndianUInt64()
        nanoseconds = try reader.readBigEndianUInt32()
        try reader.finish()
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(capacity: Self.size)
        writer.append(bigEndian: seconds)
        writer.append(bigEndian: nanoseconds)
        return writer.bytes
    }

    /// The least greater label; the greatest label is its own successor.
    var successor: Timestamp {
        if nanoseconds < 999_999_999 { return Timestamp(seconds: seconds, nanoseconds: nanoseconds + 1) }
        guard seconds < .max else { return self }
        return Timestamp(seconds: seconds + 1, nanoseconds: 0)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}

/// Labels our initiations, each greater than all before it, even when the wall clock goes backwards.
///
/// One for a node. `last` is kept on disk and handed back after a restart: without it, a node whose clock went backwards
/// could not start a session until its clock caught up.
package struct TimestampClock: Sendable {
    package private(set) var last: Timestamp?

    package init(last: Timestamp? = nil) {
        self.last = last
    }

    /// `unixTime` is what the wall clock says, the time since 1970.
    package mutating func next(unixTime: Duration) -> Timestamp {
        var timestamp = Timestamp(unixTime: unixTime)
        if let last, timestamp <= last { timestamp = last.successor }
        last = timestamp
        return timestamp
    }
}
