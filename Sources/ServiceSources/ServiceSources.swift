import Containers
package import Linux
import SansIO
import Services
import Synchronization
package import Wire

/// The sources of services that need no API server: manifests in a directory, and the containers of this host.
///
/// One thread reads the directory and talks to the runtimes; the control thread takes changes and looks at the state. Neither
/// waits for the other.
/// ```
///   control ◀── mailbox ── ┌──────────────┐ ◀── inotify ── /etc/kubemesh/services.d
///   control ◀── state ──── │ mesh-sources │ ◀── HTTP ───── Docker's socket
///   control ─── apply ───▶ └──────────────┘ ◀── gRPC ───── containerd's socket
/// ```
/// A directory that cannot be listed and a runtime that does not answer say nothing: what they said before stays.
package actor ServiceSources {
    package struct Settings: Equatable, Sendable {
        /// This node, as `SourceID` and endpoints name it; it stays the same for as long as the sources run.
        package var ownNode: String
        /// The node's addresses in the mesh: where containers on the host's own network are reached.
        package var nodeAddresses: [IPAddress] = []
        /// `nil`: not used.
        package var manifestFolder: String? = "/etc/kubemesh/services.d"
        package var dockerSocket: String? = "/var/run/docker.sock"
        package var containerdSocket: String? = "/run/containerd/containerd.sock"

        package init(ownNode: String) {
            self.ownNode = ownNode
        }
    }

    private enum Command: Sendable {
        case apply(Settings)
        case stop
    }

    nonisolated package let mailbox: SourceMailbox
    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    nonisolated private let loop: EventLoop
    nonisolated private let commands = Mutex<[Command]>([])
    nonisolated private let commandWakeUp: WakeUp
    nonisolated private let published = Mutex(SourcesState())

    private let events: DirectoryEvents
    /// Apart from the others, as one directory has one watch only.
    private let socketEvents: DirectoryEvents
    private var settings: Settings
    private var reader: FolderReader?
    private var clients: [RuntimeClient] = []
    /// Watches on the directories of sockets that are waited for.
    private var socketWatches: [DirectoryEvents.Watch: String] = [:]
    private var timer: EventLoop.Timer?
    /// What is to be told at the end of this turn.
    private var outgoing: [CatalogChange] = []

    /// Starts the thread.
    ///
    /// - Parameter knownManifests: the files whose objects the catalog holds since before: the parts of its sources of kind
    ///   `manifests` of this node. Those that are not there any more are withdrawn.
    package init(_ settings: Settings, knownManifests: [String]) throws(SystemError) {
        self.settings = settings
        mailbox = try SourceMailbox()
        commandWakeUp = try WakeUp()
        events = try DirectoryEvents()
        socketEvents = try DirectoryEvents()
        loop = try EventLoop(name: "mesh-sources")
        if let folder = settings.manifestFolder {
            reader = FolderReader(path: folder, node: settings.ownNode, known: knownManifests)
        }
        _ = try loop.watch(commandWakeUp.descriptor, for: .readable) { [self] _ in
            assumeIsolated { $0.takeCommands() }
        }
        _ = try loop.watch(events.descriptor, for: .readable) { [self] _ in assumeIsolated { $0.takeEvents() } }
        _ = try loop.watch(socketEvents.descriptor, for: .readable) { [self] _ in
            assumeIsolated { $0.takeSocketEvents() }
        }
        if settings.manifestFolder == nil {
            for change in Self.withdrawals(of: knownManifests, settings.ownNode) { mailbox.post(change) }
        }
        perform(.apply(settings))
    }

    // MARK: for the control thread

    /// How everything stands; any thread may ask.
    nonisolated package var state: SourcesState { published.withLock { $0 } }

    nonisolated package func apply(_ settings: Settings) {
        perform(.apply(settings))
    }

    /// Ends the connections and the thread.
    nonisolated package func stop() {
        perform(.stop)
        loop.join()
    }

    nonisolated private func perform(_ command: Command) {
        commands.withLock { $0.append(command) }
        commandWakeUp.signal()
    }

    // MARK: on the thread

    private func takeCommands() {
        commandWakeUp.clear()
        let waiting = commands.withLock { commands in
            defer { commands = [] }
            return commands
        }
        for command in waiting {
            switch command {
            case .apply(let settings): configure(settings)
            case .stop:
                for client in clients { client.stop() }
                loop.stop()
                return
            }
        }
        advance()
    }

    private func configure(_ new: Settings) {
        let old = settings
        settings = new
        if new.manifestFolder != old.manifestFolder {
            let known = reader?.folder.files.map(\.name) ?? []
            reader?.stop(events)
            reader = new.manifestFolder.map { FolderReader(path: $0, node: new.ownNode, known: known) }
            if reader == nil { for change in Self.withdrawals(of: known, new.ownNode) { post(change) } }
        }
        let now = SystemClock.now
        let wanted: [(name: String, socket: String?)] = [
            ("docker", new.dockerSocket), ("containerd", new.containerdSocket),
        ]
        for (name, socket) in wanted {
            let existing = clients.firstIndex { $0.name == name }
            if let existing, clients[existing].socketPath == socket {
                if new.nodeAddresses != old.nodeAddresses {
                    post(clients[existing].update(new.nodeAddresses, at: now))
                }
                continue
            }
            if let existing { clients.remove(at: existing).stop() }
            if let socket {
                clients.append(client(name, socket))
            } else {
                // It may have spoken before: in this run, or in the one whose catalog was read from disk.
                post(CatalogChange(SourceID(.containers, node: new.ownNode, part: name), .withdrawal))
            }
        }
        for client in clients where client.isWaiting { post(client.start(new.nodeAddresses, at: now)) }
    }

    /// Whoever switches a source off does not want what it said.
    private static func withdrawals(of files: [String], _ node: String) -> [CatalogChange] {
        files.map { CatalogChange(SourceID(.manifests, node: node, part: $0), .withdrawal) }
    }

    private func client(_ name: String, _ socket: String) -> RuntimeClient {
        let session: any RuntimeSession = name == "docker" ? DockerSession() : ContainerdSession()
        return RuntimeClient(name, session, socketPath: socket, node: settings.ownNode, loop: loop) {
            [loop, unowned self] connection, channel throws(SystemError) in
            try loop.watch(connection.descriptor, for: .readable) { [self] readiness in
                assumeIsolated { $0.socketReady(name, channel, readiness) }
            }
        }
    }

    private func socketReady(_ name: String, _ channel: RuntimeChannel, _ readiness: EventLoop.Readiness) {
        guard let client = clients.first(where: { $0.name == name }) else { return }
        post(client.ready(channel, readiness, settings.nodeAddresses, at: SystemClock.now))
        finish()
    }

    private func takeEvents() {
        let now = SystemClock.now
        // A queue that cannot be read tells nothing: everything is looked at when its time comes.
        for event in (try? events.read()) ?? [] { reader?.take(event, at: now) }
        advance()
    }

    private func takeSocketEvents() {
        let now = SystemClock.now
        for event in (try? socketEvents.read()) ?? [] {
            guard let folder = socketWatches[event.watch] else { continue }
            if event.change.contains(.directoryGone) { socketWatches[event.watch] = nil }
            // Either the socket itself, or a directory on the way to it.
            let path = "\(folder == "/" ? "" : folder)/\(event.name)"
            for client in clients where client.isWaiting {
                guard client.socketPath == path || client.socketPath.hasPrefix(path + "/") else { continue }
                post(client.start(settings.nodeAddresses, at: now))
            }
        }
        finish()
    }

    private func advance() {
        let now = SystemClock.now
        for change in reader?.advance(to: now, wallSeconds: SystemClock.wallTime.seconds, events) ?? [] {
            post(change)
        }
        for client in clients { post(client.advance(to: now, settings.nodeAddresses)) }
        finish()
    }

    private func post(_ change: CatalogChange?) {
        if let change { outgoing.append(change) }
    }

    /// What each turn ends with: the sockets that are waited for, the clock, the state, the changes.
    private func finish() {
        watchSockets()
        let timer = timer ?? loop.makeTimer { [self] in assumeIsolated { $0.advance() } }
        self.timer = timer
        loop.set(timer, to: ([reader?.nextDeadline] + clients.map(\.nextDeadline)).compactMap { $0 }.min())
        let state = SourcesState(
            folder: reader.map { reader in
                SourcesState.Folder(
                    path: reader.path, problem: reader.problem, files: reader.folder.files,
                    ignoredCount: reader.folder.ignoredCount)
            }, runtimes: clients.map(\.state))
        published.withLock { $0 = state }
        // After the state: whoever takes a change sees the state that goes with it.
        for change in outgoing { mailbox.post(change) }
        outgoing = []
    }

    /// Watches where sockets that are not there, or do not answer, will appear.
    private func watchSockets() {
        let wanted = Set(clients.filter(\.isWaiting).map { FolderReader.nearestDirectory(above: $0.socketPath) })
        guard wanted != Set(socketWatches.values) else { return }
        var kept: [DirectoryEvents.Watch: String] = [:]
        for path in wanted.sorted() {
            // Without a watch, the session's own attempts go on.
            if let watch = try? socketEvents.watch(path) { kept[watch] = path }
        }
        for watch in socketWatches.keys where kept[watch] == nil { socketEvents.cancel(watch) }
        socketWatches = kept
    }
}
