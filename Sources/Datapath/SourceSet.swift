package import Wire

/// The addresses that a peer may use as the source of packets: its certified prefixes.
///
/// A source must lie in one of them as it stands. IPv4-mapped, 6to4 and other embeddings of an address are different
/// addresses, so they pass only if certified as such. An empty set lets nothing pass.
package struct SourceSet: Sendable {
    private struct IPv4Block: Sendable {
        let value: UInt32
        let mask: UInt32
    }

    private struct IPv6Block: Sendable {
        let high: UInt64
        let low: UInt64
        let highMask: UInt64
        let lowMask: UInt64
    }

    package let prefixes: [IPPrefix]
    private var v4: [IPv4Block] = []
    private var v6: [IPv6Block] = []

    package static let none = SourceSet([])

    package init(_ prefixes: [IPPrefix]) {
        self.prefixes = prefixes
        for prefix in prefixes {
            let ones = (prefix.isIPv4 ? Self.allIPv4 : Self.allIPv6).masked(to: prefix.length)
            switch (prefix.address, ones) {
            case (.v4(let value), .v4(let mask)):
                v4.append(IPv4Block(value: value.rawValue, mask: mask.rawValue))
            case (.v6(let value), .v6(let mask)):
                v6.append(IPv6Block(high: value.high, low: value.low, highMask: mask.high, lowMask: mask.low))
            default:
                break
            }
        }
    }

    package var isEmpty: Bool { prefixes.isEmpty }

    package func contains(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let address):
            for block in v4 where address.rawValue & block.mask == block.value { return true }
        case .v6(let address):
            for block in v6
            where address.high & block.highMask == block.high && address.low & block.lowMask == block.low {
                return true
            }
        }
        return false
    }

    private static let allIPv4 = IPAddress.v4(IPv4Address(rawValue: .max))
    private static let allIPv6 = IPAddress.v6(IPv6Address(high: .max, low: .max))
}
