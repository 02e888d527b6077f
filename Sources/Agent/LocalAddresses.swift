package import Netlink
package import Wire

/// Where this host stands in the networks around it: what the node says of its own addresses, and which addresses of others
/// are near.
package struct LocalAddresses: Equatable {
    /// At which addresses, and ports of our sockets, this host may be reached, public ones first.
    package var endpoints: [Endpoint] = []
    /// Private networks that this host is on, or has a route to other than the default one.
    package var prefixes: [IPPrefix] = []
    /// Networks of this host's containers.
    package var containers: [IPPrefix] = []

    package init() {}

    /// - Parameters:
    ///   - sockets: what the node's sockets are bound to.
    ///   - mesh: the mesh's own ranges, and `meshInterface` their interface: neither is a way to this host from outside.
    ///   - isForContainers: whether a link leads to containers and nothing else.
    package init(
        of host: ContainerNetworks.Host, sockets: [Endpoint], mesh: [IPPrefix], meshInterface: String,
        isForContainers: (Link) -> Bool
    ) {
        let outer = host.links.filter { $0.isUp && !$0.isLoopback && $0.name != meshInterface }
        let inner = Set(outer.filter(isForContainers).map(\.index))
        let usable = Set(outer.map(\.index)).subtracting(inner)
        containers = Self.widest(host.addresses.filter { inner.contains($0.interface) }.compactMap(\.prefix))
        let addresses = host.addresses.filter { address in
            usable.contains(address.interface) && !address.flags.contains(.tentative)
                && !address.flags.contains(.deprecated) && !mesh.contains { $0.contains(address.address) }
        }
        for address in addresses.map(\.address) {
            if case .v6(let v6) = address, v6.isLinkLocal { continue }
            let socket = sockets.first { socket in
                socket.address.isIPv4 == address.isIPv4
                    && (socket.address == address || socket.address == .v4(.any) || socket.address == .v6(.any))
            }
            if let socket { endpoints.append(Endpoint(address, port: socket.port)) }
        }
        endpoints.sort { ($0.address.isPrivate ? 1 : 0, $0) < ($1.address.isPrivate ? 1 : 0, $1) }
        let routed = host.routes.filter { route in
            route.kind == .unicast && route.table == Route.mainTable && !route.isOurs && route.destination.length > 0
                && route.interface.map(usable.contains) ?? false
        }
        let near = addresses.compactMap(\.prefix) + routed.map(\.destination)
        prefixes = Self.widest(near.filter { $0.address.isPrivate && !$0.isSingleAddress })
    }

    /// The prefixes that no other one contains, in order.
    private static func widest(_ prefixes: [IPPrefix]) -> [IPPrefix] {
        var widest: [IPPrefix] = []
        for prefix in prefixes.sorted(by: { ($0.length, $0) < ($1.length, $1) })
        where !widest.contains(where: { $0.contains(prefix) }) {
            widest.append(prefix)
        }
        return widest.sorted()
    }
}
