import Containers
import Linux
import Netlink
import SansIO
import Services
import Wire

/// One container runtime: the session, its sockets, and what its containers mean for the catalog.
///
/// Confined to the thread of the sources.
final class RuntimeClient {
    private struct Connection {
        let socket: UnixSocketConnection
        let watch: EventLoop.Watch
        var unsent: ArraySlice<UInt8> = []
    }

    private static let readLimit = 1 << 16
    /// Reads of one connection at one go, so that no runtime holds up the others.
    private static let readBudget = 16

    let name: String
    let socketPath: String
    private var session: any RuntimeSession
    private var catalog: ContainerCatalog
    private var connections: [RuntimeChannel: Connection] = [:]
    private var toldRevision = 0
    /// Why the last attempt to connect failed.
    private var refusal: SystemError?
    private(set) var state: SourcesState.Runtime
    /// Makes a socket's readiness known to the owner.
    private let watch: (UnixSocketConnection, RuntimeChannel) throws(SystemError) -> EventLoop.Watch
    private let loop: EventLoop

    init(
        _ name: String, _ session: any RuntimeSession, socketPath: String, node: String, loop: EventLoop,
        watch: @escaping (UnixSocketConnection, RuntimeChannel) throws(SystemError) -> EventLoop.Watch
    ) {
        self.name = name
        self.session = session
        self.socketPath = socketPath
        self.loop = loop
        self.watch = watch
        catalog = ContainerCatalog(source: SourceID(.containers, node: node, part: name))
        state = SourcesState.Runtime(name: name, socket: socketPath, since: SystemClock.wallTime.seconds)
    }

    var nextDeadline: Instant? {
        [session.nextDeadline, catalog.nextDeadline].compactMap { $0 }.min()
    }

    /// Whether it is to be told when something happens around the socket.
    var isWaiting: Bool {
        if case .down = session.link { true } else { false }
    }

    /// Connects, if there is something to connect to.
    func start(_ hostAddresses: [IPAddress], at now: Instant) -> CatalogChange? {
        session.start()
        return carryOut(hostAddresses, at: now)
    }

    func stop() {
        for channel in RuntimeChannel.allCases { close(channel) }
    }

    func ready(
        _ channel: RuntimeChannel, _ readiness: EventLoop.Readiness, _ hostAddresses: [IPAddress], at now: Instant
    ) -> CatalogChange? {
        if readiness.contains(.writable) { flush(channel, at: now) }
        if !readiness.isDisjoint(with: [.readable, .closed]) { read(channel, at: now) }
        return carryOut(hostAddresses, at: now)
    }

    func advance(to now: Instant, _ hostAddresses: [IPAddress]) -> CatalogChange? {
        if let deadline = session.nextDeadline, deadline <= now { session.advance(to: now) }
        return carryOut(hostAddresses, at: now) ?? catalog.advance(to: now)
    }

    /// The addresses of containers on the host's network are others now.
    func update(_ hostAddresses: [IPAddress], at now: Instant) -> CatalogChange? {
        guard toldRevision > 0 else { return nil }
        toldRevision = -1
        return carryOut(hostAddresses, at: now)
    }

    // MARK: what the session wants

    private func carryOut(_ hostAddresses: [IPAddress], at now: Instant) -> CatalogChange? {
        while true {
            let actions = session.takeActions()
            guard !actions.isEmpty else { break }
            for action in actions {
                switch action {
                case .open(let channel): open(channel, at: now)
                case .send(let channel, let bytes):
                    connections[channel]?.unsent += bytes
                    flush(channel, at: now)
                case .close(let channel): close(channel)
                case .readAddresses(let container, let process):
                    session.addresses(networks(ofProcess: process), of: container, process: process, at: now)
                }
            }
        }
        var change: CatalogChange?
        if session.revision > 0, session.revision != toldRevision {
            toldRevision = session.revision
            let containers = session.containers
            change = catalog.update(containers, hostAddresses: hostAddresses, at: now)
            state.containerCount = containers.count
            state.ignoredCount = session.ignoredCount
            state.publishedCount = catalog.publishedCount
            state.problems = catalog.problems
        }
        describe()
        return change
    }

    private func open(_ channel: RuntimeChannel, at now: Instant) {
        do throws(SystemError) {
            let socket = try UnixSocketConnection.connectNow(to: socketPath)
            connections[channel] = Connection(socket: socket, watch: try watch(socket, channel))
            refusal = nil
            session.opened(channel, at: now)
        } catch {
            refusal = error
            session.closed(channel, "\(error)", at: now)
        }
    }

    private func close(_ channel: RuntimeChannel) {
        guard let connection = connections.removeValue(forKey: channel) else { return }
        loop.cancel(connection.watch)
    }

    private func flush(_ channel: RuntimeChannel, at now: Instant) {
        guard var connection = connections[channel], !connection.unsent.isEmpty else { return }
        do throws(SystemError) {
            while !connection.unsent.isEmpty, case .bytes(let count) = try connection.socket.write(connection.unsent) {
                connection.unsent = connection.unsent.dropFirst(count)
            }
            connections[channel]?.unsent = connection.unsent
            let interest: EventLoop.Readiness = connection.unsent.isEmpty ? .readable : [.readable, .writable]
            try loop.setInterest(interest, of: connection.watch)
        } catch {
            end(channel, "\(error)", at: now)
        }
    }

    private func read(_ channel: RuntimeChannel, at now: Instant) {
        for _ in 0..<Self.readBudget {
            guard let connection = connections[channel] else { return }
            var bytes: [UInt8] = []
            do throws(SystemError) {
                switch try connection.socket.read(into: &bytes, limit: Self.readLimit) {
                case .bytes: session.received(bytes, on: channel, at: now)
                case .wouldBlock: return
                case .end: end(channel, "it closed the connection", at: now)
                }
            } catch {
                end(channel, "\(error)", at: now)
            }
        }
    }

    private func end(_ channel: RuntimeChannel, _ reason: String, at now: Instant) {
        close(channel)
        session.closed(channel, reason, at: now)
    }

    /// None where they cannot be read: the process may have ended.
    private func networks(ofProcess process: UInt32) -> [LocalContainer.Network] {
        do throws(NetlinkError) {
            var addresses = try NamespaceAddresses()
            return try addresses.read(ofProcess: process).map { .init(name: "interface \($0)", addresses: $1) }
        } catch {
            return []
        }
    }

    // MARK: for people

    private func describe() {
        let link = described(session.link)
        if link != state.link {
            state.link = link
            state.since = SystemClock.wallTime.seconds
        }
    }

    private func described(_ link: RuntimeLink) -> SourcesState.Runtime.Link {
        switch link {
        case .connecting: return .connecting
        case .up: return .up
        case .down(let reason):
            guard Directory.exists(socketPath) else { return .absent }
            return .down(reason: reason, nextStep: refusal?.name == "EACCES" ? permissionAdvice : nil)
        }
    }

    private var permissionAdvice: String {
        name == "docker"
            ? "let meshd in: usermod -aG docker kubemesh, then systemctl restart kubemesh"
            : "let meshd in: set gid under [grpc] in containerd's config.toml to that of group kubemesh, then restart containerd"
    }
}
