import Configuration
import ControlAPI
import Crypto
import Datapath
import Identity
import Linux
import Mesh
import Netfilter
import Netlink
import PacketIO
import Relay
import SansIO
import Traversal
import Wire

/// The running mesh: the node, its packet threads, and its part of the host's network.
///
/// Confined to the control thread. Whoever owns it forwards readiness of `descriptors` and calls `advance` when `nextDeadline`
/// has passed.
final class MeshService {
    private(set) var node: Node
    private(set) var configuration: Configuration
    private(set) var host: HostNetwork
    private(set) var containers = ContainerNetworks.Plan()
    /// Findings that `status` shows beside the node's own.
    private(set) var problems: [String: String] = [:]
    let threads: PacketThreads
    let sockets: [UDPSocket]
    let streams: StreamService
    /// Receives only: what members send there shows them what their NAT does. Nothing fails without it.
    private let secondSocket: UDPSocket?
    let routeEvents: RouteEvents
    let ruleEvents: RuleEvents
    let portMapping: PortMappingService
    let probes: NATProbe
    let startedAt: Instant
    /// Answers to `ping`, by token.
    var onExplained: (UInt64, Mesh.Explanation?) -> Void = { _, _ in }
    var onPong: (UInt64, Duration, ControlAPI.Path, Endpoint?) -> Void = { _, _, _, _ in }

    private let tun: TunDevice
    private let state: StateKeeper
    private let log: Log
    private var replanAt: Instant?
    private var pollAt: Instant?

    /// Addresses and routes of many containers change together; they are looked at once.
    private static let replanDelay: Duration = .milliseconds(50)
    /// How often containers that need an address of their own are looked for, and a host that could not be followed is.
    private static let pollInterval: Duration = .seconds(2)

    init(
        identity: NodeIdentity, configuration: Configuration, state: StateKeeper, log: Log
    ) throws(AgentError) {
        self.configuration = configuration
        self.state = state
        self.log = log
        startedAt = SystemClock.now
        let name = configuration.interface
        host = try HostNetwork.open(interface: name)
        let ranges = [identity.mesh.plan.ipv4Range, identity.mesh.plan.ipv6Range]
        if let (range, route) = try host.overlap(with: ranges, interface: name) {
            throw .overlap(range: "\(range)", route: "\(route.destination)")
        }
        do { tun = try TunDevice(name: name) } catch { throw .tun(error) }
        sockets = try UDPSocket.open(configuration.listen)
        secondSocket = UDPSocket.second(beside: sockets)
        do {
            routeEvents = try RouteEvents()
            ruleEvents = try RuleEvents(ignoring: host.rules)
        } catch let error as NetlinkError {
            throw .netlink(error)
        } catch {
            throw .netlink(.malformed("\(error)"))
        }
        portMapping = try PortMappingService(state: state, log: log)
        do { probes = try NATProbe() } catch { throw .system(error) }
        node = Node(
            identity: identity,
            configuration: NodeConfiguration(
                configuration, name: identity.name, local: LocalAddresses(),
                streamPort: StreamService.port(configuration)),
            restored: try state.restored(), seed: Secret(SystemRandom.bytes(32)), unixTime: SystemClock.unixTime,
            at: startedAt)
        do {
            threads = try PacketThreads(tun: tun, sockets: sockets + [secondSocket].compactMap(\.self))
        } catch {
            throw .system(error)
        }
        do throws(SystemError) {
            streams = try StreamService(configuration, secrets: identity.secrets.accepted, log: log)
        } catch {
            threads.stop()
            throw .system(error)
        }
        // Up to here the interface goes with its descriptor, and nothing else was changed.
        do throws(AgentError) {
            do { try tun.setPersistent(true) } catch { throw .tun(error) }
            try bringUp()
        } catch {
            do { try stop(removing: true) } catch { log.error("a failed start left traces", ["reason": "\(error)"]) }
            throw error
        }
    }

    // MARK: the host's network

    /// What the host's network is to have for the mesh.
    private var networkPlan: HostNetwork.Plan {
        HostNetwork.Plan(
            interface: configuration.interface, mtuBytes: configuration.innerMTU,
            addresses: node.identity.addresses,
            ranges: [node.identity.mesh.plan.ipv4Range, node.identity.mesh.plan.ipv6Range])
    }

    private func bringUp() throws(AgentError) {
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
        pollAt = seen.links.contains { $0.isBridge } ? SystemClock.now + Self.pollInterval : nil
    }

    private var local = LocalAddresses()

    private func applyRules(force: Bool) throws(AgentError) {
        let plan = node.identity.mesh.plan
        let rules = HostRules(
            interface: configuration.interface, meshPrefixes: [plan.ipv4Range, plan.ipv6Range],
            mappings: containers.mappings, identities: containers.identities)
        try host.apply(rules, force: force)
    }

