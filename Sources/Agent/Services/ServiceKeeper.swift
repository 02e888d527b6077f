import Identity
import Linux
import Netfilter
import SansIO
import Services
import Wire

/// The services of this host: what all sources say, brought into the kernel, into names, onto the disk and out to the mesh.
///
/// ```
///   sources of this host, announcements of others ──▶ Catalog ──▶ ServicePlanner ──▶ ServiceTable (kernel)
///   nodes of the mesh, what the host sees ─────────────┘  │  └──▶ NameKeeper
///                                             the disk, our own announcement
/// ```
/// Confined to the control thread.
final class ServiceKeeper {
    private(set) var catalog: Catalog
    private(set) var planner: ServicePlanner
    let names: NameKeeper
    /// What could not be done, by where; beside `MeshService.problems`.
    private(set) var problems: [String: String] = [:]
    /// Parts of others' announcements that could not be read.
    private(set) var unreadableAnnouncements = 0

    private let state: StateKeeper
    private let log: Log
    private var table = ServiceTable()
    let healthChecks: HealthCheckPorts
    /// Services that load balancers ask for, and at which port.
    private var healthCheckPorts: [ServiceName: UInt16] = [:]
    /// What the kernel was not told yet.
    private var pending = PlanChange()
    private var isTableBehind = true
    private var retryAt: Instant?
    private var saveAt: Instant?
    private var announceAt: Instant?
    private var connectionsAt: Instant?
    private var announcers: [NodeID: String] = [:]
    private var nodes: [ClusterNode] = []
    /// Prefixes of this host's containers, and the mesh's that stand for them.
    private var ownMappings: [ServiceAnnouncement.Mapping] = []

    /// A kill loses this much at most, and half as much again for the writing.
    private static let saveDelay: Duration = .milliseconds(500)
    /// Changes of several objects come together; others are told of them at once.
    private static let announceDelay: Duration = .milliseconds(20)
    private static let retryInterval: Duration = .seconds(1)
    /// How often connections are counted for services that balance by them.
    private static let connectionInterval: Duration = .seconds(2)
    /// The last part is the mesh's own.
    static let announcementParts = Int(Announcement.partLimit) - 1

    /// Reads the catalog back from disk: services work before any source has spoken.
    init(
        node: String, plan: AddressPlan, names: NameKeeper, state: StateKeeper, log: Log
    ) throws(AgentError) {
        self.state = state
        self.log = log
        self.names = names
        do { healthChecks = try HealthCheckPorts() } catch { throw .system(error) }
        catalog = try state.catalog(ownNode: node, serviceRanges: plan.serviceRanges)
        var view = LocalView(node: node)
        view.meshPrefixes = [plan.ipv4Range, plan.ipv6Range]
        view.serviceRanges = plan.serviceRanges
        view.zone = catalog.node(named: node)?.zone
        planner = ServicePlanner(view: view)
        _ = planner.update(catalog.serviceNames, from: catalog)
        noteHealthChecks(of: catalog.serviceNames)
        names.update(services: catalog.serviceNames, nodes: catalog.nodeNames, from: catalog, view.translation)
        if catalog.rejectedRowCount > 0 {
            log.error("services on disk were damaged and left out", ["rows": "\(catalog.rejectedRowCount)"])
        }
    }

    /// Files whose objects were known before this agent started.
    var knownManifests: [String] {
        catalog.knownSources.filter { $0.kind == .manifests && $0.node == catalog.ownNode }.map(\.part)
    }

    // MARK: what is said

    /// Takes in what sources say, and carries out what follows from it.
    func apply(_ changes: [CatalogChange], at now: Instant, by rules: inout RuleSocket) {
        guard !changes.isEmpty else { return }
        let unixSeconds = UInt64(max(0, SystemClock.wallTime.seconds))
        var services: Set<ServiceName> = []
        var nodes: Set<String> = []
        for change in changes {
            let delta = catalog.apply(change, at: unixSeconds)
            services.formUnion(delta.services)
            nodes.formUnion(delta.nodes)
        }
        if catalog.unsavedRowCount > 0, saveAt == nil { saveAt = now + Self.saveDelay }
        guard !services.isEmpty || !nodes.isEmpty else { return }
        if announceAt == nil { announceAt = now + Self.announceDelay }
        pending.add(planner.update(services.sorted(), from: catalog))
        noteHealthChecks(of: services)
        names.update(
            services: services.sorted(), nodes: nodes.sorted(), from: catalog, planner.view.translation)
        if nodes.contains(catalog.ownNode), planner.view.zone != catalog.node(named: catalog.ownNode)?.zone {
            adopt(planner.view, at: now)
        }
        let isOwnNodeOther = nodes.contains(catalog.ownNode)
        let following = isOwnNodeOther ? CommandSource(catalog: catalog, view: planner.view).followContainers() : nil
        if let following { return apply([following], at: now, by: &rules) }
        settle(at: now, by: &rules)
    }

