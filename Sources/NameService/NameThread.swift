import DNS
import Linux
import SansIO
import Synchronization
import Wire

/// The thread of a `NameServer`: waits for its sockets, hands what comes to the resolver, sends what it says.
struct NameThread: ~Copyable {
    /// Who gets an answer that comes later.
    private enum Asker {
        case datagram(listener: UInt64, source: Endpoint, local: IPAddress?)
        case stream(UInt64)
        case lookup(NameServer.Lookup)
    }

    static let wakeToken: UInt64 = 0
    private static let connectionTokens: UInt64 = 1 << 60
    private static let exchangeTokens: UInt64 = 1 << 61
    private static let batchCount = 64
    /// Batches that one socket may have before the others get their turn.
    private static let batchBudget = 16
    /// No query is longer; what is, is dropped.
    private static let queryBytes = 4096
    private static let descriptionInterval: Duration = .milliseconds(50)

    private let settings: NameServerSettings
    private let shared: NameServer.Shared
    private let readiness: ReadinessSet
    private var listeners: ListenerSet
    private var resolver: Resolver
    private var seenIndex: UInt64 = 0
    private var receiver = DatagramReceiver(count: batchCount, bufferBytes: queryBytes)
    private var queue = SendQueue(capacity: batchCount)
    private var output: [UInt8] = []
    private var ready: [ReadinessSet.Event] = []
    private var askers: [UInt64: Asker] = [:]
    private var nextToken: UInt64 = 1
    private var connections: [UInt64: StreamConnection] = [:]
    private var nextConnection: UInt64 = 0
    private var exchanges: [UInt64: UpstreamSocket] = [:]
    /// Upstream answers may be long; one at a time.
    private var replies = DatagramReceiver(count: 1)
    private var unsentCount: UInt64 = 0
    private var refusedConnections: UInt64 = 0
    private var describedAt = Instant.zero
    private var describedQueries: UInt64 = 0

    init(
        _ settings: NameServerSettings, _ shared: NameServer.Shared, _ readiness: ReadinessSet,
        _ listeners: ListenerSet
    ) {
        self.settings = settings
        self.shared = shared
        self.readiness = readiness
        self.listeners = listeners
        resolver = Resolver(settings.resolver, random: SystemRandom(), at: SystemClock.now)
        output.reserveCapacity(Self.batchCount * EDNS.payloadLimit)
    }

    /// Runs until the server ends.
    consuming func run() {
        perform(at: SystemClock.now)
        while !shared.isEnding.load(ordering: .acquiring) {
            readiness.wait(&ready, milliseconds: waitMilliseconds(at: SystemClock.now))
            for event in ready { serve(event) }
            let now = SystemClock.now
            if let deadline = resolver.nextDeadline, deadline <= now { resolver.advance(to: now) }
            if let retryAt = listeners.retryAt, retryAt <= now { listeners.open(at: now) }
            closeIdleConnections(at: now)
            perform(at: now)
            describe(at: now)
        }
        for case .lookup(let lookup) in askers.values { lookup.done([], true) }
        for command in takeCommands(leaving: nil) { command.abandon() }
    }

    private func takeCommands(leaving next: [NameServer.Command]?) -> [NameServer.Command] {
        shared.commands.withLock { commands in
            defer { commands = next }
            return commands ?? []
        }
    }

    private func waitMilliseconds(at now: Instant) -> Int32 {
        let idleAt = connections.values.map(\.lastActive).min().map { $0 + settings.idleTime }
        guard let deadline = [resolver.nextDeadline, listeners.retryAt, idleAt].compactMap({ $0 }).min() else {
            return -1
        }
        return Int32(clamping: max(0, (deadline - now).nanoseconds + 999_999) / 1_000_000)
    }

    private mutating func serve(_ event: ReadinessSet.Event) {
        if event.token == Self.wakeToken {
            shared.wakeUp.clear()
            obey()
        } else if let (number, isStream) = ListenerSet.parse(event.token) {
            if isStream { accept(number) } else { serveDatagrams(number) }
        } else if event.token >= Self.exchangeTokens {
            proceed(event.token - Self.exchangeTokens, isClosed: event.isClosed)
        } else {
            serveConnection(event.token - Self.connectionTokens)
        }
    }

