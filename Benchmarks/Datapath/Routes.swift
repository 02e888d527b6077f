import Datapath
import SansIO
import Wire

/// Look-ups among 10,000 prefixes: those of a mesh, and of all lengths.
func measureRoutes() {
    var random = SeededRandom(seed: 1)
    let mesh4 = (0..<10_000).map { index in
        IPPrefix(.v4(IPv4Address(rawValue: 0x0a80_0000 | UInt32(index) << 8)), length: 24)!
    }
    measure("route look-up, 10,000 IPv4 prefixes /24", mesh4, using: &random)
    let mesh6 = (0..<10_000).map { index in
        IPPrefix(.v6(IPv6Address(high: 0xfd12_3456_789a_0000 | UInt64(index), low: 0)), length: 64)!
    }
    measure("route look-up, 10,000 IPv6 prefixes /64", mesh6, using: &random)
    let mixed4 = (0..<10_000).map { _ in
        IPPrefix(
            .v4(IPv4Address(rawValue: UInt32.random(in: .min ... .max, using: &random))),
            length: Int.random(in: 8...32, using: &random))!
    }
    measure("route look-up, 10,000 IPv4 prefixes of 25 lengths", mixed4, using: &random)
}

private func measure(_ name: String, _ prefixes: [IPPrefix], using random: inout SeededRandom) {
    let table = RouteTable(prefixes.enumerated().map { ($1, $0) })
    let addresses = (0..<4096).map { _ in
        prefixes.randomElement(using: &random)!.address(at: UInt64.random(in: 0...1, using: &random))
            ?? prefixes[0].address
    }
    var found = 0
    Measurement(name, units: addresses.count * 100) {
        for _ in 0..<100 {
            for address in addresses where table.lookup(address) != nil { found += 1 }
        }
    }.report()
    precondition(found == addresses.count * 100 * 21)
}
