import Datapath
import SansIO
import Testing
import Wire

struct RouteTableTests {
    @Test func `an empty table knows no address`() {
        #expect(RouteTable.empty.lookup(IPAddress("10.0.0.1")!) == nil)
        #expect(RouteTable.empty.lookup(IPAddress("::1")!) == nil)
    }

    @Test func `the longest prefix wins and families are apart`() {
        let table = RouteTable([
            (IPPrefix("0.0.0.0/0")!, 0), (IPPrefix("10.0.0.0/8")!, 1), (IPPrefix("10.1.0.0/16")!, 2),
            (IPPrefix("10.1.2.3/32")!, 3), (IPPrefix("fd00::/8")!, 4), (IPPrefix("fd00:1::/64")!, 5),
            (IPPrefix("fd00:1::9/128")!, 6),
        ])
        let expected: [(String, Int?)] = [
            ("9.9.9.9", 0), ("10.9.9.9", 1), ("10.1.9.9", 2), ("10.1.2.3", 3), ("fd99::1", 4), ("fd00:1::8", 5),
            ("fd00:1::9", 6), ("fc00::1", nil), ("::ffff:10.1.2.3", nil),
        ]
        for (address, value) in expected {
            #expect(table.lookup(IPAddress(address)!) == value, "\(address)")
        }
    }

    @Test func `random tables agree with a search through all prefixes`() {
        var random = SeededRandom(seed: 7)
        for round in 0..<20 {
            let routes = (0..<200).map { value in (randomPrefix(using: &random), value) }
            let table = RouteTable(routes)
            for _ in 0..<400 {
                let address = randomAddress(isIPv4: Bool.random(using: &random), using: &random)
                #expect(table.lookup(address) == bestMatch(address, in: routes), "round \(round), \(address)")
            }
        }
    }

    private func bestMatch(_ address: IPAddress, in routes: [(IPPrefix, Int)]) -> Int? {
        var best: (length: Int, value: Int)?
        for (prefix, value) in routes where prefix.contains(address) && prefix.length >= best?.length ?? 0 {
            best = (prefix.length, value)
        }
        return best?.value
    }

    private func randomPrefix(using random: inout SeededRandom) -> IPPrefix {
        let address = randomAddress(isIPv4: Bool.random(using: &random), using: &random)
        return IPPrefix(address, length: Int.random(in: 0...address.bitCount, using: &random))!
    }

    /// Few different bits, so that prefixes nest and addresses hit.
    private func randomAddress(isIPv4: Bool, using random: inout SeededRandom) -> IPAddress {
        let bits = random.next() & random.next() & 0x8181_0101_8100_0181
        return isIPv4
            ? .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: bits)))
            : .v6(IPv6Address(high: bits, low: random.next() & random.next() & 0x8000_0000_0000_0003))
    }
}