    private func acceptForwarding() {
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

    private func configureNode() {
        configureStreams()
        var settings = NodeConfiguration(
            configuration, name: node.identity.name, local: local, streamPort: streams.port)
        settings.secondPort = secondSocket?.localEndpoint.port
        node.configure(settings, at: SystemClock.now)
    }

    /// Streams of others are taken where others may be able to connect: elsewhere the port is left to other programs.
    private var isInReach: Bool {
        node.isReachable || node.isReachableLocally || !configuration.advertise.isEmpty
            || local.endpoints.contains { !$0.address.isPrivate }
    }

    private func configureStreams() {
        wasInReach = isInReach
        streams.apply(configuration, secrets: node.identity.secrets.accepted, isInReach: wasInReach)
    }

    private var wasInReach = false

    // MARK: what happens

    func mailboxReady() {
        let upcalls = threads.mailbox.takeAll()
        let now = SystemClock.now
        node.setWallClock(unixTime: SystemClock.unixTime, at: now)
        node.receive(upcalls, at: now)
        node.advance(to: now)
        drain()
    }

    func streamsReady() {
        if streams.carryOutEvents(on: &node, threads) { configureNode() }
        drain()
    }

    func routesReady() {
        guard let events = try? routeEvents.read(), !events.isEmpty else { return }
        let own = node.identity.addresses
        let matters = events.contains { event in
            switch event {
            case .addressAdded(let address), .addressRemoved(let address): !own.contains(address.address)
            case .routeAdded(let route), .routeRemoved(let route): !route.isOurs && route.table == Route.mainTable
            case .linkChanged(let link), .linkRemoved(let link): link.name != configuration.interface || !link.isUp
            case .resync: true
            }
        }
        if matters, replanAt == nil { replanAt = SystemClock.now + Self.replanDelay }
    }

    func rulesReady() {
        guard let changes = try? ruleEvents.read() else { return }
        if changes.contains(.ownTable) {
            do {
                try applyRules(force: true)
                log.warning("our rules were changed by somebody else and have been put back")
            } catch {
                log.error("our rules were changed and cannot be put back", ["reason": "\(error)"])
            }
        }
        if changes.contains(.forwarding) { acceptForwarding() }
    }

    func portMappingReady() {
        portMapping.ready()
        drain()
    }

    func probesReady() {
        let now = SystemClock.now
        for arrival in probes.receive() {
            node.receiveProbe(arrival.bytes, from: arrival.source, on: arrival.socket, at: now)
        }
        drain()
    }

    var nextDeadline: Instant? {
        [node.nextDeadline, replanAt, pollAt, state.retryAt, portMapping.nextDeadline].compactMap { $0 }.min()
    }

    func advance() {
        let now = SystemClock.now
        if [replanAt, pollAt].contains(where: { $0.map { $0 <= now } ?? false }) {
            let networkChanged = replanAt.map { $0 <= now } ?? false
            (replanAt, pollAt) = (nil, nil)
            followHost(networkChanged: networkChanged)
        }
        state.retry(at: now)
        portMapping.advance()
        node.setWallClock(unixTime: SystemClock.unixTime, at: now)
        node.advance(to: now)
        drain()
    }

    /// Interfaces, addresses or containers came or went.
    private func followHost(networkChanged: Bool) {
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

    // MARK: commands

    func perform<Outcome>(_ body: (inout Node, Instant) throws -> Outcome) rethrows -> Outcome {
        defer { drain() }
        return try body(&node, SystemClock.now)
    }

    /// Takes over what may change while running.
    func reconfigure(_ new: Configuration) {
        configuration.advertise = new.advertise
        configuration.keepalive = new.keepalive
        configuration.containers = new.containers
        configuration.forwarding = new.forwarding
        configuration.portMapping = new.portMapping
        configuration.stun = new.stun
        configuration.portSearch = new.portSearch
        configuration.relay = new.relay
        configuration.relayNodes = new.relayNodes
        configuration.stream = new.stream
        configuration.certificate = new.certificate
        configuration.logging = new.logging
        followHost(networkChanged: false)
        drain()
    }

    /// Ends in good order. `removing`: the host is left as it was; otherwise rules, routes and interface stay for a successor.
    func stop(removing: Bool) throws(AgentError) {
        if removing {
            node.leave(at: SystemClock.now)
            drain()
        }
        portMapping.stop()
        streams.stop()
        threads.stop()
        guard removing else { return }
        var problem: AgentError?
        do { try host.tearDown() } catch { problem = error }
        do { try tun.setPersistent(false) } catch { problem = problem ?? .tun(error) }
        if let problem { throw problem }
    }

    /// Takes away what a killed predecessor left, without starting anything: neither its port nor its peers matter.
    static func removeLeftovers(
        _ configuration: Configuration, state: StateKeeper, log: Log
    ) throws(AgentError) {
        let interface = configuration.interface
        var host = try HostNetwork.open(interface: interface)
        if state.holdsMappings {
            let mappings = try PortMappingService(state: state, log: log)
            mappings.follow(try host.host().mappingTargets(for: Array(state.mappedPorts.keys)))
            mappings.stop()
        }
        let isLeft = try host.linkNames().contains(interface)
        try host.tearDown()
        guard isLeft else { return }
        do { try TunDevice(name: interface).setPersistent(false) } catch { throw .tun(error) }
    }

    // MARK: carrying out

    private func drain() {
        if let mapped = portMapping.takeChange() { node.setMapped(mapped, at: SystemClock.now) }
        var isRenewed = false
        var opened: [Mesh.Link] = []
        for action in node.takeActions() {
            switch action {
            case .send(let message, let destination): send(message, to: destination)
            case .dialBack(let datagram, let target):
                if !NATProbe.sendOnce(datagram, to: target) { sendFailures += 1 }
            case .openProbes(let sockets): node.probesOpened(sockets, at: probes.open(sockets), at: SystemClock.now)
            case .probe(let bytes, let number, let target):
                if !probes.send(bytes, from: number, to: target) { sendFailures += 1 }
            case .closeProbes(let numbers): probes.close(numbers)
            case .sendBriefly(let message, let destination, let hops):
                send(message, to: destination, hopLimit: hops)
            case .openSockets(let links, let target): opened += openSockets(links, to: target)
            case .publish(let tables): threads.publish(tables)
            case .save(let change): state.apply(change, identity: node.identity)
            case .openStream(let link, let remote): streams.open(link, to: remote)
            case .closeLink(let link):
                threads.remove(link: link)
                streams.close(link)
            case .proveLink(let link): streams.prove(link)
            case .event(let event):
                report(event)
                if case .renewed = event { isRenewed = true }
            }
        }
        if !opened.isEmpty {
            for link in opened { node.linkOpened(link, at: SystemClock.now) }
            drain()
        }
        if isInReach != wasInReach {
            configureNode()
            return drain()
        }
        guard isRenewed else { return }
        // Last, for it makes actions of its own: tables of this round must not replace newer ones.
        do {
            try bringUp()
        } catch {
            log.error("the renewed certificate's addresses cannot be set", ["reason": "\(error)"])
            problems["network"] = "\(error)"
        }
    }

    private(set) var sendFailures = 0

    /// A refusal is counted as any loss; the node's timers repeat what matters. One that is meant for good it hears of.
    private func send(_ message: [UInt8], to destination: Destination, hopLimit: UInt8? = nil) {
        do throws(SystemError) {
            try threads.send(message, to: destination, hopLimit: hopLimit)
        } catch {
            sendFailures += 1
            if error.forbidsSending { node.sendingRefused(to: destination.endpoint, at: SystemClock.now) }
        }
    }

    /// Opens a socket to `target` for each number; those that cannot be had are left out.
    private func openSockets(_ numbers: [UInt32], to target: Endpoint) -> [Mesh.Link] {
        numbers.compactMap { number in
            do throws(SystemError) {
                let any: IPAddress = target.address.isIPv4 ? .v4(.any) : .v6(.any)
                let descriptor = try UDPSocket(Endpoint(any, port: 0)).connect(to: target)
                try threads.add(link: number, kind: .socket, descriptor: descriptor)
                return Link(number: number, kind: .socket, remote: target)
            } catch {
                node.linkClosed(number, at: SystemClock.now)
                return nil
            }
        }
    }

    /// Forward policies of others that the mesh's packets do not pass.
    var forwardDrops: [Notice] {
        guard let policy = host.forwardPolicy() else { return [] }
        let drops = policy.drops.filter { !$0.isPassable }.map { drop in
            Notice(
                "\(drop.chain) drops forwarded packets of containers",
                nextStep: drop.nextStep(interface: configuration.interface))
        }
        let legacy =
            policy.legacyTables.contains("filter")
            ? [Notice("iptables-legacy is in use, whose rules KubeMesh cannot see", nextStep: "switch to iptables-nft")]
            : []
        return drops + legacy
    }

    private func report(_ event: NodeEvent) {
        if case .pong(let token, let roundTripTime, let path, let relay) = event {
            let link = node.link(of: path)
            let way: ControlAPI.Path = link?.kind == .stream ? .stream : relay.map { .relay(via: $0) } ?? .direct
            onPong(token, roundTripTime, way, link?.remote ?? path.endpoint)
            return
        }
        if case .explained(let token, let explanation) = event {
            onExplained(token, explanation)
            return
        }
        event.write(to: log) { [node] in node.link(of: $0) }
    }
}

extension SystemError {
    /// The host's firewall, or a router that said so, lets nothing through: sending again helps nobody.
    fileprivate var forbidsSending: Bool { ["EPERM", "EACCES", "EHOSTUNREACH", "ENETUNREACH"].contains(name) }
}
