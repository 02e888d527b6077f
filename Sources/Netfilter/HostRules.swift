package import Wire

/// What KubeMesh wants of the host's packet filter and address translation.
///
/// Containers whose addresses are unique only on this host (Docker's 172.17.x) have mesh addresses too, mapped one to one:
/// ```
/// in from mesh0       to 10.130.7.5    ->  to 172.17.0.5
/// out by mesh0      from 172.17.0.5    ->  from 10.130.7.5
/// on this host      172.17.0.5 to 10.130.7.6 -> from 10.130.7.5 to 172.17.0.6
/// ```
/// Addresses that are the host's own, even inside a mapped block, are left to the host.
package struct HostRules: Equatable, Sendable {
    /// A block of container addresses and the block of mesh addresses that stands for it, equally long.
    package struct Mapping: Hashable, Sendable {
        package let containers: IPPrefix
        package let mesh: IPPrefix
        /// The interface behind which the containers are.
        package let bridge: String

        package init(containers: IPPrefix, mesh: IPPrefix, bridge: String) {
            self.containers = containers
            self.mesh = mesh
            self.bridge = bridge
        }
    }

    /// The TUN interface.
    package let interface: String
    /// The address ranges of the whole mesh: IPv4, IPv6.
    package var meshPrefixes: [IPPrefix]
    /// Mapped blocks. Single addresses may be among them; those become elements of a map, so there may be thousands.
    package var mappings: [Mapping]
    /// Blocks of containers that have mesh-wide unique addresses; nobody may translate them on their way into the mesh.
    package var identities: [IPPrefix]
    /// Networks behind this host that others may reach through it (subnet gateway).
    ///
    /// What arrives from the mesh for any other place beyond this host is dropped: accepting forwarded packets of the mesh
    /// must not open the host's other networks.
    package var gateways: [IPPrefix]

    package init(
        interface: String, meshPrefixes: [IPPrefix], mappings: [Mapping] = [], identities: [IPPrefix] = [],
        gateways: [IPPrefix] = []
    ) {
        self.interface = interface
        self.meshPrefixes = meshPrefixes
        self.mappings = mappings
        self.identities = identities
        self.gateways = gateways
    }

    /// Why these rules cannot be; `nil` when they can.
    package var problem: String? {
        for name in [interface] + mappings.map(\.bridge) where !(1...15).contains(name.utf8.count) {
            return "\"\(name)\" is no interface name: it must have 1 to 15 bytes"
        }
        for mapping in mappings {
            guard mapping.containers.isIPv4 == mapping.mesh.isIPv4, mapping.containers.length == mapping.mesh.length
            else {
                return "\(mapping.containers) and \(mapping.mesh) cannot be mapped one to one: "
                    + "both must be of one family and length"
            }
        }
        return overlap(mappings.map(\.containers)) ?? overlap(mappings.map(\.mesh) + identities)
    }

    /// In sorted order a block can only overlap the widest of those before it, so thousands are compared at once.
    private func overlap(_ prefixes: [IPPrefix]) -> String? {
        var widest: IPPrefix?
        for prefix in prefixes.sorted() {
            if let widest, widest.overlaps(prefix) {
                return "\(widest) and \(prefix) overlap: each address can be mapped once"
            }
            widest = prefix
        }
        return nil
    }
}