    private mutating func refreshIndex() {
        if let index = shared.index.update(since: &seenIndex) { resolver.index = index }
    }

    // MARK: UDP

    private mutating func serveDatagrams(_ number: UInt64) {
        guard let listener = listeners[number] else { return }
        for _ in 0..<Self.batchBudget {
            let count = receiver.receive(from: listener.datagrams.descriptor)
            guard count > 0 else { return }
            refreshIndex()
            answerBatch(count, number, listener)
            if count < Self.batchCount { return }
        }
    }

    private mutating func answerBatch(_ count: Int, _ number: UInt64, _ listener: NameListener) {
        let now = SystemClock.now
        output.removeAll(keepingCapacity: true)
        var ends: [(message: Int, end: Int)] = []
        ends.reserveCapacity(count)
        for index in 0..<count {
            guard let message = receiver.message(index), !message.isTruncated else { continue }
            let span = unsafe Span<UInt8>(
                _unsafeBytes: UnsafeRawBufferPointer(start: message.start, count: message.count))
            let client = Resolver.Client(message.source.address, token: nextToken)
            switch resolver.receive(span, from: client, at: now, into: &output) {
            case .answered: ends.append((index, output.count))
            case .pending:
                let local = listener.isWildcard ? message.localAddress : nil
                askers[nextToken] = .datagram(listener: number, source: message.source, local: local)
                nextToken += 1
            case .dropped: break
            }
        }
        send(ends, listener)
    }

    private mutating func send(_ ends: [(message: Int, end: Int)], _ listener: NameListener) {
        unsafe output.withUnsafeBytes { bytes in
            var start = 0
            for (index, end) in ends {
                if let message = receiver.message(index) {
                    let local = listener.isWildcard ? message.localAddress : nil
                    unsafe queue.append(
                        bytes.baseAddress! + start, count: end - start, segmentSize: 0, to: message.source, from: local)
                }
                start = end
            }
            unsentCount += UInt64(listener.datagrams.send(&queue))
        }
    }

    // MARK: TCP

    private mutating func accept(_ number: UInt64) {
        guard let listener = listeners[number] else { return }
        let now = SystemClock.now
        while let socket = try? listener.streams.accept() {  // Whatever is wrong with one connection ends that one.
            let fromThere = connections.values.count { $0.socket.remote.address == socket.remote.address }
            guard connections.count < settings.connectionLimit, fromThere < settings.connectionsPerClient else {
                refusedConnections += 1
                continue
            }
            let token = Self.connectionTokens + nextConnection
            guard (try? readiness.add(socket.descriptor, token: token)) != nil else { continue }  // Closed by that.
            connections[nextConnection] = StreamConnection(socket, at: now)
            nextConnection += 1
        }
    }

    private mutating func serveConnection(_ number: UInt64) {
        guard let connection = connections[number] else { return }
        let now = SystemClock.now
        refreshIndex()
        guard connection.flush(at: now), connection.read(at: now) else { return close(number) }
        while let message = connection.nextMessage() {
            output.removeAll(keepingCapacity: true)
            let client = Resolver.Client(connection.socket.remote.address, isStream: true, token: nextToken)
            switch resolver.receive(message.span, from: client, at: now, into: &output) {
            case .answered: connection.append(output[...])
            case .pending:
                connection.pending += 1
                askers[nextToken] = .stream(number)
                nextToken += 1
            case .dropped: return close(number)
            }
        }
        settle(number, connection, at: now)
    }

    /// Sends what there is, and waits for what comes next.
    private mutating func settle(_ number: UInt64, _ connection: StreamConnection, at now: Instant) {
        guard connection.flush(at: now), !connection.isDone else { return close(number) }
        var interest: EventLoop.Readiness = []
        if connection.isReading { interest.insert(.readable) }
        if connection.hasOutput { interest.insert(.writable) }
        let token = Self.connectionTokens + number
        guard (try? readiness.setInterest(interest, of: connection.socket.descriptor, token: token)) != nil else {
            return close(number)  // It cannot be waited for, so it is of no use.
        }
    }

    private mutating func close(_ number: UInt64) {
        guard let connection = connections.removeValue(forKey: number) else { return }
        readiness.remove(connection.socket.descriptor)
    }

