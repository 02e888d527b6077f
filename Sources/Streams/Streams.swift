package import Linux
import SansIO
import TLS
import Wire

/// TLS streams that carry datagrams where UDP is blocked: one thread serves them all, those of ours and those of others.
///
/// To the rest of the agent a stream is a link: a message socket that the packet threads use as they use a UDP socket. The
/// control thread gives commands and takes events; neither waits for the other.
/// ```
///   control ── perform ──▶ ┌──────────────┐ ◀── TCP ──▶ relays, proxies
///   control ◀── events ─── │ mesh-streams │ ◀── TCP ──▶ hosts that UDP does not reach
///                          └──────┬───────┘
///                     message sockets, one a stream ──▶ packet threads
/// ```
package actor Streams {
    /// How long things may take; tests have less patience.
    package struct Patience: Sendable {
        /// Until a stream of ours stands, without and with a proxy.
        package var opening: Duration = .seconds(5)
        package var proxiedOpening: Duration = .seconds(10)
        /// For another host's handshake, then for its first datagram.
        package var handshake: Duration = .seconds(5)
        package var firstDatagram: Duration = .seconds(10)
        /// Silence of ours until there is a sign of life.
        package var silence: Duration = .seconds(15)
        /// Until a port that could not be had is tried again.
        package var listening: Duration = .seconds(30)
        /// Until somebody is accepted again after the system refused another descriptor.
        package var accepting: Duration = .seconds(1)

        package init() {}
    }

    /// Connections accepted at one go.
    static let acceptBudget = 32

    enum DeadlineKey: Hashable {
        case stream(UInt64)
        case waiting(UInt32)
        case listening
        case accepting
    }

    struct Served {
        let stream: Stream
        let watch: EventLoop.Watch
        var insideWatch: EventLoop.Watch?
        /// What is asked of the proxy once the connection stands.
        var request: ProxyConversation?
    }

    nonisolated package let counters = StreamCounters()
    nonisolated package let mailbox: StreamMailbox
    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
    nonisolated let loop: EventLoop
    nonisolated let commands: CommandQueue
    let patience: Patience
    let workspace = Stream.Workspace()
    var settings: StreamSettings
    var context: TLSContext
    var streams: [UInt64: Served] = [:]
    var links: [UInt32: UInt64] = [:]
    var deadlines = Deadlines<DeadlineKey>()
    var proxies = ProxyDirectory()
    /// Streams that wait for the proxy's address.
    var waiting: [UInt32: Endpoint] = [:]
    var strangers = StrangerLimiter(at: SystemClock.now)
    var listeners: [(listener: TCPListener, watch: EventLoop.Watch)] = []
    private var lastStream: UInt64 = 0
    private var timer: EventLoop.Timer?

    /// Starts the thread. Nothing is listened on before the first `configure`.
    package init(_ settings: StreamSettings, patience: Patience = Patience()) throws(SystemError) {
        self.patience = patience
        self.settings = StreamSettings(secrets: settings.secrets)
        context = TLSContext(secrets: settings.secrets)
        mailbox = try StreamMailbox()
        commands = try CommandQueue()
        loop = try EventLoop(name: "mesh-streams")
        _ = try loop.watch(commands.wakeUp.descriptor, for: .readable) { [self] _ in
            assumeIsolated { $0.takeCommands() }
        }
        perform(.configure(settings))
    }

    // MARK: for the control thread

    nonisolated package func perform(_ command: StreamCommand) {
        commands.post(.command(command))
    }

    /// Closes every stream and ends the thread.
    nonisolated package func stop() {
        commands.post(.stop)
        loop.join()
    }

    // MARK: commands

    private func takeCommands() {
        let now = SystemClock.now
        for entry in commands.takeAll() {
            switch entry {
            case .command(let command): carryOut(command, at: now)
            case .resolved(let proxy, let found): proxyFound(proxy, found, at: now)
            case .stop: endAll(at: now)
            }
        }
        schedule()
    }

    private func carryOut(_ command: StreamCommand, at now: Instant) {
        switch command {
        case .configure(let new): configure(new, at: now)
        case .open(let link, let remote): open(link, to: remote, at: now)
        case .admit(let id, let link):
            guard let stream = streams[id]?.stream else {
                mailbox.post(.closed(link: link, .closedByPeer))
                return
            }
            stream.link = link
            links[link] = id
        case .refuse(let id): end(id, .tooMany, at: now)
        case .prove(let link):
            guard let id = links[link], let stream = streams[id]?.stream, !stream.isProven else { return }
            stream.isProven = true
            if stream.isAccepted { strangers.remove(stream.remote.address) }
        case .close(let link):
            if waiting.removeValue(forKey: link) != nil { deadlines.remove(.waiting(link)) }
            if let id = links[link] { end(id, .asked, at: now) }
        }
    }

    private func configure(_ new: StreamSettings, at now: Instant) {
        let old = settings
        settings = new
        if new.secrets != old.secrets { context = TLSContext(secrets: new.secrets) }
        let isMissing = listeners.isEmpty && !new.listening.isEmpty
        if new.listening != old.listening || isMissing { listen(at: now) }
    }

    private func endAll(at now: Instant) {
        for id in streams.keys.sorted() { end(id, .asked, at: now) }
        stopListening()
        loop.stop()
    }

    // MARK: serving

    /// Watches a new stream until it ends.
    func serve(_ stream: Stream, request: ProxyConversation? = nil, for time: Duration, at now: Instant) {
        let id = stream.id
        do {
            let watch = try loop.watch(stream.socket.descriptor, for: stream.interest) { [self] readiness in
                assumeIsolated { $0.socketReady(id, readiness) }
            }
            streams[id] = Served(stream: stream, watch: watch, request: request)
            if let link = stream.link { links[link] = id }
            deadlines.set(now + time, for: .stream(id))
        } catch {
            if stream.isAccepted { strangers.remove(stream.remote.address) }
            note(.broken(error), of: stream)
        }
    }

    func nextStream() -> UInt64 {
        lastStream += 1
        return lastStream
    }

    private func socketReady(_ id: UInt64, _ readiness: EventLoop.Readiness) {
        guard let served = streams[id] else { return }
        let now = SystemClock.now
        attempt(id, at: now) { () throws(StreamEnd) in
            let wasQuiet = served.stream.isQuiet
            try served.stream.socketReady(readiness, request: served.request, at: now)
            if served.stream.isQuiet, !wasQuiet {
                self.deadlines.set(now + self.patience.firstDatagram, for: .stream(id))
            }
            if try served.stream.isReadyToJoin() { try self.join(served.stream, at: now) }
        }
    }

    private func insideReady(_ id: UInt64) {
        guard let stream = streams[id]?.stream else { return }
        let now = SystemClock.now
        attempt(id, at: now) { () throws(StreamEnd) in try stream.insideReady(at: now) }
    }

    /// Works on a stream, follows what it waits for, and ends it on an error.
    private func attempt(_ id: UInt64, at now: Instant, _ body: () throws(StreamEnd) -> Void) {
        defer { schedule() }
        do throws(StreamEnd) {
            guard let served = streams[id] else { return }
            let before = served.stream.interest
            try body()
            guard served.stream.interest != before else { return }
            do { try loop.setInterest(served.stream.interest, of: served.watch) } catch { throw .broken(error) }
        } catch {
            end(id, error, at: now)
        }
    }

    /// Makes the link's two ends and tells the control thread.
    private func join(_ stream: Stream, at now: Instant) throws(StreamEnd) {
        let id = stream.id
        let (inside, outlet): (MessageSocket, StreamOutlet)
        do throws(SystemError) {
            (inside, outlet) = try Self.makePair()
            streams[id]?.insideWatch = try loop.watch(inside.descriptor, for: .readable) { [self] _ in
                assumeIsolated { $0.insideReady(id) }
            }
        } catch {
            throw .broken(error)
        }
        try stream.join(inside, at: now)
        deadlines.set(now + patience.silence, for: .stream(id))
        if let link = stream.link {
            counters.add(.opened)
            mailbox.post(.opened(link: link, outlet))
        } else {
            counters.add(.accepted)
            mailbox.post(.accepted(stream: id, from: stream.remote, outlet))
        }
    }

    private static func makePair() throws(SystemError) -> (MessageSocket, StreamOutlet) {
        var inside: MessageSocket?
        let outlet = StreamOutlet(try FileDescriptor.datagramPair { inside = MessageSocket($0) })
        guard let inside else { preconditionFailure("a pair has two ends") }
        return (inside, outlet)
    }

    // MARK: time

    private func advance() {
        let now = SystemClock.now
        while let key = deadlines.popExpired(at: now) {
            switch key {
            case .stream(let id): streamDue(id, at: now)
            case .waiting(let link):
                waiting[link] = nil
                fail(link, .timedOut)
            case .listening: listen(at: now)
            case .accepting: resumeAccepting()
            }
        }
        schedule()
    }

    private func streamDue(_ id: UInt64, at now: Instant) {
        guard let stream = streams[id]?.stream else { return }
        switch stream.phase {
        case .carrying:
            deadlines.set(now + patience.silence, for: .stream(id))
            guard now - stream.lastSentAt >= patience.silence else { return }
            attempt(id, at: now) { () throws(StreamEnd) in try stream.sendSignOfLife(at: now) }
        case .quiet: end(id, .silent, at: now)
        case .connecting, .asking, .securing: end(id, .timedOut, at: now)
        }
    }

    func schedule() {
        let timer = timer ?? loop.makeTimer { [self] in assumeIsolated { $0.advance() } }
        self.timer = timer
        loop.set(timer, to: deadlines.earliest)
    }

    // MARK: ending

    func end(_ id: UInt64, _ reason: StreamEnd, at now: Instant) {
        guard let served = streams.removeValue(forKey: id) else { return }
        let stream = served.stream
        deadlines.remove(.stream(id))
        if stream.isCarrying {
            // What the packet threads sent last, such as goodbyes, still goes; the stream ends whether or not it can.
            if reason == .asked { try? stream.insideReady(at: now) }
            stream.close(at: now)
        }
        loop.cancel(served.watch)
        if let insideWatch = served.insideWatch { loop.cancel(insideWatch) }
        if stream.isAccepted, !stream.isProven { strangers.remove(stream.remote.address) }
        if case .connecting = stream.phase, served.request != nil { proxies.failed(stream.socket.remote) }
        note(reason, of: stream)
    }

    /// Counts an end and tells the control thread, if it knows of the stream.
    private func note(_ reason: StreamEnd, of stream: Stream) {
        if let link = stream.link {
            links[link] = nil
            if stream.isCarrying { mailbox.post(.closed(link: link, reason)) } else { fail(link, reason) }
        } else if !stream.isCarrying {
            switch reason {
            case .timedOut: counters.add(.handshakeTimedOut)
            case .silent: counters.add(.silent)
            case .malformed: counters.add(.malformed)
            default: counters.add(.handshakeFailed)
            }
        }
        if stream.isCarrying, reason == .malformed { counters.add(.malformed) }
    }

    /// A stream of ours that never stood.
    func fail(_ link: UInt32, _ reason: StreamEnd) {
        switch reason {
        case .tls(.foreignKey): counters.add(.foreignKey)
        case .proxyRefused, .proxyMalformed, .proxyUnknown: counters.add(.proxyRefused)
        default: counters.add(.openFailed)
        }
        mailbox.post(.closed(link: link, reason))
    }
}
