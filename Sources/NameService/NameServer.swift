package import DNS
package import Linux
import SansIO
import Synchronization
package import Wire

/// Answers names at some of this host's addresses, over UDP and TCP, on a thread of its own.
///
/// ```swift
/// let server = try NameServer(settings)        // 169.254.96.16 must be the host's: see `neededAddresses`
/// server.publish(builder.snapshot(serial: 1))  // as often as the catalog changes
/// let lookup = await server.lookup(name, .a)
/// server.stop()
/// ```
/// An address that cannot be had costs only itself: `status.problems` says why, and it is tried again every few seconds.
package final class NameServer: Sendable {
    /// Questions and orders from other threads.
    enum Command: Sendable {
        case lookup(Lookup)
        case listing(@Sendable ([CachedAnswer]) -> Void)
        case clearCache
        case forwarding(ForwardingSettings)
        case addresses([Endpoint])

        /// Tells whoever waits that there will be no answer.
        func abandon() {
            switch self {
            case .lookup(let lookup): lookup.done([], false)
            case .listing(let done): done([])
            case .clearCache, .forwarding, .addresses: break
            }
        }
    }

    struct Lookup: Sendable {
        let query: [UInt8]
        let client: IPAddress?
        let done: @Sendable ([UInt8], _ wasPending: Bool) -> Void
    }

    /// What the thread and others share.
    final class Shared: Sendable {
        let index = PublishedIndex()
        /// `nil` once nobody takes them any more.
        let commands = Mutex<[Command]?>([])
        let status = Mutex(NameServerStatus())
        let isEnding = Atomic(false)
        let wakeUp: WakeUp

        init() throws(SystemError) {
            wakeUp = try WakeUp()
        }
    }

    private let shared: Shared
    private let thread: Thread

    /// Starts to listen. Fails only where nothing at all can be done, such as without descriptors.
    package init(_ settings: NameServerSettings) throws(SystemError) {
        let shared = try Shared()
        let readiness = try ReadinessSet()
        try readiness.add(shared.wakeUp.descriptor, token: NameThread.wakeToken)
        // Before the thread, so that `status` is true from the start.
        var listeners = ListenerSet(settings.endpoints, readiness)
        listeners.open(at: SystemClock.now)
        shared.status.withLock { listeners.describe(in: &$0) }
        let opened = listeners
        self.shared = shared
        thread = try Thread(name: "mesh-dns") {
            NameThread(settings, shared, readiness, opened).run()
        }
    }

    /// Makes `index` what is answered from: queries read afterwards meet it.
    package func publish(_ index: ZoneIndex) {
        shared.index.publish(index)
    }

    package func setForwarding(_ settings: ForwardingSettings) {
        post(.forwarding(settings))
    }

    /// Listens at these from now on, and at no others.
    package func setEndpoints(_ endpoints: [Endpoint]) {
        post(.addresses(endpoints))
    }

    /// What a client would be told; `client` is whose search path counts, if it is known.
    package func lookup(_ name: DomainName, _ type: RecordType, as client: IPAddress? = nil) async -> NameLookup {
        var message = Message(id: 0, flags: MessageFlags.recursionDesired, question: Message.Question(name, type))
        message.edns = EDNS()
        let query = message.bytes
        let startedAt = SystemClock.now
        return await withCheckedContinuation { continuation in
            let done: @Sendable ([UInt8], Bool) -> Void = { answer, wasPending in
                continuation.resume(
                    returning: NameLookup(answer, wasPending: wasPending, took: SystemClock.now - startedAt))
            }
            post(.lookup(Lookup(query: query, client: client, done: done)))
        }
    }

    /// What is kept of other servers' answers.
    package func cachedAnswers() async -> [CachedAnswer] {
        await withCheckedContinuation { continuation in
            post(.listing { continuation.resume(returning: $0) })
        }
    }

    package func clearCache() {
        post(.clearCache)
    }

    /// Of the last turn of the thread.
    package var status: NameServerStatus { shared.status.withLock { $0 } }

    /// Stops listening and waits for the thread. Once. Lookups that wait get a failure.
    package func stop() {
        shared.isEnding.store(true, ordering: .releasing)
        shared.wakeUp.signal()
        thread.join()
    }

    private func post(_ command: Command) {
        let isTaken = shared.commands.withLock { commands in
            commands?.append(command)
            return commands != nil
        }
        if isTaken { shared.wakeUp.signal() } else { command.abandon() }
    }
}

/// Where and how names are served.
package struct NameServerSettings: Sendable {
    /// EdgeMesh's address, so that kubelets and edged that know it need no change.
    package static let standardEndpoint = Endpoint(.v4(IPv4Address(169, 254, 96, 16)), port: 53)

    package var endpoints = [standardEndpoint]
    package var resolver = ResolverSettings()
    /// TCP connections of clients at once, in all and from one address.
    package var connectionLimit = 256
    package var connectionsPerClient = 32
    package var idleTime: Duration = .seconds(10)

    package init() {}

    /// Addresses that must be on some interface of the host (`mesh0`, or `lo`) before names are answered there.
    package var neededAddresses: [IPAddress] { endpoints.map(\.address) }
}

/// What a server does at present, for people and for metrics.
package struct NameServerStatus: Sendable {
    package var listening: [Endpoint] = []
    package var problems: [NameServiceError] = []
    package var counters = NameCounters()
    package var upstreams: [UpstreamState] = []
    package var cachedCount = 0
    package var nameCount = 0
    package var connectionCount = 0
    /// Answers that could not be sent, and connections that were refused or closed for want of room.
    package var unsentCount: UInt64 = 0
    package var refusedConnections: UInt64 = 0

    package init() {}
}

/// The answer to a lookup.
package struct NameLookup: Sendable {
    package enum Origin: Sendable {
        /// A zone of this host.
        case zone
        case cache
        case upstream
    }

    package let code: ResponseCode
    package let origin: Origin
    package let answers: [ResourceRecord]
    package let authorities: [ResourceRecord]
    package let additional: [ResourceRecord]
    /// RFC 8914's number, such as 3 for a stale answer and 22 when no upstream can be reached.
    package let extendedError: UInt16?
    package let took: Duration

    init(_ bytes: [UInt8], wasPending: Bool, took: Duration) {
        let message = (try? Message(parsing: bytes)) ?? Message(id: 0, flags: 2)  // Our own, or none at the end.
        code = message.responseCode
        origin = message.flags.isAuthoritative && !wasPending ? .zone : wasPending ? .upstream : .cache
        answers = message.answers
        authorities = message.authorities
        additional = message.additional
        let option = message.edns?.options.first { $0.code == 15 && $0.value.count >= 2 }
        extendedError = option.map { UInt16($0.value[0]) << 8 | UInt16($0.value[1]) }
        self.took = took
    }
}
