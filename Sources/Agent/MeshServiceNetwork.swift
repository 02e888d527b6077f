import Configuration
import Identity
import Linux
import Mesh
import Netfilter
import Netlink
import SansIO
import Wire

// The host's network: what the mesh needs of it, and what the mesh learns from it.
extension MeshService {
    /// How often containers that need an address of their own are looked for, and a host that could not be followed is.
    private static let pollInterval: Duration = .seconds(2)

    /// What the host's network is to have for the mesh.
    private var networkPlan: HostNetwork.Plan {
        HostNetwork.Plan(
            interface: configuration.interface, mtuBytes: configuration.innerMTU,
            addresses: node.identity.addresses + (configuration.dns.enabled ? configuration.dns.listen : []),
            ranges: [node.identity.mesh.plan.ipv4Range, node.identity.mesh.plan.ipv6Range])
    }

    func bringUp() throws(AgentError) {
        try host.bringUp(networkPlan)
        do {
            state.remember(try Sysctl.enableForwarding(interfaces: try host.linkNames()))
            let filter = Sysctl.reversePathFilter(of: configuration.interface)
            if let change = try filter.write("0") { state.remember([change]) }
        } catch {
            problems["forwarding"] = "containers cannot be forwarded: \(error)"
        }
        try replan()
        configureNode()
        services.repair(at: SystemClock.now, by: &host.rules)
        services.names.publish()
        services.names.listen()
        hearAll()
        tellWhetherToWatch(at: SystemClock.now)
        drain()
    }

    /// Settles anew how containers are addressed, and what the node says of where it is.
    private func replan() throws(AgentError) {
        let seen = try host.host()
        let networks = ContainerNetworks(
            prefixes: node.identity.prefixes, settings: configuration.containers,
            meshInterface: configuration.interface)
        containers = networks.plan(for: seen, remembered: state.containerAddresses)
        state.containerAddresses = state.containerAddresses.merging(containers.single) { $1 }
        problems["containers"] = containers.problems.isEmpty ? nil : containers.problems.joined(separator: "; ")
        try applyRules(force: false)
        acceptForwarding()
        let plan = node.identity.mesh.plan
        local = LocalAddresses(
            of: seen, sockets: sockets.map(\.localEndpoint), mesh: [plan.ipv4Range, plan.ipv6Range],
            meshInterface: configuration.interface, isForContainers: networks.isForContainers)
        portMapping.follow(configuration.portMapping == .auto ? seen.mappingTargets(for: local.endpoints) : [])
        hostAddresses = Set(seen.addresses.map(\.address))
        lookAround()
        pollAt = seen.links.contains { $0.isBridge } ? SystemClock.now + Self.pollInterval : nil
    }

    func applyRules(force: Bool) throws(AgentError) {
        let plan = node.identity.mesh.plan
        let rules = HostRules(
            interface: configuration.interface, meshPrefixes: [plan.ipv4Range, plan.ipv6Range],
            mappings: containers.mappings, identities: containers.identities)
        try host.apply(rules, force: force)
    }

    func acceptForwarding() {
        do {
            if configuration.forwarding.dockerUser == .auto {
                try host.acceptForwarding()
            } else {
                try host.stopAcceptingForwarding()
            }
            problems["forward policy"] = nil
        } catch {
            problems["forward policy"] = "\(error)"
        }
    }

    /// Interfaces, addresses or containers came or went.
    func followHost(networkChanged: Bool) {
        do {
            if networkChanged || problems["network"] != nil { try host.bringUp(networkPlan) }
            try replan()
            problems["network"] = nil
        } catch {
            if problems["network"] == nil {
                log.warning("the host's network cannot be followed", ["reason": "\(error)"])
            }
            problems["network"] = "\(error)"
            pollAt = SystemClock.now + Self.pollInterval
        }
        configureNode()
        if networkChanged { node.networkChanged(at: SystemClock.now) }
    }
}
