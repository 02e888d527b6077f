import Identity
import Wire

/// How announcements spread between two nodes.
///
/// Encoded, big-endian: kind (1); an announcement: as `Identity` encodes it; a digest: first and last place (9 each), then lines
/// of place and number (17); a request: places. A place is the first eight bytes of a node's identifier and a part (1).
enum AnnouncementMessage: Equatable {
    /// A node and a part of what it announces.
    struct Place: Hashable, Comparable, Sendable {
        var node: UInt64
        var part: UInt8

        static let lowest = Place(node: 0, part: 0)
        static let highest = Place(node: .max, part: .max)

        /// The place right behind this one; the highest has none behind it.
        var next: Place {
            part < .max ? Place(node: node, part: part + 1) : Place(node: node &+ 1, part: 0)
        }

        static func < (left: Place, right: Place) -> Bool { (left.node, left.part) < (right.node, right.part) }
    }

    /// Which number of a part the sender has.
    struct Line: Hashable, Comparable, Sendable {
        var place: Place
        var number: UInt64

        init(_ place: Place, number: UInt64) {
            self.place = place
            self.number = number
        }

        init(_ announcement: Announcement) {
            place = Place(node: announcement.node.bytes.leadingUInt64, part: announcement.part)
            number = announcement.number
        }

        static func < (left: Line, right: Line) -> Bool { (left.place, left.number) < (right.place, right.number) }
    }

    /// Lines of one digest, and places of one request, so that either fits a frame.
    static let lineLimit = 64

    case announcement([UInt8])
    /// All that the sender has between two places; the receiver sends what is newer or missing, and asks for what it lacks.
    case digest(first: Place, last: Place, [Line])
    case request([Place])

    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 1200)
        switch self {
        case .announcement(let encoded):
            writer.append(1 as UInt8)
            writer.append(encoded)
        case .digest(let first, let last, let lines):
            writer.append(2 as UInt8)
            writer.append(first)
            writer.append(last)
            for line in lines.prefix(Self.lineLimit) {
                writer.append(line.place)
                writer.append(bigEndian: line.number)
            }
        case .request(let places):
            writer.append(3 as UInt8)
            for place in places.prefix(Self.lineLimit) { writer.append(place) }
        }
        return writer.bytes
    }

    init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        let kind = try reader.readUInt8()
        switch kind {
        case 1: self = .announcement(reader.readRemaining())
        case 2:
            let first = try reader.readPlace()
            let last = try reader.readPlace()
            var lines: [Line] = []
            while reader.remaining > 0 {
                guard lines.count < Self.lineLimit else { throw .invalidField("line count") }
                let place = try reader.readPlace()
                lines.append(Line(place, number: try reader.readBigEndianUInt64()))
            }
            guard first <= last, lines.allSatisfy({ first <= $0.place && $0.place <= last }) else {
                throw .invalidField("range")
            }
            self = .digest(first: first, last: last, lines)
        case 3:
            var places: [Place] = []
            while reader.remaining > 0 {
                guard places.count < Self.lineLimit else { throw .invalidField("place count") }
                places.append(try reader.readPlace())
            }
            self = .request(places)
        default: throw .unexpectedType(kind)
        }
    }
}

extension ByteReader {
    fileprivate mutating func readPlace() throws(WireError) -> AnnouncementMessage.Place {
        let node = try readBigEndianUInt64()
        return .init(node: node, part: try readUInt8())
    }
}

extension ByteWriter {
    fileprivate mutating func append(_ place: AnnouncementMessage.Place) {
        append(bigEndian: place.node)
        append(place.part)
    }
}
