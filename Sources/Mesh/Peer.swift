import Datapath
import Identity
import Noise
import SansIO
import Traversal
import Wire

/// One party that this node has, or may want, a tunnel with.
struct Peer {
    enum Role: Equatable {
        /// It completed a handshake and has yet to show a certificate; only control frames pass, until the deadline.
        case unverified(until: Instant)
        /// From our join token: its key is known, its certificate not yet.
        case bootstrap
        case node(NodeID)
        /// A stock WireGuard program attached to this node; it never sends control frames.
        case client(number: UInt16)
    }

    /// What was exchanged of hellos on the session that stands.
    struct Greeting {
        var sentCount = 0
        /// The peer's boot identifier, once its hello came and was accepted.
        var received: UInt64?
    }

    struct AwaitedPong {
        var token: UInt64
        var sentAt: Instant
    }

    let number: Int
    let tunnelKey: Bytes32
    var role: Role
    /// The certificate's name; before that, how we came to know it.
    var name: String
    var tunnel: Tunnel
    var paths: PeerPaths
    var assembler = FrameAssembler()
    var greeting = Greeting()
    /// Inner sources that the peer may use; empty until its certificate is verified.
    var sources: [IPPrefix] = []
    /// Endpoints to try, best first: from its record, from the token, and where it was last seen.
    var candidates: [Endpoint] = []
    var lastEndpoint: Endpoint?
    /// Our own address that the peer sends to.
    var localAddress: IPAddress?
    /// A node of our join token: kept as an anchor while no relay is known.
    var isBootstrap = false
    /// Where a node of our join token takes streams; 0: unknown.
    var streamPort: UInt16 = 0
    /// The round trip to it when it was last reached directly, and when it was last given up.
    var lastRoundTrip: Duration?
    var failedAt: Instant?
    /// A tunnel with this peer is kept up even when nothing is to be sent.
    var isAnchor = false
    /// The session that we send with.
    var sending: Keypair?
    var sessionSince: Instant?
    /// Where the handshake that we answered last came from.
    var handshakePath: Path?
    /// A handshake of the peer came from an address that we had not sent to.
    var wasUnsolicited = false
    /// The initiation on its way, and how often the attempt has sent one.
    var initiation: [UInt8]?
    var initiationCount = 0
    /// When relays were asked for a circuit to this peer, so that none is asked again soon.
    var relaysAsked: [Int: Instant] = [:]
    /// How busy the peer is as a relay, by its last pong; 255: it takes no circuits.
    var relayLoad: UInt8 = 0
    /// The peer said that it will stop relaying.
    var isLeavingRelay = false
    /// Circuits that lead to this peer.
    var circuits: [UInt64] = []
    /// Circuits that end here and go through this peer.
    var carriedCircuitCount = 0
    /// What the peer may make us do. Enough for a directory of thousands at once; a flood ends at a small part of a core.
    var work = TokenBucket(rate: 500, burst: 4000, now: .zero)
    /// It is told of news until then.
    var newsWantedUntil = Instant.zero
    /// Records that were refused: each may make us settle anew who counts. Who sends too many is not listened to for a while.
    var refusals = TokenBucket(rate: 10, burst: 200, now: .zero)
    var recordsIgnoredUntil = Instant.zero
    /// Datagrams to endpoints of the peer that it may have us send, itself or through another.
    var dialBacks = TokenBucket(rate: 2, burst: 60, now: .zero)
    /// Pings that we answer: more than a port search and a doubt together send.
    var pings = TokenBucket(rate: 500, burst: 1000, now: .zero)
    /// Hellos and refusals, whose sender may have shown no certificate yet.
    var introductions = TokenBucket(rate: 2, burst: 10, now: .zero)
    var punch = HolePunch()
    /// Words about punching: each may make us send a train of probes.
    var punchWords = TokenBucket(rate: 2, burst: 20, now: .zero)
    /// Where the peer's last such word came along.
    var punchPath: Path?
    /// What the peer knows of its NAT.
    var nat = NATKind.unknown
    var allocation = PortAllocation.any
    var isPunchFailureReported = false
    /// Something is sent even when there is nothing to say, for the sake of the NATs' mappings.
    var isKeptOpen = false
    var refusal: String?
    /// Tokens of `ping` commands: those that wait for a session, and those that wait for their pong, by nonce.
    var pingsWaiting: [UInt64] = []
    var awaitedPongs: [UInt64: AwaitedPong] = [:]
    var certificateExpiry = WallTime(seconds: 0)
    /// Our wall clock less the peer's, in seconds, when it introduced itself.
    var clockDifference: Int64 = 0
    /// How the packet threads see the peer; `nil` when that must be made anew.
    var entry: PeerEntry?

    init(number: Int, tunnelKey: Bytes32, role: Role, name: String, tunnel: Tunnel) {
        self.number = number
        self.tunnelKey = tunnelKey
        self.role = role
        self.name = name
        self.tunnel = tunnel
        let isStock = if case .client = role { true } else { false }
        paths = PeerPaths(answersPings: !isStock)
    }

    var hasSession: Bool { sending != nil }

    var nodeID: NodeID? {
        if case .node(let identifier) = role { identifier } else { nil }
    }

    var clientNumber: UInt16? {
        if case .client(let number) = role { number } else { nil }
    }

    var isClient: Bool { clientNumber != nil }

    var isUnverified: Bool {
        if case .unverified = role { true } else { false }
    }

    /// Whether control frames other than a hello are listened to.
    var isMember: Bool { nodeID != nil && greeting.received != nil }
}
