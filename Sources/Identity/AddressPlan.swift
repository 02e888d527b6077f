import Crypto
package import Wire

/// Which addresses of a mesh belong to whom.
///
/// Every node has one *subnet*, a number that gives it both an IPv4 /24 of the mesh's range and an IPv6 /64:
/// ```
///   IPv4  range 10.128.0.0/9, subnet 0x1234  →  10.146.52.0/24     the host itself is .1
///   IPv6  fd + 40 bits of the mesh id + subnet  →  fdxx:xxxx:xxxx:1234::/64     the host itself is ::1
/// ```
/// Subnets 0 to 255, the first /16 of the range, are no node's. The lower half of that /16 is for stock WireGuard clients:
/// client number n has its n-th address, and the n-th of the /64 of subnet 0 (unique local addresses: RFC 4193). The upper
/// half, and the second /112 of that /64, are the cluster addresses of services.
package struct AddressPlan: Hashable, Sendable {
    package static let clientSubnets: Range<UInt16> = 0..<256
    /// A /8 fills the 16 bits of an IPv6 subnet number; a /15 leaves one /16 to nodes.
    package static let rangeLengths = 8...15

    package let meshID: MeshID
    /// IPv4, with a length in `rangeLengths`.
    package let ipv4Range: IPPrefix

    /// `nil` unless `ipv4Range` is an IPv4 prefix of a permitted length.
    package init?(meshID: MeshID, ipv4Range: IPPrefix) {
        guard ipv4Range.isIPv4, Self.rangeLengths.contains(ipv4Range.length) else { return nil }
        self.meshID = meshID
        self.ipv4Range = ipv4Range
    }

    /// All IPv6 addresses of the mesh, a /48.
    package var ipv6Range: IPPrefix { prefix(.v6(IPv6Address(high: ipv6High, low: 0)), 48) }

    /// Where services have their cluster addresses, IPv4 and IPv6: in the mesh's own ranges, so that whoever has a route to the
    /// mesh has one to its services.
    package var serviceRanges: [IPPrefix] {
        let first = ipv4(0x80, host: 0)
        return [prefix(first, 17), prefix(.v6(IPv6Address(high: ipv6High, low: 0x1_0000)), 112)]
    }

    /// Numbers that stock clients have: the lower half of a /16 without its first address.
    package static let clientNumbers: ClosedRange<UInt16> = 1...0x7fff

    /// Subnets that nodes may have.
    package var nodeSubnets: ClosedRange<UInt16> {
        Self.clientSubnets.upperBound...UInt16(truncatingIfNeeded: (1 << (24 - ipv4Range.length)) - 1)
    }

    /// The IPv4 and the IPv6 prefix of a subnet.
    package func prefixes(of subnet: UInt16) -> [IPPrefix] {
        [prefix(ipv4(subnet, host: 0), 24), prefix(ipv6(subnet, host: 0), 64)]
    }

    /// The addresses of the host itself.
    package func addresses(of subnet: UInt16) -> [IPAddress] {
        [ipv4(subnet, host: 1), ipv6(subnet, host: 1)]
    }

    /// The subnet that an address is in; `nil` for an address of no mesh subnet.
    package func subnet(of address: IPAddress) -> UInt16? {
        switch address {
        case .v4(let ipv4):
            guard ipv4Range.contains(address), case .v4(let base) = ipv4Range.address else { return nil }
            return UInt16(truncatingIfNeeded: (ipv4.rawValue - base.rawValue) >> 8)
        case .v6(let ipv6):
            return ipv6Range.contains(address) ? UInt16(truncatingIfNeeded: ipv6.high) : nil
        }
    }

    /// The subnets inside an IPv4 prefix of the range that is a /24 or larger; `nil` for any other prefix, and when it
    /// holds no subnet for nodes.
    package func subnets(in pool: IPPrefix) -> ClosedRange<UInt16>? {
        guard ipv4Range.contains(pool), pool.length <= 24, let first = subnet(of: pool.address) else { return nil }
        let last = first | UInt16(truncatingIfNeeded: (1 << (24 - pool.length)) - 1)
        let range = max(first, nodeSubnets.lowerBound)...max(last, nodeSubnets.lowerBound)
        return last >= nodeSubnets.lowerBound ? range : nil
    }

    /// The subnet that a node takes at its `attempt`-th draw: by hash of its key, so that hosts which join without
    /// seeing each other seldom choose alike.
    package func subnet(for signingKey: Bytes32, attempt: UInt32, in pool: ClosedRange<UInt16>) -> UInt16 {
        var message = ByteWriter()
        message.append(signingKey)
        message.append(bigEndian: attempt)
        let number = BLAKE2s.hash(Array("kubemesh subnet 1".utf8), message.bytes).leadingUInt64
        return pool.lowerBound + UInt16(truncatingIfNeeded: number % UInt64(pool.count))
    }

    /// The first of some draws that `taken` does not hold, else the lowest that is free; `nil` when all are taken.
    package func freeSubnet(
        for signingKey: Bytes32, in pool: ClosedRange<UInt16>, taken: Set<UInt16>
    ) -> UInt16? {
        for attempt in 0..<64 as Range<UInt32> {
            let subnet = subnet(for: signingKey, attempt: attempt, in: pool)
            if !taken.contains(subnet) { return subnet }
        }
        return pool.first { !taken.contains($0) }
    }

    /// The addresses of a client as prefixes of one address each.
    package func prefixes(ofClient number: UInt16) -> [IPPrefix] {
        [
            IPPrefix(ipv4(number >> 8, host: UInt8(truncatingIfNeeded: number))),
            IPPrefix(.v6(IPv6Address(high: ipv6High, low: UInt64(number)))),
        ]
    }

    /// The number that a client's key draws; `nil` when all are taken.
    package func freeClientNumber(for publicKey: Bytes32, taken: Set<UInt16>) -> UInt16? {
        let count = UInt64(Self.clientNumbers.count)
        let start = BLAKE2s.hash(Array("kubemesh client 1".utf8), publicKey.bytes).leadingUInt64 % count
        for offset in 0..<count {
            let number = Self.clientNumbers.lowerBound + UInt16((start + offset) % count)
            if !taken.contains(number) { return number }
        }
        return nil
    }

    /// 0xfd, then 40 bits of the mesh id, then 16 bits for the subnet.
    private var ipv6High: UInt64 { 0xfd << 56 | (meshID.bytes.leadingUInt64 >> 24) << 16 }

    private func ipv4(_ subnet: UInt16, host: UInt8) -> IPAddress {
        guard case .v4(let base) = ipv4Range.address else { preconditionFailure("the range is IPv4") }
        return .v4(IPv4Address(rawValue: base.rawValue | UInt32(subnet) << 8 | UInt32(host)))
    }

    private func ipv6(_ subnet: UInt16, host: UInt64) -> IPAddress {
        .v6(IPv6Address(high: ipv6High | UInt64(subnet), low: host))
    }

    private func prefix(_ address: IPAddress, _ length: Int) -> IPPrefix {
        guard let prefix = IPPrefix(address, length: length) else { preconditionFailure("a fixed length") }
        return prefix
    }
}
