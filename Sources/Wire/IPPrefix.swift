/// An address block: the network address with its host bits zero, and the number of leading bits that count.
package struct IPPrefix: Hashable, Comparable, Sendable {
    package let address: IPAddress
    /// 0...32 for IPv4, 0...128 for IPv6.
    package let length: Int

    /// Host bits in `address` are cleared. `nil` when `length` is out of range.
    package init?(_ address: IPAddress, length: Int) {
        guard (0...address.bitCount).contains(length) else { return nil }
        self.address = address.masked(to: length)
        self.length = length
    }

    /// The block that holds just `address`.
    package init(_ address: IPAddress) {
        self.address = address
        length = address.bitCount
    }

    package var isIPv4: Bool { address.isIPv4 }
    package var isSingleAddress: Bool { length == address.bitCount }

    package func contains(_ candidate: IPAddress) -> Bool {
        candidate.bitCount == address.bitCount && candidate.masked(to: length) == address
    }

    package func contains(_ other: IPPrefix) -> Bool {
        other.length >= length && contains(other.address)
    }

    package func overlaps(_ other: IPPrefix) -> Bool {
        contains(other) || other.contains(self)
    }

    /// The address `offset` places after the network address; `nil` when that leaves the block.
    package func address(at offset: UInt64) -> IPAddress? {
        let candidate: IPAddress
        switch address {
        case .v4(let base):
            let (sum, overflow) = UInt64(base.rawValue).addingReportingOverflow(offset)
            guard !overflow, sum <= UInt64(UInt32.max) else { return nil }
            candidate = .v4(IPv4Address(rawValue: UInt32(sum)))
        case .v6(let base):
            let (low, carry) = base.low.addingReportingOverflow(offset)
            candidate = .v6(IPv6Address(high: carry ? base.high &+ 1 : base.high, low: low))
        }
        return contains(candidate) ? candidate : nil
    }

    package static func < (left: IPPrefix, right: IPPrefix) -> Bool {
        (left.address, left.length) < (right.address, right.length)
    }
}

extension IPPrefix: LosslessStringConvertible {
    /// Parses "address/length"; a bare address is the block of that address alone. Host bits must be zero.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
        if parts.count == 1 {
            self.init(address)
            return
        }
        guard parts[1].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let length = Int(parts[1])
        else { return nil }
        self.init(address, length: length)
        guard self.address == address else { return nil }
    }

    package init?(_ text: String) {
        self.init(text[...])
    }

    package var description: String { "\(address)/\(length)" }
}

extension IPAddress {
    /// The address with all bits after the first `length` cleared.
    package func masked(to length: Int) -> IPAddress {
        switch self {
        case .v4(let address):
            .v4(IPv4Address(rawValue: address.rawValue & Self.mask32(length)))
        case .v6(let address):
            .v6(
                IPv6Address(
                    high: address.high & Self.mask64(min(length, 64)),
                    low: address.low & Self.mask64(max(length - 64, 0))))
        }
    }

    private static func mask32(_ length: Int) -> UInt32 {
        length == 0 ? 0 : UInt32.max << UInt32(32 - length)
    }

    private static func mask64(_ length: Int) -> UInt64 {
        length == 0 ? 0 : UInt64.max << UInt64(64 - length)
    }
}