    /// A part of what another node announces.
    func hear(_ announced: Announcement, from node: String, at now: Instant, by rules: inout RuleSocket) {
        guard announced.part < Self.announcementParts else { return }
        do {
            let announcement = try ServiceAnnouncement(parsing: announced.payload)
            let known = Set(catalog.knownSources)
            announcers[announced.node] = node
            if announced.part == 0 {
                var view = planner.view
                view.translation.removeMappings(of: node)
                for mapping in announcement.mappings { view.translation.map(mapping.from, on: node, to: mapping.to) }
                follow(view, at: now, by: &rules)
            }
            apply(
                announcement.changes(
                    from: node, part: announced.part, number: announced.number, isKnown: known.contains),
                at: now, by: &rules)
        } catch {
            unreadableAnnouncements += 1
            log.warning("services of a node cannot be read", ["peer": node, "reason": "\(error)"])
        }
    }

    /// A node is no member any more: what it said goes.
    func forget(_ node: NodeID, at now: Instant, by rules: inout RuleSocket) {
        guard let name = announcers.removeValue(forKey: node), !announcers.values.contains(name) else { return }
        let sources = catalog.knownSources.filter { $0.node == name && name != catalog.ownNode }
        apply(sources.map { CatalogChange($0, .withdrawal) }, at: now, by: &rules)
    }

    // MARK: what is seen

    /// Takes over what the node sees around it.
    func follow(_ view: LocalView, at now: Instant, by rules: inout RuleSocket) {
        adopt(view, at: now)
        settle(at: now, by: &rules)
    }

    /// How this host's containers are reached from elsewhere.
    func setMappings(_ mappings: [ServiceAnnouncement.Mapping], at now: Instant) {
        guard mappings.sorted() != ownMappings else { return }
        ownMappings = mappings.sorted()
        if announceAt == nil { announceAt = now + Self.announceDelay }
        var view = planner.view
        view.translation.removeMappings(of: catalog.ownNode)
        for mapping in ownMappings { view.translation.map(mapping.from, on: catalog.ownNode, to: mapping.to) }
        adopt(view, at: now)
    }

    /// The members of the mesh and their addresses.
    func setNodes(_ nodes: [ClusterNode], at now: Instant, by rules: inout RuleSocket) {
        guard nodes != self.nodes else { return }
        self.nodes = nodes
        let change = CatalogChange(SourceID(.mesh), .everything(nodes.map { .node($0) }, of: [.nodes]))
        apply([change], at: now, by: &rules)
    }

    private func adopt(_ new: LocalView, at now: Instant) {
        var view = new
        view.zone = catalog.node(named: catalog.ownNode)?.zone
        let old = planner.view
        guard view != old else { return }
        pending.add(planner.adopt(view, from: catalog))
        guard view.translation != old.translation else { return }
        let nodes = view.translation.nodes(differingFrom: old.translation)
        names.update(
            services: catalog.services(withEndpointsOn: nodes), nodes: nodes.sorted(), from: catalog, view.translation)
    }

    // MARK: the kernel

    /// Somebody else has changed our tables.
    func repair(at now: Instant, by rules: inout RuleSocket) {
        isTableBehind = true
        settle(at: now, by: &rules)
    }

