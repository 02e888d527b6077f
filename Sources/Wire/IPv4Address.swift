/// An IPv4 address; `rawValue` is in host order, so 10.0.0.1 is 0x0a000001.
package struct IPv4Address: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    package static let any = IPv4Address(rawValue: 0)

    /// The four bytes in network order.
    package var bytes: [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: rawValue >> (24 - 8 * UInt32($0))) }
    }

    package static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.rawValue < right.rawValue }
}

extension IPv4Address: LosslessStringConvertible {
    /// Parses dotted decimal with exactly four fields and no leading zeros.
    package init?(_ text: some StringProtocol) {
        let fields = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard fields.count == 4 else { return nil }
        var value: UInt32 = 0
        for field in fields {
            guard (1...3).contains(field.count), field.count == 1 || field.first != UInt8(ascii: "0") else {
                return nil
            }
            var octet: UInt32 = 0
            for digit in field {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
                octet = octet * 10 + UInt32(digit - UInt8(ascii: "0"))
            }
            guard octet <= 255 else { return nil }
            value = value << 8 | octet
        }
        rawValue = value
    }

    package init?(_ text: String) {
        self.init(text[...])
    }

    package var description: String {
        bytes.map(String.init).joined(separator: ".")
    }
}
