package import Wire

/// Where a host lives: on the internet, or behind a NAT or firewall of some kind.
package enum Dwelling: String, CaseIterable, Sendable {
    case open, fullCone, restricted, portRestricted, home, symmetric, predictable
    /// A home router behind a carrier's NAT.
    case carrier
    /// IPv4 and IPv6 addresses of its own behind a stateful firewall.
    case firewalled

    /// The NAT before the host's own network, if there is one.
    var behavior: NATBehavior? {
        switch self {
        case .open, .firewalled: nil
        case .fullCone: .fullCone
        case .restricted: .restricted
        case .portRestricted: .portRestricted
        case .home, .carrier: .home
        case .symmetric: .symmetric
        case .predictable: .predictable
        }
    }
}

/// Hands out addresses and builds the sites that hosts live at: every site has a WAN address of its own.
package struct Settlement: Sendable {
    private static let capacity: UInt32 = 30_000

    private var siteCount: UInt32 = 0
    /// Every NAT and firewall, in the order they were made.
    package private(set) var gateways: [Fabric.GatewayID] = []

    package init() {}

    /// An address on the internet that nobody has.
    package mutating func takeAddress() -> IPAddress {
        precondition(siteCount < Self.capacity, "there are no more addresses")
        siteCount += 1
        return .v4(IPv4Address(rawValue: 0xc612_0000 + siteCount * 4 + 2))
    }

    /// Makes a site and says where a host on it is plugged in. `neighbours`: how many more hosts share the network.
    package mutating func settle(_ dwelling: Dwelling, in fabric: inout Fabric, neighbours: Int = 0) -> [Place] {
        let outside = takeAddress()
        let site = IPv6Address(high: 0x2001_0db8_0000_0000 | UInt64(siteCount), low: 0)
        func inside(_ made: (gateway: Fabric.GatewayID, inside: Fabric.NetworkID)) -> [Place] {
            let network = made.inside
            gateways.append(made.gateway)
            return (0...neighbours).map { Place(network, .v4(IPv4Address(192, 168, 1, UInt8($0 + 2)))) }
        }
        switch dwelling {
        case .open:
            return [Place(Fabric.internet, outside, .v6(IPv6Address(high: site.high, low: 2)))]
        case .firewalled:
            let block = IPPrefix(.v4(IPv4Address(rawValue: 0xcb00_0000 + siteCount * 256)), length: 24)
            let prefixes = [block, IPPrefix(.v6(site), length: 64)].compactMap { $0 }
            let (gateway, network) = fabric.addGateway(nil, at: outside, routing: prefixes)
            gateways.append(gateway)
            return (0...neighbours).compactMap { number in
                block?.address(at: UInt64(number + 2)).map {
                    Place(network, $0, .v6(IPv6Address(high: site.high, low: UInt64(number + 2))))
                }
            }
        case .carrier:
            let carrier = fabric.addGateway(.carrier, at: outside)
            let router = IPAddress.v4(IPv4Address(100, 64, 0, 2))
            gateways.append(carrier.gateway)
            return inside(fabric.addGateway(dwelling.behavior, at: router, in: carrier.inside))
        default: return inside(fabric.addGateway(dwelling.behavior, at: outside))
        }
    }
}
