import Netlink
package import PortMapping
package import Wire

extension ContainerNetworks.Host {
    /// IPv6 addresses of one interface that pinholes are asked for.
    private static let addressLimit = 2

    /// Which of the node's own endpoints are to be mapped, and by which gateways: of each interface with a default route the
    /// IPv4 address behind it, if that is a private one, and global IPv6 addresses, those that stay before those for privacy.
    package func mappingTargets(for endpoints: [Endpoint]) -> [MappingTarget] {
        let ways = routes.filter { route in
            route.destination.length == 0 && route.kind == .unicast && route.table == Route.mainTable && !route.isOurs
                && links.contains { $0.index == route.interface && $0.isUp && $0.isRunning }
        }
        var targets: [MappingTarget] = []
        for way in ways.sorted(by: { $0.metric < $1.metric }) {
            guard let interface = way.interface, let address = way.gateway else { continue }
            let gateway = Gateway(address, interface: UInt32(bitPattern: interface))
            // The route with the lowest metric is the one that the interface's packets take.
            let isTaken = targets.contains {
                $0.gateway.interface == gateway.interface && $0.gateway.address.isIPv4 == address.isIPv4
            }
            guard !isTaken else { continue }
            targets += locals(behind: way, on: interface, among: endpoints).map { MappingTarget($0, through: gateway) }
        }
        return targets
    }

    private func locals(behind way: Route, on interface: Int32, among endpoints: [Endpoint]) -> [Endpoint] {
        let own = addresses.filter { $0.interface == interface && $0.address.isIPv4 == way.destination.isIPv4 }
        let usable = own.filter { address in
            address.address.isIPv4 ? address.address.isPrivate : address.address.isGlobalUnicast
        }
        let ordered = usable.sorted { left, right in
            func rank(_ address: InterfaceAddress) -> (Int, Int, IPAddress) {
                let isSource = address.address == way.source
                let isNear = way.gateway.map { address.prefix?.contains($0) ?? false } ?? false
                let isLasting = !address.flags.contains(.temporaryOrSecondary)
                return (isSource || (isNear && isLasting) ? 0 : 1, isLasting ? 0 : 1, address.address)
            }
            return rank(left) < rank(right)
        }
        let found = ordered.compactMap { address in endpoints.first { $0.address == address.address } }
        return Array(found.prefix(way.destination.isIPv4 ? 1 : Self.addressLimit))
    }
}

extension IPAddress {
    /// In 2000::/3, the part of IPv6 that the Internet uses (RFC 4291 §2.4).
    fileprivate var isGlobalUnicast: Bool {
        if case .v6(let address) = self { address.high >> 61 == 1 } else { false }
    }
}
