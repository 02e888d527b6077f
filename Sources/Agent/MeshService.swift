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
import ServiceSources
import Traversal
import Wire

/// The running mesh: the node, its packet threads, and its part of the host's network.
///
/// Confined to the control thread. Whoever owns it forwards readiness of `descriptors` and calls `advance` when `nextDeadline`
/// has passed.
final class MeshService {
    var node: Node
    var configuration: Configuration
    var host: HostNetwork
    var containers = ContainerNetworks.Plan()
    var local = LocalAddresses()
    var hostAddresses: Set<IPAddress> = []
    /// Findings that `status` shows beside the node's own.
    var problems: [String: String] = [:]
    let threads: PacketThreads
    let sockets: [UDPSocket]
    let streams: StreamService
    /// Receives only: what members send there shows them what their NAT does. Nothing fails without it.
    private let secondSocket: UDPSocket?
    let routeEvents: RouteEvents
    let ruleEvents: RuleEvents
    let portMapping: PortMappingService
    let probes: NATProbe
    let services: ServiceKeeper
    let sources: ServiceSources
    let startedAt: Instant
    /// Answers to `ping`, by token.
    var onExplained: (UInt64, Mesh.Explanation?) -> Void = { _, _ in }
    var onPong: (UInt64, Duration, ControlAPI.Path, Endpoint?) -> Void = { _, _, _, _ in }

    let tun: TunDevice
    let state: StateKeeper
    let log: Log
    /// Messages that the system would not take.
    var sendFailures = 0
    var replanAt: Instant?
    var pollAt: Instant?
    /// When services are told again what the host and the mesh look like.
    var surroundingsAt: Instant?

    /// Addresses and routes of many containers change together; they are looked at once.
    private static let replanDelay: Duration = .milliseconds(50)

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
        services = try ServiceKeeper(
            node: identity.name.description, plan: identity.mesh.plan,
            names: NameKeeper(configuration, identity, log: log), state: state, log: log)
        do throws(SystemError) {
            sources = try ServiceSources(
                ServiceSources.Settings(configuration.services, identity), knownManifests: services.knownManifests)
        } catch {
            services.stop()
            throw .system(error)
        }
        do {
            threads = try PacketThreads(tun: tun, sockets: sockets + [secondSocket].compactMap(\.self))
        } catch {
            sources.stop()
            services.stop()
            throw .system(error)
        }
        do throws(SystemError) {
            streams = try StreamService(configuration, secrets: identity.secrets.accepted, log: log)
        } catch {
            threads.stop()
            sources.stop()
            services.stop()
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

    // MARK: settings

    func configureNode() {
        configureStreams()
        var settings = NodeConfiguration(
            configuration, name: node.identity.name, local: local, streamPort: streams.port)
        settings.secondPort = secondSocket?.localEndpoint.port
        node.configure(settings, at: SystemClock.now)
    }

    /// Streams of others are taken where others may be able to connect: elsewhere the port is left to other programs.
    var isInReach: Bool {
        node.isReachable || node.isReachableLocally || !configuration.advertise.isEmpty
            || local.endpoints.contains { !$0.address.isPrivate }
    }

    private func configureStreams() {
        wasInReach = isInReach
        streams.apply(configuration, secrets: node.identity.secrets.accepted, isInReach: wasInReach)
    }

    var wasInReach = false

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
        if changes.contains(.services) { repairServices() }
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
        [
            node.nextDeadline, replanAt, pollAt, state.retryAt, portMapping.nextDeadline, surroundingsAt,
            services.nextDeadline,
        ].compactMap { $0 }.min()
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
        advanceServices(to: now)
        node.setWallClock(unixTime: SystemClock.unixTime, at: now)
        node.advance(to: now)
        drain()
    }
}