    private mutating func closeIdleConnections(at now: Instant) {
        guard !connections.isEmpty else { return }
        for (number, connection) in connections where connection.lastActive + settings.idleTime <= now { close(number) }
    }

    // MARK: upstreams, and answers that come later

    private mutating func proceed(_ exchange: UInt64, isClosed: Bool) {
        guard let socket = exchanges[exchange] else { return }
        let now = SystemClock.now
        switch socket.proceed(&replies, readiness, token: Self.exchangeTokens + exchange, isClosed: isClosed) {
        case .waiting: return
        case .message(let bytes): resolver.receive(reply: bytes, of: exchange, at: now)
        case .failed: resolver.fail(exchange: exchange, at: now)
        }
        perform(at: now)
    }

    /// Carries out what the resolver wants; a question that cannot be sent fails at once, and leads to the next.
    private mutating func perform(at now: Instant) {
        while true {
            let actions = resolver.takeActions()
            guard !actions.isEmpty else { return }
            for action in actions {
                switch action {
                case .send(let exchange, let message, let server):
                    open(exchange, at: now) { () throws(SystemError) in
                        try UpstreamSocket(asking: message, of: server)
                    }
                case .connect(let exchange, let message, let server):
                    open(exchange, at: now) { () throws(SystemError) in
                        try UpstreamSocket(connectingFor: message, to: server)
                    }
                case .close(let exchange):
                    exchanges.removeValue(forKey: exchange)?.unwatch(from: readiness)
                case .answer(let token, let message): deliver(message, to: token, at: now)
                }
            }
        }
    }

    private mutating func open(
        _ exchange: UInt64, at now: Instant, _ make: () throws(SystemError) -> UpstreamSocket
    ) {
        do {
            let socket = try make()
            try socket.watch(with: readiness, token: Self.exchangeTokens + exchange)
            exchanges[exchange] = socket
        } catch {
            resolver.fail(exchange: exchange, at: now)
        }
    }

    private mutating func deliver(_ message: [UInt8], to token: UInt64, at now: Instant) {
        switch askers.removeValue(forKey: token) {
        case .datagram(let number, let source, let local):
            guard let listener = listeners[number],
                (try? listener.datagrams.send(message, to: source, from: local)) != nil
            else {
                unsentCount += 1  // The client asks again, as with any lost datagram.
                return
            }
        case .stream(let number):
            guard let connection = connections[number] else { return }
            connection.pending -= 1
            connection.append(message[...])
            settle(number, connection, at: now)
        case .lookup(let lookup): lookup.done(message, true)
        case nil: break
        }
    }

    // MARK: orders from other threads

    private mutating func obey() {
        refreshIndex()
        let now = SystemClock.now
        for command in takeCommands(leaving: []) {
            switch command {
            case .lookup(let lookup): look(lookup, at: now)
            case .listing(let done): done(resolver.cachedAnswers(at: now))
            case .clearCache: resolver.clearCache()
            case .forwarding(let settings): resolver.setForwarding(settings, at: now)
            case .addresses(let endpoints): listeners.setWanted(endpoints, at: now)
            }
        }
    }

    private mutating func look(_ lookup: NameServer.Lookup, at now: Instant) {
        output.removeAll(keepingCapacity: true)
        let client = Resolver.Client(lookup.client, isStream: true, token: nextToken)
        switch resolver.receive(lookup.query.span, from: client, at: now, into: &output) {
        case .answered: lookup.done(output, false)
        case .pending:
            askers[nextToken] = .lookup(lookup)
            nextToken += 1
        case .dropped: lookup.done([], false)
        }
    }

    /// The counters after each turn, so that they are true when nothing more comes; the rest, which takes longer, now and then.
    private mutating func describe(at now: Instant) {
        let isWhole = now >= describedAt + Self.descriptionInterval || resolver.counters.queries == describedQueries
        describedQueries = resolver.counters.queries
        if isWhole { describedAt = now }
        shared.status.withLock { status in
            status.counters = resolver.counters
            guard isWhole else { return }
            status.upstreams = resolver.upstreams
            status.cachedCount = resolver.cachedCount
            status.nameCount = resolver.index.nameCount
            status.connectionCount = connections.count
            status.unsentCount = unsentCount
            status.refusedConnections = refusedConnections
            listeners.describe(in: &status)
        }
    }
}
