/// An IPv6 address as two halves in host order: `high` holds the first 64 bits.
package struct IPv6Address: Hashable, Comparable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static let any = IPv6Address(high: 0, low: 0)

    /// The sixteen bytes in network order.
    package var bytes: [UInt8] {
        (0..<16).map { index in
            let half = index < 8 ? high : low
            return UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64(index % 8)))
        }
    }

    /// The IPv4 address inside an IPv4-mapped one (::ffff:0:0/96, RFC 4291 §2.5.5.2).
    package var mappedIPv4: IPv4Address? {
        high == 0 && low >> 32 == 0xffff ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) : nil
    }

    package var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }

    package static func < (left: IPv6Address, right: IPv6Address) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    private var groups: [UInt16] {
        (0..<8).map { index in
            let half = index < 4 ? high : low
            return UInt16(truncatingIfNeeded: half >> (48 - 16 * UInt64(index % 4)))
        }
    }
}

extension IPv6Address: LosslessStringConvertible {
    /// Parses the forms of RFC 4291 §2.2: full, compressed with one "::", and with a dotted IPv4 tail. No zone.
    package init?(_ text: some StringProtocol) {
        let halves = Self.splitAtDoubleColon(String(text))
        guard let halves else { return nil }
        guard let head = Self.parseGroups(halves.head, mayEndInIPv4: halves.tail == nil),
            let tail = Self.parseGroups(halves.tail ?? "", mayEndInIPv4: true)
        else { return nil }
        let given = head.count + tail.count
        guard halves.tail == nil ? given == 8 : given <= 7 else { return nil }
        let groups = head + Array(repeating: 0, count: 8 - given) + tail
        high = groups[..<4].reduce(0) { $0 << 16 | UInt64($1) }
        low = groups[4...].reduce(0) { $0 << 16 | UInt64($1) }
    }

    package init?(_ text: String) {
        self.init(text[...])
    }

    /// The canonical form of RFC 5952: lower case, the first longest run of two or more zero groups as "::".
    package var description: String {
        if let mapped = mappedIPv4 { return "::ffff:\(mapped)" }
        let groups = groups
        guard let zeros = Self.longestZeroRun(groups) else {
            return groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let head = groups[..<zeros.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        let tail = groups[zeros.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
        return "\(head)::\(tail)"
    }

    /// The text before and after the only "::"; `tail` is `nil` without one; `nil` when there are two.
    private static func splitAtDoubleColon(_ text: String) -> (head: String, tail: String?)? {
        let characters = Array(text.utf8)
        var marks: [Int] = []
        for index in characters.indices.dropLast()
        where characters[index] == UInt8(ascii: ":") && characters[index + 1] == UInt8(ascii: ":") {
            marks.append(index)
        }
        guard let mark = marks.first else { return (text, nil) }
        guard marks.count == 1 else { return nil }
        let head = String(decoding: characters[..<mark], as: UTF8.self)
        let tail = String(decoding: characters[(mark + 2)...], as: UTF8.self)
        return (head, tail)
    }

    private static func parseGroups(_ text: String, mayEndInIPv4: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, field) in fields.enumerated() {
            if mayEndInIPv4, index == fields.count - 1, field.contains(".") {
                guard let ipv4 = IPv4Address(field) else { return nil }
                groups.append(UInt16(truncatingIfNeeded: ipv4.rawValue >> 16))
                groups.append(UInt16(truncatingIfNeeded: ipv4.rawValue))
                continue
            }
            guard (1...4).contains(field.utf8.count), field.utf8.allSatisfy(Self.isHexDigit),
                let group = UInt16(field, radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups
    }

    private static func isHexDigit(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var longest: Range<Int>?
        var start = 0
        while start < groups.count {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (longest?.count ?? 0) { longest = start..<end }
            start = end
        }
        return longest
    }
}
