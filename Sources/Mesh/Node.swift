package import Crypto
package import Datapath
package import Identity
import Noise
import Relay
import STUN
package import SansIO
import Traversal
package import Wire

/// One node of the mesh: everything it knows and decides, and no I/O.
///
/// In go upcalls of the packet threads, commands and the time; out come `Action`s and the next deadline. The agent runs one such
/// value against Linux, tests run several against a virtual network.
///
/// ```
///   datagram ──▶ HandshakeResponder / Tunnel ──▶ session ──▶ hello ──▶ Registry, Directory
///   unsealed ──▶ Tunnel (queue, handshake)          │
///   control  ──▶ paths, circuits, directory ────────┴──▶ Tables for the packet threads
/// ```
/// The extensions hold one subject each: sessions, control frames, circuits, relations (whom to have a tunnel with), the
/// directory, renewal, tables, commands.
package struct Node {
    package enum Action {
        /// Send a message; to a destination with a circuit, behind a relay frame's header.
        case send([UInt8], to: Destination)
        /// As `send`, but the datagram may pass so few routers that it opens our own NAT and never comes to the other's.
        case sendBriefly([UInt8], to: Destination, hops: UInt8)
        /// The packet threads see these tables from now on.
        case publish(Tables)
        /// Send one datagram from a socket that nobody has ever sent to.
        case dialBack([UInt8], to: Endpoint)
        /// Open sockets for probing, at ports that the kernel picks, and tell them by `probesOpened`; what comes in on them goes to
        /// `receiveProbe`.
        case openProbes([ProbeSocket])
        case probe([UInt8], from: Int, to: Endpoint)
        case closeProbes([Int])
        case save(StateChange)
        case event(NodeEvent)
        /// Open a TLS stream to a relay's endpoint. It becomes the link of this number: `linkOpened` or `linkClosed` follows.
        case openStream(link: UInt32, to: Endpoint)
        case closeLink(UInt32)
        /// Something authentic came along a link that another host opened.
        case proveLink(UInt32)
        /// Open UDP sockets, each connected to this endpoint. Each becomes a link: `linkOpened` or `linkClosed` follows.
        case openSockets(links: [UInt32], to: Endpoint)
    }

    enum DeadlineKey: Hashable {
        case tunnel(Int)
        case paths(Int)
        case punch(Int)
        case search
        case greeting(Int)
        case unverified(Int)
        /// A drain ends, or those that have not left are told again.
        case drain
        /// Circuits of relays that leave may have been left.
        case release
        case anchors
        case stun
        case dialBacks
        case reachability
        case streams
        /// A stream of another host.
        case stream(UInt32)
        case discovery
        case lifetime
        /// Records that came lately are passed on.
        case spreading
        /// Others are told which records are news.
        case telling
        /// Records that others told of and nobody brought are asked for.
        case news
        /// Routes to nodes without a session are settled.
        case routes
        /// Somebody is listened for.
        case ear(Int)
        /// Our watchers are to hear something.
        case beats
        case contacts
        case statement
        case judgement
        case maintenance
    }

    static let maintenanceInterval: Duration = .seconds(5)

    package internal(set) var configuration: NodeConfiguration
    package internal(set) var identity: NodeIdentity
    package internal(set) var counters = Counters()
    /// Strangers reach this node, as far as is known.
    package internal(set) var isReachable: Bool
    /// Those on a network of ours do.
    package internal(set) var isReachableLocally = false
    /// A member came unasked, and no test has shown yet that strangers cannot.
    var cameUnasked: Bool
    var reachability = Reachability()
    var dialBacks = DialBackClient()
    var dialBackBudget: TokenBucket
    var errands: [DialBackNonce: Errand] = [:]
    var discovery = DiscoveryState()
    var lifetimeRun: LifetimeRun?
    package internal(set) var clients: [Client]
    let bootID: UInt64
    var random: SecureRandom
    var responder: HandshakeResponder
    var timestamps: TimestampClock
    var reservedTimestamp: Int64
    var registry: Registry
    var directory = Directory()
    var peers = PeerTable()
    var sessions = SlotMap<SessionSlot>(limit: 65_536, identifierBits: 32)
    var circuits = SlotMap<CircuitSlot>(limit: 65_536, identifierBits: 64) {
        didSet { areCircuitsStale = true }
    }
    var links: [UInt32: Link] = [:]
    var lastLink: UInt32 = 0
    var streams = StreamPlan()
    var acceptedStreams: [UInt32: AcceptedStream] = [:]
    var relay: RelayServer {
        didSet { areCircuitsStale = true }
    }
    var deadlines = Deadlines<DeadlineKey>()
    var actions: [Action] = []
    /// Refusals that become events: what a flood makes of them is counted.
    var refusalReports = TokenBucket(rate: 1, burst: 20, now: .zero)
    /// By what the NATs of both sides do, as far as was known.
    package internal(set) var punchCounts: [NATPair: PunchCount] = [:]
    var punchProbes = TokenBucket(rate: Self.punchProbeRate, burst: 2 * Self.punchProbeRate, now: .zero)
    var nat = NATKnowledge()
    /// The search for a port that this node takes part in; one at a time.
    var search: RunningSearch?
    var searchBudget = SearchBudget()
    /// The last search with each peer, for as long as it is known.
    var searchEvidence: [Int: SearchEvidence] = [:]
    /// Sockets won by searches, and whose they are.
    var wonLinks: [UInt32: Int] = [:]
    var areTablesStale = true
    /// The circuits in the tables are to be made anew; many tables have the same.
    var areCircuitsStale = true
    var publishedCircuits = CircuitTable()
    /// By peer, what `publishedCircuits` were made with.
    var circuitReaches: [Int: CircuitReach] = [:]
    /// The same of where peers are.
    var arePlacesStale = false
    var publishedPlaces: Set<Endpoint> = []
    var peerPlaces: [Int: [Endpoint]] = [:]
    var areRoutesStale = true
    /// There are more relays than anchors.
    var hasChoiceOfRelays = false
    var routes = RouteTable.empty
    var generation: UInt64 = 0
    /// The circuit whose offer a tunnel message is being answered for.
    var pendingAcceptance: UInt64?
    /// Addresses that we have sent to lately.
    var contacts = Contacts()
    /// Wall time at `Instant.zero`, in nanoseconds since 1970.
    var wallOffset: Int64
    var recordNumber: UInt64
    var ownRecord: [UInt8] = []
    /// Anchors that our record names, by the first eight bytes of their identifiers.
    var ownRelays: [UInt64] = []
    var recordContent = RecordContent()
    var recordSignedAt: Instant
    var gathered = OwnCandidates()
    var stunServer: STUNServer
    var stunClient = STUNClient()
    var stunAskedAt: Instant?
    /// Addresses of members, made anew at most once a second, for a server that serves them alone.
    var memberAddresses: (addresses: Set<IPAddress>, madeAt: Instant)?
    var recentPeers: [RecentPeer]
    var lastDigest: Instant
    /// The anchor that got the last digest in turn.
    var lastDigestReceiver = -1
    /// News of others that is passed on soon.
    var spreading = Spreading()
    /// When a sleep was last noticed: what waited for us meanwhile comes in many batches before any timer is served.
    var wokenAt: Instant?
    var renewalAskedAt: Instant?
    var inquiries: [UInt64: PendingInquiry] = [:]
    var announcements = AnnouncementState()
    var liveness: LivenessState
    let startedAt: Instant

    /// - Parameter unixTime: what the wall clock says at `now`, since 1970.
    package init(
        identity: NodeIdentity, configuration: NodeConfiguration, restored: Restored, seed: Secret,
        unixTime: Duration, signatures: SignatureCheck = .direct, at now: Instant
    ) {
        var random = SecureRandom(seed: seed)
        self.identity = identity
        self.configuration = configuration
        bootID = random.next()
        responder = HandshakeResponder(key: identity.tunnelKey, cookieSecret: random.secret(32), at: now)
        reservedTimestamp = Int64(clamping: restored.handshakeTimestamp)
        timestamps = TimestampClock(
            last: reservedTimestamp == 0 ? nil : Timestamp(unixTime: .nanoseconds(reservedTimestamp)))
        registry = Registry(mesh: identity.mesh, limit: configuration.peerLimit, signatures: signatures)
        stunServer = STUNServer(at: now)
        relay = RelayServer(limits: configuration.relayLimits, mode: configuration.isRelayAllowed ? .on : .off)
        relay.quota.setRates(
            total: configuration.relayRate ?? 0, perMember: configuration.relayRatePerMember ?? 0)
        isReachable = restored.isReachable || !configuration.advertised.isEmpty
        cameUnasked = restored.isReachable
        dialBackBudget = TokenBucket(rate: 20, burst: 200, now: now)
        clients = []
        wallOffset = unixTime.nanoseconds - Int64(clamping: now.nanoseconds)
        recordNumber = restored.recordNumber
        recordSignedAt = now
        recentPeers = restored.recentPeers
        lastDigest = now
        liveness = LivenessState(at: now)
        startedAt = now
        self.random = random
        restore(restored, at: now)
        askServers(at: now)
        updateReachabilityTargets(at: now)
        deadlines.set(now + Self.maintenanceInterval, for: .maintenance)
    }

    // MARK: what comes in

    /// What the packet threads left to the control thread, one batch. That a session is confirmed comes first: what else arrived
    /// with it can then be answered.
    package mutating func receive(_ upcalls: [Upcall], at now: Instant) {
        noticeSleep(at: now)
        for case .confirmed(let number, let receiver) in upcalls { confirm(number, receiver: receiver, at: now) }
        for upcall in upcalls { receive(upcall, at: now) }
    }

    private mutating func receive(_ upcall: Upcall, at now: Instant) {
        switch upcall {
        case .active(let number):
            drive(number, at: now) { $0.wake(at: now) }
            watchPaths(number, at: now)
        case .rekeyWanted(let number): drive(number, at: now) { $0.rekeyWanted(at: now) }
        case .confirmed: break
        case .moved(let number, let origin):
            guard peers.contains(number) else { return }
            setLocalAddress(of: number, origin)
            heard(from: number, along: origin.path, at: now)
        case .unsealed(let packet, let number):
            drive(number, at: now) { $0.send(packet, at: now) }
            watchPaths(number, at: now)
        case .control(let frame, let number, let origin, let arrived):
            guard peers.contains(number) else { return }
            setLocalAddress(of: number, origin)
            receive(frame: frame, from: number, along: origin.path, arrived: arrived, at: now)
        case .datagram(let datagram, let origin, _): receive(datagram, from: origin, at: now)
        case .linkClosed(let number): linkClosed(number, at: now)
        }
    }

    package mutating func advance(to now: Instant) {
        noticeSleep(at: now)
        // So many as there are: one that stays in the past must not keep what comes in waiting.
        var remaining = deadlines.count
        while remaining > 0, let key = deadlines.popExpired(at: now) {
            remaining -= 1
            switch key {
            case .tunnel(let number): drive(number, at: now) { $0.advance(to: now) }
            case .paths(let number): advancePaths(of: number, at: now)
            case .punch(let number): advancePunch(number, at: now)
            case .search: advanceSearch(to: now)
            case .greeting(let number): greet(number, at: now)
            case .drain: advanceDrain(to: now)
            case .release: releaseCircuits(at: now)
            case .anchors: chooseAnchors(at: now)
            case .unverified(let number):
                if peers[number]?.isUnverified == true { removePeer(number, at: now) }
            case .stun: advanceSTUN(to: now)
            case .dialBacks: carryOut(dialBacks.advance(to: now), at: now)
            case .reachability: testReachability(at: now)
            case .streams: updateStreams(at: now)
            case .stream(let number): checkAcceptedStream(number, at: now)
            case .discovery: advanceDiscovery(to: now)
            case .lifetime: advanceLifetime(to: now)
            case .spreading: passOn(at: now)
            case .telling: tellNews(at: now)
            case .news: askForMissing(at: now)
            case .routes: areRoutesStale = true
            case .ear(let number): advanceEar(number, at: now)
            case .beats: beat(at: now)
            case .contacts: reviewContacts(at: now)
            case .statement: state(at: now)
            case .judgement: judge(at: now)
            case .maintenance: maintain(at: now)
            }
        }
    }

    package var nextDeadline: Instant? { deadlines.earliest }

    /// The wall clock was read: what it says at `now`, since 1970.
    package mutating func setWallClock(unixTime: Duration, at now: Instant) {
        wallOffset = unixTime.nanoseconds - Int64(clamping: now.nanoseconds)
    }

    /// What is to be done, in order. The tables are published first and once, whatever has changed in them: what is sent may be
    /// answered at once, and the answer must find its session or circuit.
    package mutating func takeActions() -> [Action] {
        publishIfStale()
        defer { actions = [] }
        return actions
    }

    /// `takeActions`, with the next deadline: what the caller needs after each call, and nothing is copied for.
    package mutating func takeWork() -> (actions: [Action], deadline: Instant?) {
        let actions = takeActions()
        return (actions, deadlines.earliest)
    }

    // MARK: steps

    /// Works on a peer's tunnel and carries out what it asks for.
    mutating func drive(_ number: Int, at now: Instant, _ body: (inout Tunnel) -> [Tunnel.Action]) {
        let tunnelActions = updateTunnel(number, at: now) { tunnel throws(NoiseError) in body(&tunnel) }
        apply(tunnelActions ?? [], to: number, along: nil, at: now)
    }

    mutating func events(_ event: NodeEvent) { actions.append(.event(event)) }

    mutating func reportRefusal(of source: String, _ reason: String, at now: Instant) {
        if refusalReports.take(at: now) {
            events(.refused(source: source, reason: reason))
        } else {
            counters.refusalsUnreported += 1
        }
    }

    func name(of number: Int) -> String { peers[number]?.name ?? "unknown" }
    func peerNumber(of node: NodeID) -> Int? { peers.number(ofNode: node) }
    func unixTime(at now: Instant) -> Duration { .nanoseconds(Int64(clamping: now.nanoseconds) &+ wallOffset) }

    func wallTime(at now: Instant) -> WallTime {
        WallTime(seconds: UInt64(max(0, unixTime(at: now).components.seconds)))
    }

    private mutating func setLocalAddress(of number: Int, _ origin: Origin) {
        guard let address = origin.localAddress, peers.localAddress(of: number) != address else { return }
        peers[number]?.localAddress = address
        touch(number)
    }

    private mutating func maintain(at now: Instant) {
        deadlines.set(now + Self.maintenanceInterval, for: .maintenance)
        if responder.nextDeadline <= now {
            responder.replaceCookieSecret(random.secret(32), at: now)
            areTablesStale = true
        }
        carryOut(registry.advance(to: wallTime(at: now)), at: now)
        watchAllPaths(at: now)
        updateOwnRelays()
        if now - lastDigest >= Self.digestInterval {
            sendDigests(at: now)
        }
        gathered.forget(before: now)
        askServersIfDue(at: now)
        updateReachabilityTargets(at: now)
        refreshRecord(at: now, force: now - recordSignedAt >= Self.recordRefreshInterval)
        renewIfNeeded(at: now)
        reviewStreams(at: now)
        dropUnansweredCircuits(at: now)
        tidyWonLinks(at: now)
        maintainLiveness(at: now)
        noteRecent()
    }
}