    private func settle(at now: Instant, by rules: inout RuleSocket) {
        answerHealthChecks()
        guard isTableBehind || !pending.isEmpty else { return }
        let change = pending
        pending = PlanChange()
        do {
            if isTableBehind {
                _ = try table.repair(planner.plan, by: &rules)
            } else {
                _ = try table.apply(planner.plan, changed: ServiceTable.Scope(change), by: &rules)
            }
            if problems.removeValue(forKey: "services") != nil { log.info("services are in the kernel again") }
            (isTableBehind, retryAt) = (false, nil)
        } catch {
            if problems["services"] == nil {
                log.error("services cannot be brought into the kernel", ["reason": "\(error)"])
            }
            problems["services"] = "services cannot be brought into the kernel: \(error)"
            (isTableBehind, retryAt) = (true, now + Self.retryInterval)
        }
    }

    private func noteHealthChecks(of services: some Sequence<ServiceName>) {
        for name in services { healthCheckPorts[name] = catalog.service(name)?.healthCheckNodePort }
    }

    private func answerHealthChecks() {
        var answers: [UInt16: HealthCheckPorts.Answer] = [:]
        for (name, port) in healthCheckPorts.sorted(by: { $1.key < $0.key }) {
            answers[port] = .init(service: name, readyCount: planner.localReadyCount(of: name, in: catalog))
        }
        healthChecks.set(answers)
        problems["health checks"] = healthChecks.problems.min { $0.key < $1.key }?.value
    }

    /// Whether a service balances by the connections that are open.
    private var countsConnections: Bool {
        catalog.serviceNames.contains { catalog.service($0)?.balancing == .leastConnections }
    }

    // MARK: time

    var nextDeadline: Instant? {
        [retryAt, saveAt, announceAt, connectionsAt, names.nextDeadline].compactMap { $0 }.min()
    }

    /// Carries out what is due. What this node announces from now on, if that may have changed.
    func advance(to now: Instant, by rules: inout RuleSocket) -> ServiceAnnouncement? {
        if isDue(&retryAt, now) { settle(at: now, by: &rules) }
        if isDue(&saveAt, now) {
            if !state.save(&catalog) { saveAt = now + Self.retryInterval }
        }
        if isDue(&connectionsAt, now) { countConnections(at: now, by: &rules) }
        names.advance(to: now)
        guard isDue(&announceAt, now) else { return nil }
        if connectionsAt == nil, countsConnections { connectionsAt = now }
        return ServiceAnnouncement(of: catalog, mappings: ownMappings)
    }

    /// Writes what is not on disk yet: what somebody was told to be done is not lost by a crash.
    func saveNow(at now: Instant) {
        saveAt = state.save(&catalog) ? nil : now + Self.retryInterval
    }

    /// What did not fit into our announcement is a problem for whoever waits for it elsewhere.
    func noteLeftOut(_ count: Int) {
        problems["announcement"] =
            count == 0
            ? nil
            : "\(count) of this node's services and endpoints are not told to others: its announcement has no more room"
    }

    /// Whether endpoints of services are on this node, so that others need to know whether it lives.
    var hasOwnEndpoints: Bool { !catalog.services(withEndpointsOn: [catalog.ownNode]).isEmpty }

    var hasServices: Bool { !catalog.serviceNames.isEmpty }

    private func countConnections(at now: Instant, by rules: inout RuleSocket) {
        connectionsAt = countsConnections ? now + Self.connectionInterval : nil
        // Counts that cannot be had leave the balance as it is.
        guard let counts = try? table.openConnections(by: &rules) else { return }
        var view = planner.view
        view.connections = counts
        follow(view, at: now, by: &rules)
    }

    private func isDue(_ deadline: inout Instant?, _ now: Instant) -> Bool {
        guard let due = deadline, due <= now else { return false }
        deadline = nil
        return true
    }

    /// Writes what is not on disk yet; the kernel's tables stay for a successor, unless `MeshService` takes them away.
    func stop() {
        _ = state.save(&catalog)
        names.stop()
        healthChecks.stop()
    }
}

extension PlanChange {
    mutating func add(_ other: PlanChange) {
        frontends += other.frontends
        nodePorts += other.nodePorts
        pingable += other.pingable
        localEndpoints += other.localEndpoints
        prefixes = prefixes || other.prefixes
    }
}

extension ServiceTable.Scope {
    fileprivate init(_ change: PlanChange) {
        self.init(
            frontends: change.frontends, nodePorts: change.nodePorts, pingable: change.pingable,
            localEndpoints: change.localEndpoints, prefixes: change.prefixes)
    }
}
