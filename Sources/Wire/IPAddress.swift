/// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address is a different value; see `unmapped`.
package enum IPAddress: Hashable, Comparable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// The address's length in bits, 32 or 128.
    package var bitCount: Int {
        switch self {
        case .v4: 32
        case .v6: 128
        }
    }

    /// Four or sixteen bytes in network order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let address): address.bytes
        case .v6(let address): address.bytes
        }
    }

    package var isIPv4: Bool {
        if case .v4 = self { true } else { false }
    }

    /// The IPv4 address that an IPv4-mapped one stands for, otherwise the address itself.
    package var unmapped: IPAddress {
        if case .v6(let address) = self, let mapped = address.mappedIPv4 { .v4(mapped) } else { self }
    }

    /// Not reachable from the Internet at large: RFC 1918, RFC 6598 (carrier NAT), link-local, loopback, RFC 4193, and IPv6
    /// addresses that stand for such an IPv4 one, be it behind a translator (RFC 6052, RFC 8215).
    package var isPrivate: Bool {
        switch self {
        case .v4(let address):
            let value = address.rawValue
            return value >> 24 == 10 || value >> 20 == 0xac1 || value >> 16 == 0xc0a8 || value >> 22 == 0x6440 >> 6
                || value >> 16 == 0xa9fe || value >> 24 == 127
        case .v6(let address):
            if let mapped = address.mappedIPv4 { return IPAddress.v4(mapped).isPrivate }
            // The well-known prefix leads to wherever its last four bytes do.
            if address.high == 0x0064_ff9b_0000_0000, address.low >> 32 == 0 {
                return IPAddress.v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.low))).isPrivate
            }
            return address.isLinkLocal || address.high >> 16 == 0x0064_ff9b_0001 || address.high >> 57 == 0xfc >> 1
                || (address.high == 0 && address.low == 1)
        }
    }

    /// Whether one other host can have it: not unspecified, loopback, multicast, broadcast or reserved (RFC 6890), and no IPv4
    /// address in IPv6 form.
    package var isUnicast: Bool {
        switch self {
        case .v4(let address):
            let first = address.rawValue >> 24
            return first != 0 && first != 127 && first < 224
        case .v6(let address):
            return !(address.high == 0 && address.low <= 1) && address.high >> 56 != 0xff && address.mappedIPv4 == nil
        }
    }

    /// Four or sixteen bytes in network order; any other count gives `nil`.
    package init?(bytes: [UInt8]) {
        switch bytes.count {
        case 4:
            self = .v4(IPv4Address(bytes[0], bytes[1], bytes[2], bytes[3]))
        case 16:
            let high = bytes[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let low = bytes[8...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            self = .v6(IPv6Address(high: high, low: low))
        default:
            return nil
        }
    }
}

extension IPAddress: LosslessStringConvertible {
    package init?(_ text: some StringProtocol) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    package init?(_ text: String) {
        self.init(text[...])
    }

    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}
