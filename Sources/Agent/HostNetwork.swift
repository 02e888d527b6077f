import Configuration
import Glibc
import Linux
import Netfilter
import Netlink
import Wire

/// The mesh's part of this host's network: addresses and routes on the TUN interface, rules, forwarding.
///
/// Each step is idempotent, so that a restarted daemon takes over what its predecessor left, and can be taken back exactly.
struct HostNetwork: ~Copyable {
    /// What was last asked for.
    struct Plan: Equatable {
        var interface: String
        var mtuBytes: Int
        /// The host's own mesh addresses.
        var addresses: [IPAddress]
        /// The ranges of the whole mesh.
        var ranges: [IPPrefix]
    }

    private(set) var routes: RouteSocket
    var rules: RuleSocket
    private var appliedRules: HostRules?
    /// IPv6 is switched off on this host, or for its interfaces: the mesh's IPv6 addresses cannot be had here.
    private(set) var lacksIPv6 = false
    private let forward: ForwardAccept

    static func open(interface: String) throws(AgentError) -> HostNetwork {
        let routes = try openRoutes()
        let rules = try openRules()
        return HostNetwork(routes: routes, rules: rules, forward: ForwardAccept(interface: interface))
    }

    private init(routes: consuming RouteSocket, rules: consuming RuleSocket, forward: ForwardAccept) {
        self.routes = routes
        self.rules = rules
        self.forward = forward
    }

    private static func openRoutes() throws(AgentError) -> RouteSocket {
        do { return try RouteSocket() } catch { throw .netlink(error) }
    }

    private static func openRules() throws(AgentError) -> RuleSocket {
        do { return try RuleSocket() } catch { throw .rules(error) }
    }

    /// A route of this host that a range of the mesh would cut a piece out of; `nil` if there is none.
    mutating func overlap(with ranges: [IPPrefix], interface: String) throws(AgentError) -> (IPPrefix, Route)? {
        do {
            let own = try routes.link(named: interface)?.index
            for route in try routes.routes()
            where route.destination.length > 0 && route.interface != own && !route.isOurs {
                for range in ranges where route.destination.contains(range) { return (range, route) }
            }
            return nil
        } catch {
            throw .netlink(error)
        }
    }

    /// Puts addresses and routes on the interface, and takes away those of an earlier plan. A host without IPv6 has none of its.
    mutating func bringUp(_ plan: Plan) throws(AgentError) {
        lacksIPv6 = false
        do {
            guard let link = try routes.link(named: plan.interface) else {
                throw NetlinkError.malformed("interface \(plan.interface) is gone")
            }
            try routes.setMTU(plan.mtuBytes, of: link.index)
            for existing in try routes.addresses(on: link.index)
            where !plan.addresses.contains(existing.address) && !isLinkLocal(existing.address) {
                try routes.remove(existing)
            }
            for address in plan.addresses { try add(address, to: link) }
            try routes.setLink(link.index, up: true)
            for range in plan.ranges where range.isIPv4 || !lacksIPv6 {
                let source = plan.addresses.first { $0.isIPv4 == range.isIPv4 }
                try routes.add(Route(to: range, interface: link.index, source: source))
            }
        } catch let error as NetlinkError {
            throw .netlink(error)
        } catch {
            throw .netlink(.malformed("\(error)"))
        }
    }

    private mutating func add(_ address: IPAddress, to link: Link) throws(NetlinkError) {
        do throws(NetlinkError) {
            try routes.add(
                InterfaceAddress(
                    address, prefixLength: address.bitCount, interface: link.index,
                    flags: [.noDuplicateDetection, .noPrefixRoute]))
        } catch {
            // The kernel's words for disable_ipv6, and for having no IPv6 at all; who lacks the right is told EPERM.
            guard !address.isIPv4, error.code == EACCES || error.code == EOPNOTSUPP else { throw error }
            lacksIPv6 = true
        }
    }

    private func isLinkLocal(_ address: IPAddress) -> Bool {
        if case .v6(let address) = address { address.isLinkLocal } else { false }
    }

    mutating func linkNames() throws(AgentError) -> [String] {
        do {
            return try routes.links().map(\.name)
        } catch {
            throw .netlink(error)
        }
    }

    /// What the containers' addressing is decided from.
    mutating func host() throws(AgentError) -> ContainerNetworks.Host {
        do {
            let links = try routes.links()
            var neighbours: [Neighbour] = []
            for bridge in links where bridge.isBridge { neighbours += try routes.neighbours(on: bridge.index) }
            return ContainerNetworks.Host(
                links: links, addresses: try routes.addresses(), routes: try routes.routes(), neighbours: neighbours)
        } catch {
            throw .netlink(error)
        }
    }

    /// Replaces our rules, unless they are so already; `force` after somebody else has touched them.
    mutating func apply(_ wanted: HostRules, force: Bool = false) throws(AgentError) {
        guard force || wanted != appliedRules else { return }
        do {
            try rules.apply(wanted)
            appliedRules = wanted
            _ = try rules.forgetOutdatedConnections(wanted)
        } catch {
            throw .rules(error)
        }
    }

    mutating func acceptForwarding() throws(AgentError) {
        do {
            _ = try forward.ensure(by: &rules)
        } catch {
            throw .rules(error)
        }
    }

    mutating func stopAcceptingForwarding() throws(AgentError) {
        do {
            try ForwardAccept.remove(by: &rules)
        } catch {
            throw .rules(error)
        }
    }

    mutating func forwardPolicy() -> ForwardPolicy? {
        try? ForwardPolicy.read(by: &rules)  // For `status` only: what cannot be read is not shown.
    }

    /// Takes away rules and routes, all that can be; the interface goes with its descriptor. Throws the first problem.
    mutating func tearDown() throws(AgentError) {
        var problem: AgentError?
        appliedRules = nil
        do { try rules.remove() } catch { problem = .rules(error) }
        do { try ServiceTable.remove(by: &rules) } catch { problem = problem ?? .rules(error) }
        do { try ForwardAccept.remove(by: &rules) } catch { problem = problem ?? .rules(error) }
        do {
            for route in try routes.routes(routingProtocol: Route.ownProtocol) { try routes.remove(route) }
        } catch {
            problem = problem ?? .netlink(error)
        }
        if let problem { throw problem }
    }
}
