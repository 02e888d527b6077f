import Configuration
import Identity
import Linux
import Mesh
import Netfilter
import SansIO
import ServiceSources
import Services
import Traversal
import Wire

// Services: what the mesh and the host tell their keeper, and what it tells the mesh.
extension MeshService {
    /// How often what changes all the time, round trips and neighbours, is looked at.
    private static let surroundingsInterval: Duration = .seconds(1)
    /// Many nodes become known together.
    private static let surroundingsDelay: Duration = .milliseconds(50)

    /// Manifests and containers have something to say.
    func sourcesReady() {
        services.apply(sources.mailbox.takeAll(), at: SystemClock.now, by: &host.rules)
    }

    // MARK: what happens in the mesh

    func followForServices(_ event: NodeEvent) {
        switch event {
        case .announced(let announcement): hear(announcement)
        case .announcementsEnded(let node):
            services.forget(node, at: SystemClock.now, by: &host.rules)
        case .learned, .renewed, .connected, .disconnected: lookAroundSoon()
        case .livenessChanged: surroundingsAt = SystemClock.now
        default: break
        }
    }

    func lookAroundSoon() {
        surroundingsAt = min(surroundingsAt ?? .distantFuture, SystemClock.now + Self.surroundingsDelay)
    }

    /// What other nodes announced, as it was on disk: what the catalog has already changes nothing.
    func hearAll() {
        for announcement in node.announced { hear(announcement) }
    }

    private func hear(_ announcement: Announcement) {
        guard let name = node.memberName(of: announcement.node) else { return }
        services.hear(announcement, from: name, at: SystemClock.now, by: &host.rules)
    }

    /// Something that others do to the kernel's tables of services.
    func repairServices() {
        log.warning("the tables of services were changed by somebody else and are put back")
        services.repair(at: SystemClock.now, by: &host.rules)
    }

    // MARK: what the host and the mesh look like

    /// Tells the keeper where services and their endpoints are seen from.
    func lookAround() {
        let now = SystemClock.now
        surroundingsAt = now + Self.surroundingsInterval
        var view = services.planner.view
        view.addresses = hostAddresses
        view.podPrefixes = Array(Set(containers.mappings.map(\.containers) + containers.identities + local.containers))
            .sorted()
        view.labelFilter = configuration.services.edgeMeshLabel == .filterIfPresent ? .ifPresent : .ifAbsent
        view.answersPing = configuration.services.answerPing
        let peers = node.peerStatuses
        view.neighbours = Set(peers.filter { isNeighbour($0) }.map(\.name))
        view.roundTrips = [:]
        for peer in peers { view.roundTrips[peer.name] = peer.roundTripTime }
        view.deadNodes = Set(node.deadNodes.compactMap { node.memberName(of: $0) })
        services.follow(view, at: now, by: &host.rules)
        services.setMappings(containers.mappings.map { .init(from: $0.containers, to: $0.mesh) }, at: now)
        services.setNodes([ownNode] + peers.map(clusterNode), at: now, by: &host.rules)
    }

    private func isNeighbour(_ peer: Node.PeerStatus) -> Bool {
        guard case .direct? = peer.path, let address = peer.endpoint?.address else { return false }
        return local.prefixes.contains { $0.contains(address) }
    }

    private var ownNode: ClusterNode {
        var own = ClusterNode(name: node.identity.name.description)
        own.addresses = node.identity.addresses
        own.podPrefixes = node.identity.prefixes
        return own
    }

    /// A member or a client, with its own addresses in the mesh.
    private func clusterNode(_ peer: Node.PeerStatus) -> ClusterNode {
        let plan = node.identity.mesh.plan
        var described = ClusterNode(name: peer.name)
        described.podPrefixes = peer.prefixes.filter { !$0.isSingleAddress }
        let subnets = Set(peer.prefixes.filter { !$0.isSingleAddress }.compactMap { plan.subnet(of: $0.address) })
        described.addresses =
            peer.isClient
            ? peer.prefixes.filter(\.isSingleAddress).map(\.address) : subnets.sorted().flatMap(plan.addresses)
        return described
    }

    /// Whether this node's life matters to others, and theirs to it.
    func tellWhetherToWatch(at now: Instant) {
        node.setServices(areOffered: services.hasOwnEndpoints, areUsed: services.hasServices, at: now)
    }

    // MARK: time

    /// Carries out what is due for services, and tells the mesh what this node offers.
    func advanceServices(to now: Instant) {
        if let due = surroundingsAt, due <= now { lookAround() }
        guard let announcement = services.advance(to: now, by: &host.rules) else { return }
        let (parts, leftOut) = announcement.parts(
            ServiceKeeper.announcementParts, limitBytes: Announcement.payloadLimitBytes)
        services.noteLeftOut(leftOut)
        node.announce(parts, at: now)
        tellWhetherToWatch(at: now)
    }
}

extension ServiceSources.Settings {
    init(_ settings: Configuration.Services, _ identity: NodeIdentity) {
        self.init(ownNode: identity.name.description)
        nodeAddresses = identity.addresses
        manifestFolder = settings.directory
        dockerSocket = settings.docker
        containerdSocket = settings.containerd
    }
}
