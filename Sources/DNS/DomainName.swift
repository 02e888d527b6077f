/// A domain name in the form of the wire without compression: labels with their length before them, and a final zero
/// (RFC 1035 §3.1); at most 255 bytes, labels at most 63.
///
/// The case of the letters is kept and does not count: names that differ in it only are equal (RFC 4343).
package struct DomainName: Sendable {
    package static let limitBytes = 255
    package static let labelLimitBytes = 63
    package static let root = DomainName(checked: [0])

    package let wire: [UInt8]

    /// `wire` is known to be well formed.
    init(checked wire: [UInt8]) {
        self.wire = wire
    }

    /// `nil` unless the labels are of 1 to 63 bytes and all of them fit.
    package init?(labels: some Sequence<some Collection<UInt8>>) {
        var wire: [UInt8] = []
        for label in labels {
            guard (1...Self.labelLimitBytes).contains(label.count) else { return nil }
            wire.append(UInt8(label.count))
            wire.append(contentsOf: label)
        }
        guard wire.count < Self.limitBytes else { return nil }
        wire.append(0)
        self.wire = wire
    }

    /// The name with `label` before it; `nil` when that is too long or the label is none.
    package func prepending(_ label: some Collection<UInt8>) -> DomainName? {
        guard (1...Self.labelLimitBytes).contains(label.count), wire.count + label.count < Self.limitBytes else {
            return nil
        }
        var longer: [UInt8] = []
        longer.reserveCapacity(wire.count + label.count + 1)
        longer.append(UInt8(label.count))
        longer.append(contentsOf: label)
        longer.append(contentsOf: wire)
        return DomainName(checked: longer)
    }

    package func prepending(_ label: String) -> DomainName? { prepending(label.utf8) }

    /// The labels of `name`, then those of this one; `nil` when that is too long.
    package func prepending(_ name: DomainName) -> DomainName? {
        guard wire.count + name.wire.count - 1 <= Self.limitBytes else { return nil }
        return DomainName(checked: Array(name.wire.dropLast()) + wire)
    }

    package var isRoot: Bool { wire.count == 1 }

    /// The name without its first label; the root's is the root.
    package var parent: DomainName {
        isRoot ? self : DomainName(checked: Array(wire[(Int(wire[0]) + 1)...]))
    }

    package var firstLabel: ArraySlice<UInt8> { wire[1..<(Int(wire[0]) + 1)] }

    package var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var position = 0
        while wire[position] != 0 {
            let end = position + 1 + Int(wire[position])
            labels.append(wire[(position + 1)..<end])
            position = end
        }
        return labels
    }

    package var lowercased: DomainName { DomainName(checked: wire.asciiLowercased) }

    /// Whether it is `ancestor` or lies below it.
    package func isWithin(_ ancestor: DomainName) -> Bool {
        let start = wire.count - ancestor.wire.count
        guard start >= 0 else { return false }
        var position = 0
        while position < start { position += Int(wire[position]) + 1 }
        guard position == start else { return false }
        return zip(wire[start...], ancestor.wire).allSatisfy { $0.asciiLowercased == $1.asciiLowercased }
    }

    /// The labels before `ancestor`'s, as a name of their own; `nil` unless it lies in it.
    package func relative(to ancestor: DomainName) -> DomainName? {
        guard isWithin(ancestor) else { return nil }
        return DomainName(checked: Array(wire.dropLast(ancestor.wire.count)) + [0])
    }
}

extension DomainName: Hashable {
    package static func == (left: DomainName, right: DomainName) -> Bool {
        left.wire == right.wire
            || (left.wire.count == right.wire.count
                && zip(left.wire, right.wire).allSatisfy { $0.asciiLowercased == $1.asciiLowercased })
    }

    package func hash(into hasher: inout Hasher) {
        for byte in wire { hasher.combine(byte.asciiLowercased) }
    }
}

extension DomainName: LosslessStringConvertible {
    /// Parses the text form of RFC 1035 §5.1, with or without the final dot; `\.` and `\DDD` stand for bytes.
    package init?(_ text: String) {
        if text == "." {
            self = .root
            return
        }
        var labels: [[UInt8]] = [[]]
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            switch byte {
            case UInt8(ascii: "."): labels.append([])
            case UInt8(ascii: "\\"):
                guard let escaped = bytes.next() else { return nil }
                guard escaped.isASCIIDigit else {
                    labels[labels.count - 1].append(escaped)
                    continue
                }
                guard let second = bytes.next(), let third = bytes.next(), second.isASCIIDigit, third.isASCIIDigit
                else { return nil }
                let value = [escaped, second, third].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
                guard value <= 255 else { return nil }
                labels[labels.count - 1].append(UInt8(value))
            default: labels[labels.count - 1].append(byte)
            }
        }
        if labels.last?.isEmpty == true { labels.removeLast() }
        guard !labels.isEmpty else { return nil }
        self.init(labels: labels)
    }

    /// With the final dot.
    package var description: String {
        guard !isRoot else { return "." }
        var text: [UInt8] = []
        for label in labels {
            for byte in label {
                switch byte {
                case UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: ";"), UInt8(ascii: "("),
                    UInt8(ascii: ")"), UInt8(ascii: "@"), UInt8(ascii: "$"):
                    text += [UInt8(ascii: "\\"), byte]
                case 33...126: text.append(byte)
                default:
                    let digits = [byte / 100, byte / 10 % 10, byte % 10]
                    text += [UInt8(ascii: "\\")] + digits.map { $0 + UInt8(ascii: "0") }
                }
            }
            text.append(UInt8(ascii: "."))
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension UInt8 {
    @inline(__always)
    var asciiLowercased: UInt8 { self &- 65 < 26 ? self | 0x20 : self }
    var isASCIIDigit: Bool { self &- 48 < 10 }
    var isASCIILetter: Bool { (self | 0x20) &- 97 < 26 }
}

extension [UInt8] {
    /// Lengths of labels are below the letters, so this holds for a name's wire form too.
    var asciiLowercased: [UInt8] { map(\.asciiLowercased) }
}
