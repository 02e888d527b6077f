package import Configuration
package import Netfilter
package import Netlink
package import Wire

/// How the containers of this host appear in the mesh: decided from what the kernel shows, with no word to Docker or a CNI plugin.
///
/// - A local network inside the node's own prefix (a CNI bridge, a routed namespace) is an *identity*: nothing is translated.
/// - Another bridge's network is mapped 1:1 into the node's prefix. Where it is no longer than half of it, as a whole. A longer
///   one (Docker's 172.17.0.0/16 against a /24) gets the lower half of the prefix for its first addresses, which covers the
///   first 126 containers before they exist; every other container gets an address of the upper half when it is first seen.
///
/// ```
///   node's prefix  10.130.7.0/24
///     10.130.7.0/25    <->  172.17.0.0/25          docker0, as a block
///     10.130.7.128-254 <->  172.17.3.9, 172.18.0.2 one by one, remembered
/// ```
package struct ContainerNetworks: Equatable {
    /// The host's network as far as it matters here.
    package struct Host: Equatable {
        package var links: [Link]
        package var addresses: [InterfaceAddress]
        package var routes: [Route]
        package var neighbours: [Neighbour]

        package init(links: [Link], addresses: [InterfaceAddress], routes: [Route], neighbours: [Neighbour]) {
            self.links = links
            self.addresses = addresses
            self.routes = routes
            self.neighbours = neighbours
        }
    }

    package struct Plan: Equatable {
        package var mappings: [HostRules.Mapping] = []
        package var identities: [IPPrefix] = []
        /// What could not be mapped, and why.
        package var problems: [String] = []
        /// Container addresses by the mesh address that each was given one by one.
        package var single: [IPAddress: IPAddress] = [:]
    }

    private let prefixes: [IPPrefix]
    private let settings: Configuration.Containers
    private let meshInterface: String

    package init(prefixes: [IPPrefix], settings: Configuration.Containers, meshInterface: String) {
        self.prefixes = prefixes
        self.settings = settings
        self.meshInterface = meshInterface
    }

    /// - Parameter remembered: single addresses of earlier plans, container's by mesh's; kept as long as they fit.
    package func plan(for host: Host, remembered: [IPAddress: IPAddress]) -> Plan {
        var plan = Plan()
        plan.identities = identities(host)
        guard settings.mapping == .auto else { return plan }
        for prefix in prefixes {
            let networks = mappedNetworks(host, ipv4: prefix.isIPv4)
            if prefix.isIPv4 {
                mapIPv4(networks, into: prefix, host, remembered, &plan)
            } else {
                mapIPv6(networks, into: prefix, &plan)
            }
        }
        return plan
    }

    // MARK: what there is

    private struct Network {
        let prefix: IPPrefix
        let bridge: Link
    }

    /// Local networks that lie inside the node's own prefixes.
    private func identities(_ host: Host) -> [IPPrefix] {
        let meshIndex = host.links.first { $0.name == meshInterface }?.index
        let connected = host.addresses.filter { $0.interface != meshIndex }.compactMap(\.prefix)
        let routed = host.routes.filter { $0.interface != meshIndex && $0.kind == .unicast && !$0.isOurs }.map(
            \.destination)
        let inside = (connected + routed).filter { candidate in prefixes.contains { $0.contains(candidate) } }
        var widest: [IPPrefix] = []
        for candidate in inside.sorted(by: { ($0.length, $0) < ($1.length, $1) })
        where !widest.contains(where: { $0.contains(candidate) }) {
            widest.append(candidate)
        }
        return widest.sorted()
    }

    /// Networks of container bridges that are no part of the mesh, Docker's own first.
    private func mappedNetworks(_ host: Host, ipv4: Bool) -> [Network] {
        let bridges = host.links.filter(isContainerBridge)
            .sorted { ($0.name == "docker0" ? 0 : 1, $0.index) < ($1.name == "docker0" ? 0 : 1, $1.index) }
        var networks: [Network] = []
        for bridge in bridges {
            let stated = settings.prefixes.filter { $0.bridge == bridge.name }.map(\.prefix)
            let shown = host.addresses.filter { $0.interface == bridge.index }.compactMap(\.prefix)
            for prefix in stated.isEmpty ? shown : stated
            where prefix.isIPv4 == ipv4 && !isLinkLocal(prefix) && !prefixes.contains(where: { $0.overlaps(prefix) }) {
                networks.append(Network(prefix: prefix, bridge: bridge))
            }
        }
        return networks
    }

    private func isContainerBridge(_ link: Link) -> Bool {
        guard link.isBridge else { return false }
        if settings.prefixes.contains(where: { $0.bridge == link.name }) { return true }
        if !settings.bridges.isEmpty { return settings.bridges.contains(link.name) }
        return hasContainersName(link)
    }

    /// Whether a link leads to containers and nothing else, whether or not they are part of the mesh.
    package func isForContainers(_ link: Link) -> Bool {
        isContainerBridge(link) || (link.isBridge && hasContainersName(link))
    }

    private func hasContainersName(_ link: Link) -> Bool {
        ["docker", "br-", "cni", "cbr", "podman", "nerdctl", "kube-bridge"].contains { link.name.hasPrefix($0) }
    }

    private func isLinkLocal(_ prefix: IPPrefix) -> Bool {
        switch prefix.address {
        case .v4(let address): address.rawValue >> 16 == 0xa9fe
        case .v6(let address): address.isLinkLocal
        }
    }

    // MARK: IPv4

    private func mapIPv4(
        _ networks: [Network], into prefix: IPPrefix, _ host: Host, _ remembered: [IPAddress: IPAddress],
        _ plan: inout Plan
    ) {
        guard let lower = IPPrefix(prefix.address, length: prefix.length + 1) else { return }
        let half = UInt64(1) << UInt64(31 - prefix.length)
        var blockIsFree = !plan.identities.contains { $0.overlaps(lower) }
        var blocks: [IPPrefix] = []
        for network in networks {
            let length = max(network.prefix.length, lower.length)
            guard blockIsFree, let inside = IPPrefix(network.prefix.address, length: length),
                let outside = IPPrefix(lower.address, length: length)
            else { continue }
            plan.mappings.append(.init(containers: inside, mesh: outside, bridge: network.bridge.name))
            blocks.append(inside)
            blockIsFree = false
        }
        // One by one: .128 to .254 of a /24.
        let pool = (half..<(2 * half - 1)).compactMap { prefix.address(at: $0) }
            .filter { address in !plan.identities.contains { $0.contains(address) } }
        var taken: Set<IPAddress> = []
        var unmapped = 0
        for (container, bridge) in singles(networks, host, outside: blocks) {
            let kept = remembered[container].flatMap { pool.contains($0) && !taken.contains($0) ? $0 : nil }
            let reserved = Set(remembered.values)
            let fresh =
                pool.first { !taken.contains($0) && !reserved.contains($0) } ?? pool.first { !taken.contains($0) }
            guard let address = kept ?? fresh else {
                unmapped += 1
                continue
            }
            taken.insert(address)
            plan.single[container] = address
            plan.mappings.append(
                .init(containers: IPPrefix(container), mesh: IPPrefix(address), bridge: bridge.name))
        }
        if unmapped > 0 {
            plan.problems.append(
                "\(unmapped) containers have no mesh address: \(prefix) has no more for those outside \(lower)")
        }
    }

    /// Known containers that no block covers, ordered by address.
    private func singles(
        _ networks: [Network], _ host: Host, outside blocks: [IPPrefix]
    ) -> [(container: IPAddress, bridge: Link)] {
        let hostAddresses = Set(host.addresses.map(\.address))
        return networks.flatMap { network in
            host.neighbours
                .filter { $0.interface == network.bridge.index && $0.isKnown && network.prefix.contains($0.address) }
                .filter { neighbour in !blocks.contains { $0.contains(neighbour.address) } }
                .filter { !hostAddresses.contains($0.address) }
                .map { ($0.address, network.bridge) }
        }
        .sorted { $0.0 < $1.0 }
    }

    // MARK: IPv6

    /// Whole networks only: a bridge's /80 or longer becomes a part of the node's /64, a single /64 all of it.
    private func mapIPv6(_ networks: [Network], into prefix: IPPrefix, _ plan: inout Plan) {
        guard let longest = networks.map(\.prefix.length).min(), longest >= prefix.length else {
            for network in networks where network.prefix.length < prefix.length {
                plan.problems.append("\(network.prefix) of \(network.bridge.name) is larger than the node's \(prefix)")
            }
            return
        }
        var index: UInt64 = 0
        for network in networks {
            // Equal steps of the widest network's size, so that no two overlap.
            let step = 128 - longest
            guard step < 64 || index == 0, let base = prefix.address(at: step < 64 ? index << UInt64(step) : 0),
                let outside = IPPrefix(base, length: network.prefix.length),
                !plan.identities.contains(where: { $0.overlaps(outside) })
            else {
                plan.problems.append("\(network.prefix) of \(network.bridge.name) finds no room in \(prefix)")
                continue
            }
            plan.mappings.append(.init(containers: network.prefix, mesh: outside, bridge: network.bridge.name))
            index += 1
        }
    }
}
