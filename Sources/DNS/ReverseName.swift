package import Wire

/// What a name in `in-addr.arpa` or `ip6.arpa` stands for (RFC 1035 §3.5, RFC 3596 §2.5).
enum ReverseName: Equatable {
    case address(IPAddress)
    /// The name of a zone cut or of nothing: some of the leading bits.
    case block(IPPrefix)

    private static let ipv4Suffix = DomainName(checked: [7] + Array("in-addr".utf8) + [4] + Array("arpa".utf8) + [0])
    private static let ipv6Suffix = DomainName(checked: [3] + Array("ip6".utf8) + [4] + Array("arpa".utf8) + [0])

    /// `nil` for any other name. `lowercased` is in lower case.
    init?(lowercased wire: [UInt8]) {
        // Most names end otherwise: seen at one look.
        guard wire.count >= 10, wire[wire.count - 6] == 4, wire[(wire.count - 5)...].elementsEqual("arpa\0".utf8) else {
            return nil
        }
        let name = DomainName(checked: wire)
        if let digits = name.relative(to: Self.ipv4Suffix)?.labels {
            guard let value = Self.value(digits, limit: 4, octet: { Self.decimal($0) }, bits: 8) else { return nil }
            self = Self.made(.v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: value[1]))), bits: digits.count * 8)
        } else if let digits = name.relative(to: Self.ipv6Suffix)?.labels {
            guard let value = Self.value(digits, limit: 32, octet: { Self.nibble($0) }, bits: 4) else { return nil }
            self = Self.made(.v6(IPv6Address(high: value[0], low: value[1])), bits: digits.count * 4)
        } else {
            return nil
        }
    }

    private static func made(_ address: IPAddress, bits: Int) -> ReverseName {
        if bits == address.bitCount { return .address(address) }
        return .block(IPPrefix(address, length: bits) ?? IPPrefix(address))
    }

    /// The leading bits as 128, the missing ones zero; labels come last bits first.
    private static func value(
        _ labels: [ArraySlice<UInt8>], limit: Int, octet: (ArraySlice<UInt8>) -> UInt64?, bits: Int
    ) -> [UInt64]? {
        guard labels.count <= limit else { return nil }
        var value: [UInt64] = [0, 0]
        for index in 0..<limit {
            value[0] = value[0] << UInt64(bits) | value[1] >> UInt64(64 - bits)
            value[1] <<= UInt64(bits)
            guard index < labels.count else { continue }
            guard let part = octet(labels[labels.count - 1 - index]) else { return nil }
            value[1] |= part
        }
        return value
    }

    private static func decimal(_ label: ArraySlice<UInt8>) -> UInt64? {
        guard (1...3).contains(label.count), label.allSatisfy(\.isASCIIDigit),
            label.count == 1 || label.first != UInt8(ascii: "0")
        else { return nil }
        let value = label.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
        return value <= 255 ? value : nil
    }

    private static func nibble(_ label: ArraySlice<UInt8>) -> UInt64? {
        guard label.count == 1, let digit = label.first else { return nil }
        if digit.isASCIIDigit { return UInt64(digit - UInt8(ascii: "0")) }
        return (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit) ? UInt64(digit - UInt8(ascii: "a")) + 10 : nil
    }
}

extension DomainName {
    /// The name that holds the PTR records of `address`.
    package init(reverse address: IPAddress) {
        var text = ""
        switch address {
        case .v4(let address):
            text = address.bytes.reversed().map { "\($0)." }.joined() + "in-addr.arpa"
        case .v6(let address):
            for byte in address.bytes.reversed() {
                text += "\(String(byte & 15, radix: 16)).\(String(byte >> 4, radix: 16))."
            }
            text += "ip6.arpa"
        }
        self = DomainName(text) ?? .root  // Digits and dots, well below the limits.
    }
}

/// An address as one label: `10-1-2-3`, `fd00--1`; with a zero where the label would begin or end in a hyphen.
package enum DashedAddress {
    package static func label(of address: IPAddress) -> String {
        switch address {
        case .v4(let address): return address.bytes.map { String($0) }.joined(separator: "-")
        case .v6(let address):
            let text: String
            if address.mappedIPv4 != nil {
                text =
                    "0--ffff-\(String(address.low >> 16 & 0xffff, radix: 16))-\(String(address.low & 0xffff, radix: 16))"
            } else {
                text = String(address.description.map { $0 == ":" ? "-" : $0 })
            }
            return (text.hasPrefix("-") ? "0" : "") + text + (text.hasSuffix("-") ? "0" : "")
        }
    }

    package static func address(of label: ArraySlice<UInt8>) -> IPAddress? {
        guard label.count >= 3, label.contains(UInt8(ascii: "-")),
            label.allSatisfy({ $0.isASCIIDigit || $0 == UInt8(ascii: "-") || ($0 | 0x20) &- 97 < 6 })
        else { return nil }
        let text = String(decoding: label, as: UTF8.self)
        if let address = IPv4Address(String(text.map { $0 == "-" ? "." : $0 })) { return .v4(address) }
        return IPv6Address(String(text.map { $0 == "-" ? ":" : $0 })).map { .v6($0) }
    }
}
