package import Configuration
import ControlAPI
import Crypto
import Glibc
import Identity
package import Linux
import Mesh
import Netfilter
import Netlink
import PacketIO
import SansIO
import ServiceSources
import Store
import Wire

/// The daemon: answers `meshctl`, brings the mesh up and down, follows signals and the service manager.
///
/// An actor on the event loop's thread, which is the control thread; the packet threads belong to `MeshService`.
package actor Agent {
    nonisolated package let loop: EventLoop
    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    package static let version = "0.1.0"
    /// Uses and validity of the token that `up` prints on the first host.
    static let firstTokenUses: UInt32 = 16
    /// When start-up is over and its code can leave memory.
    static let settlingTime: Duration = .seconds(5)

    let options: DaemonOptions
    let log: Log
    let service = ServiceManager()
    let state: StateKeeper
    let startedAt = SystemClock.now
    var configuration: Configuration
    var control: ControlServer
    var mesh: MeshService?
    var pings: [UInt64: PingSession] = [:]
    var traces: [UInt64: TraceSession] = [:]
    var inquiries: [UInt64: InquirySession] = [:]
    var drains: [UInt64: RelayDrain] = [:]
    var nextPingToken: UInt64 = 1
    var netchecks: [UInt64: NetcheckSession] = [:]
    var nextNetcheckToken: UInt64 = 1
    private var meshWatches: [EventLoop.Watch] = []
    private var meshTimer: EventLoop.Timer?
    private var keepAliveTimer: EventLoop.Timer?
    private var trimTimer: EventLoop.Timer?

    /// Opens the state and the socket. Nothing of the host's network is touched before `start`.
    package init(options: DaemonOptions, configuration: Configuration, log: Log, loop: EventLoop) throws(AgentError) {
        self.options = options
        self.configuration = configuration
        self.log = log
        self.loop = loop
        do {
            let store = try Store(directory: configuration.stateDirectory)
            state = StateKeeper(store, log: log)
            if case .recovered(let kept, let reason) = store.opening {
                log.error("the state was damaged: join again", ["kept": kept, "reason": reason])
            }
            for path in store.narrowedPaths {
                log.warning("rights were too wide and have been narrowed", ["path": path])
            }
        } catch {
            throw .store(error)
        }
        do {
            control = try ControlServer(loop: loop, path: configuration.controlSocket.path, mode: 0o660)
        } catch {
            throw .system(error)
        }
        Self.setGroup(configuration.controlSocket, log)
    }

    /// Members of the group may use `meshctl`; where there is no such group, root alone.
    private static func setGroup(_ socket: Configuration.ControlSocket, _ log: Log) {
        guard let entry = unsafe getgrnam(socket.group) else { return }
        if unsafe chown(socket.path, uid_t.max, entry.pointee.gr_gid) != 0 {
            log.debug("the control socket keeps its group", ["path": socket.path])
        }
    }

    // MARK: life

    /// Listens, and brings the mesh up if it was up when the daemon last ran.
    package func start() throws(AgentError) {
        do {
            try control.listen { [self] _ in assumeIsolated { $0.acceptConnections() } }
        } catch {
            throw .system(error)
        }
        if state.isUp { resume() }
        if let interval = service.keepAliveInterval {
            keepAliveTimer = loop.makeTimer { [self] in assumeIsolated { $0.keepAlive(interval) } }
            keepAlive(interval)
        }
        service.ready(mesh == nil ? "no mesh: run meshctl up" : "in the mesh")
        log.info("meshd started", ["version": Self.version, "socket": configuration.controlSocket.path])
    }

    private func keepAlive(_ interval: Duration) {
        service.keepAlive()
        if let keepAliveTimer { loop.set(keepAliveTimer, to: SystemClock.now + interval) }
    }

    private func resume() {
        do {
            guard case .present(let identity) = try state.identity() else {
                log.error("the mesh was up, but this host's identity is gone: join again with meshctl up TOKEN")
                return
            }
            try beginMesh(identity)
        } catch {
            log.error("the mesh cannot be brought up", ["reason": "\(error)"])
            lastFailure = error
        }
    }

    /// Why the mesh is not up although it should be.
    var lastFailure: AgentError?

    /// Ends the daemon; rules, routes and interface stay for its successor.
    package func stop() async {
        service.stopping()
        await drainRelay()
        endMesh(removing: false)
        control.closeAll()
        log.info("meshd stopped")
    }

    package func reload() {
        service.reloading(at: SystemClock.now)
        do {
            let result = try applyNewConfiguration()
            log.info("configuration reloaded", ["applied": result.applied.joined(separator: ",")])
        } catch {
            log.error("the configuration is refused, the old one stays", ["reason": "\(error)"])
        }
        service.ready(mesh == nil ? "no mesh: run meshctl up" : "in the mesh")
    }

    func applyNewConfiguration() throws(ConfigurationFailure) -> ReloadResult {
        let new = try options.readConfiguration()
        let changes = Configuration.changes(from: configuration, to: new)
        let live = changes.filter { $0.effect == .live }.map(\.key)
        let later = changes.filter { $0.effect != .live }.map(\.key)
        let old = configuration
        configuration = new
        // What needs a restart stays as it is until then.
        configuration.interface = old.interface
        configuration.listen = old.listen
        configuration.mtu = old.mtu
        configuration.stateDirectory = old.stateDirectory
        configuration.controlSocket = old.controlSocket
        configuration.limits = old.limits
        (configuration.dns.enabled, configuration.dns.listen) = (old.dns.enabled, old.dns.listen)
        (configuration.dns.clusterDomain, configuration.dns.meshDomain) = (old.dns.clusterDomain, old.dns.meshDomain)
        log.configure(level: Log.Level(configuration.logging.level), format: Log.Format(configuration.logging.format))
        mesh?.reconfigure(configuration)
        scheduleMesh()
        return ReloadResult(applied: live, needRestart: later)
    }

    // MARK: the mesh

    func beginMesh(_ identity: NodeIdentity) throws(AgentError) {
        let mesh: MeshService
        do {
            mesh = try MeshService(identity: identity, configuration: configuration, state: state, log: log)
        } catch {
            state.undoHostChanges()
            throw error
        }
        self.mesh = mesh
        lastFailure = nil
        mesh.onPong = { [self] token, roundTripTime, path, endpoint in
            assumeIsolated { $0.receivePong(token, roundTripTime, along: path, endpoint: endpoint) }
        }
        mesh.onExplained = { [self] token, explanation in
            assumeIsolated { $0.receiveExplanation(token, explanation) }
        }
        do {
            // One by one, so that those which stand are cancelled when the next is refused.
            meshWatches.append(try watch(mesh.threads.mailbox.wakeUp.descriptor) { $0.mailboxReady() })
            meshWatches.append(try watch(mesh.streams.wakeUp.descriptor) { $0.streamsReady() })
            meshWatches.append(try watch(number: mesh.probes.fileDescriptor) { $0.probesReady() })
            meshWatches.append(try watch(number: mesh.routeEvents.fileDescriptor) { $0.routesReady() })
            meshWatches.append(try watch(number: mesh.ruleEvents.fileDescriptor) { $0.rulesReady() })
            meshWatches.append(try watch(number: mesh.portMapping.fileDescriptor) { $0.portMappingReady() })
            meshWatches.append(try watch(mesh.sources.mailbox.wakeUp.descriptor) { $0.sourcesReady() })
            meshWatches.append(
                try watch(number: mesh.services.healthChecks.fileDescriptor) {
                    $0.services.healthChecks.ready(at: SystemClock.now)
                })
        } catch {
            endMesh(removing: true)
            state.undoHostChanges()
            throw .system(error)
        }
        meshTimer = loop.makeTimer { [self] in assumeIsolated { $0.withMesh { $0.advance() } } }
        state.setUp(true)
        scheduleMesh()
        trimTimer = trimTimer ?? loop.makeTimer { ProcessMemory.releaseCodePages() }
        if let trimTimer { loop.set(trimTimer, to: SystemClock.now + Self.settlingTime) }
    }

    /// Stops the mesh; problems in taking it away are logged and returned.
    @discardableResult
    func endMesh(removing: Bool) -> AgentError? {
        guard let mesh else { return nil }
        for watch in meshWatches { loop.cancel(watch) }
        if let meshTimer { loop.cancel(meshTimer) }
        meshWatches = []
        meshTimer = nil
        self.mesh = nil
        do {
            try mesh.stop(removing: removing)
            return nil
        } catch {
            log.error("the mesh could not be taken away completely", ["reason": "\(error)"])
            return error
        }
    }

    func withMesh<Outcome>(_ body: (MeshService) -> Outcome) -> Outcome? {
        guard let mesh else { return nil }
        defer { scheduleMesh() }
        return body(mesh)
    }

    func scheduleMesh() {
        guard let mesh, let meshTimer else { return }
        loop.set(meshTimer, to: mesh.nextDeadline)
    }

    private func watch(
        _ descriptor: borrowing FileDescriptor, _ body: @escaping @Sendable (MeshService) -> Void
    ) throws(SystemError) -> EventLoop.Watch {
        try loop.watch(descriptor, for: .readable) { [self] _ in assumeIsolated { _ = $0.withMesh(body) } }
    }

    private func watch(
        number: Int32, _ body: @escaping @Sendable (MeshService) -> Void
    ) throws(SystemError) -> EventLoop.Watch {
        try loop.watch(number: number, for: .readable) { [self] _ in assumeIsolated { _ = $0.withMesh(body) } }
    }
}

extension Log.Level {
    package init(_ level: Configuration.Logging.Level) {
        switch level {
        case .debug: self = .debug
        case .info, .notice: self = .info
        case .warning: self = .warning
        case .error: self = .error
        }
    }
}

extension Log.Format {
    package init(_ format: Configuration.Logging.Format) {
        switch format {
        case .text: self = .text
        case .json: self = .json
        }
    }
}
