package import Wire

/// What two nodes say to each other inside their tunnel, beside the packets of their containers.
///
/// The first byte is the kind, 1–15, so that its upper nibble is 0 where an IP packet has 4 or 6; then the length of the body
/// (2), and the body; everything is big-endian. Behind it may be up to 15 zero bytes, the tunnel's padding.
/// The tunnel authenticates and orders nothing: every frame stands for itself and may be lost or come twice.
package enum ControlFrame: Equatable, Sendable {
    /// Who the sender is; the first frame on every new session.
    case hello(Hello)
    /// Asks for a `pong` along the same path; proves a path and measures it. `inDoubt`: the sender fears that its own path
    /// has failed, and sends on another beside it.
    case ping(nonce: UInt64, inDoubt: Bool)
    /// Answers a ping, and is as long as one. `observed` is the UDP source that the ping came from, absent when it came through
    /// a relay or a stream; `load` is how busy the sender is as a relay, 255 when it takes no circuits; `arrived` packets of
    /// containers had come before the ping, modulo 2³².
    case pong(nonce: UInt64, observed: Endpoint?, load: UInt8, arrived: UInt32)
    /// Signed node records, encoded by `Identity`.
    case records([[UInt8]])
    /// What the sender's directory holds: the receiver answers with records that are newer or missing there, and asks for
    /// those that it lacks itself.
    case digest(Digest)
    /// Asks for the records of the nodes whose identifiers begin so.
    case recordRequest([UInt64])
    /// Asks a relay for a circuit to `target`, and hands it the first message to carry. A relay that asks another one on somebody's
    /// behalf says whose, and how many relays have passed it on.
    case circuitOpen(replyID: UInt64, target: Bytes32, route: Route?, message: [UInt8])
    /// The relay tells the target of a circuit, with its first message.
    case circuitOffer(relayID: UInt64, origin: Bytes32, message: [UInt8])
    /// The target answers the offer, with the message that answers the first one.
    case circuitAccept(relayID: UInt64, replyID: UInt64, message: [UInt8])
    /// The relay tells the opener that the circuit stands.
    case circuitReady(replyID: UInt64, relayID: UInt64, message: [UInt8])
    /// A circuit is gone or was refused; `identifier` is the one that the receiver of this frame chose.
    case circuitClosed(identifier: UInt64, reason: UInt8)
    /// The sender does not admit the receiver, and why, in words for its operator; when its subnet is taken, those that are.
    case refusal(reason: String, takenSubnets: [UInt16])
    /// The sender leaves in good order; its session and circuits end now.
    case goodbye
    /// A piece of a longer frame.
    case fragment(Fragment)
    /// A frame of one of the subjects that are spoken of seldom; what the payload means is its subject's.
    case extended(Topic, [UInt8])

    package enum Topic: UInt8, CaseIterable, Sendable {
        /// Asks a node that may issue for a certificate with a later expiry (`RenewalMessage`).
        case renewal = 1
        /// Both sides open their NATs towards each other at the same time.
        case punch = 2
        /// The search for the port that a symmetric NAT chose.
        case search = 3
        /// Whether strangers can reach the asker (dial-back).
        case reachability = 4
        /// What a relay tells those that it relays for.
        case relaying = 5
        /// Why a path is as it is, asked by an operator at another node.
        case inquiry = 6
        /// What nodes offer the mesh (`AnnouncementMessage`).
        case announcements = 7
        /// Which records the sender has learned lately (`RecordNews`).
        case news = 8
        /// Asks for a sign of life, and gives one (`Node.ask`): one byte, 1 or 2.
        case liveness = 9
    }

    /// Bytes of one unfragmented frame, so that it fits the smallest inner MTU.
    package static let sizeLimit = 1200
    /// Entries in one digest.
    package static let digestLimit = 72

    /// Whom a circuit is for that a relay opens onward.
    package struct Route: Equatable, Sendable {
        package var origin: Bytes32
        /// Relays that the circuit goes through already; at least one.
        package var relays: UInt8

        package init(origin: Bytes32, relays: UInt8) {
            self.origin = origin
            self.relays = relays
        }
    }

    package struct Hello: Equatable, Sendable {
        package static let currentVersion: UInt8 = 1
        /// Changes with every start of the sender, so that peers notice a restart.
        package var bootID: UInt64
        /// The sender's wall clock, in seconds since 1970; only to warn of a wrong one.
        package var wallSeconds: UInt64
        /// Whether the sender has not yet had a hello from the receiver on this session.
        package var wantsReply: Bool
        /// The sender's own record, encoded and signed by `Identity`.
        package var record: [UInt8]

        package init(bootID: UInt64, wallSeconds: UInt64, wantsReply: Bool, record: [UInt8]) {
            self.bootID = bootID
            self.wallSeconds = wallSeconds
            self.wantsReply = wantsReply
            self.record = record
        }
    }

    /// The records of all nodes whose identifiers begin with a number in `first...last`, in order.
    package struct Digest: Equatable, Sendable {
        package var first: UInt64
        package var last: UInt64
        package var entries: [DigestEntry]

        package init(first: UInt64, last: UInt64, entries: [DigestEntry]) {
            self.first = first
            self.last = last
            self.entries = entries
        }
    }

    package struct DigestEntry: Equatable, Sendable {
        /// The first eight bytes of the node's identifier.
        package var node: UInt64
        package var number: UInt64

        package init(node: UInt64, number: UInt64) {
            self.node = node
            self.number = number
        }
    }

    package struct Fragment: Equatable, Sendable {
        package var message: UInt32
        package var index: UInt8
        package var count: UInt8
        package var bytes: [UInt8]

        package init(message: UInt32, index: UInt8, count: UInt8, bytes: [UInt8]) {
            self.message = message
            self.index = index
            self.count = count
            self.bytes = bytes
        }
    }
}
