package import Crypto
package import Identity
import STUN
package import Wire

// What a node keeps on disk, and what it counts.
extension Node {
    /// What must survive a restart. The shell writes it to disk, in order.
    package enum StateChange: Equatable, Sendable {
        case record(node: NodeID, number: UInt64, encoded: [UInt8])
        case forgetRecord(node: NodeID)
        /// No handshake of ours may carry an earlier timestamp than this, in nanoseconds since 1970, not even after a restart.
        case handshakeTimestamp(UInt64)
        case recordNumber(UInt64)
        case announcement(node: NodeID, part: UInt8, number: UInt64, encoded: [UInt8])
        case forgetAnnouncements(node: NodeID)
        /// Of our newest announcement.
        case announcementNumber(UInt64)
        /// The certificate was issued anew; the identity is to be written whole.
        case identity
        case recentPeers([RecentPeer])
        /// Whether others can reach this node unasked.
        case reachable(Bool)
    }

    /// A peer that had a session lately, and where it was: dialled first after a restart.
    package struct RecentPeer: Equatable, Sendable {
        package var node: NodeID
        package var endpoint: Endpoint?

        package init(node: NodeID, endpoint: Endpoint?) {
            self.node = node
            self.endpoint = endpoint
        }
    }

    /// A stock WireGuard client attached to this node.
    package struct Client: Equatable, Sendable {
        package var attached: AttachedClient
        package var presharedKey: Secret

        package init(attached: AttachedClient, presharedKey: Secret) {
            self.attached = attached
            self.presharedKey = presharedKey
        }
    }

    /// State from disk.
    package struct Restored: Sendable {
        package var records: [[UInt8]] = []
        package var clients: [Client] = []
        package var handshakeTimestamp: UInt64 = 0
        package var recordNumber: UInt64 = 0
        package var announcements: [[UInt8]] = []
        package var announcementNumber: UInt64 = 0
        package var recentPeers: [RecentPeer] = []
        package var isReachable = false
        /// Of the join token, while no record is known.
        package var bootstrap: [JoinToken.Bootstrap] = []

        package init() {}
    }

    package struct Counters: Equatable, Sendable {
        package var malformedFrames = 0
        package var unexpectedFrames = 0
        package var malformedDatagrams = 0
        package var unknownReceivers = 0
        package var refusedHandshakes = 0
        /// Initiations that were answered with a cookie, for their senders to come again with.
        package var cookiesAsked = 0
        /// Candidates in records that are not tried, for others of the node come before them.
        package var candidatesLeftOut = 0
        package var circuitsRefused = 0
        package var tentativeRefused = 0
        package var recordsRefused = 0
        package var announcementsRefused = 0
        package var liveness = LivenessCounts()
        /// Records that peers told of, beyond what is remembered.
        package var newsLeftOut = 0
        /// Frames of peers that sent more than they may.
        package var overBudget = 0
        /// Refusals beyond those that were reported as events.
        package var refusalsUnreported = 0
        package var stunAnswered = 0
        /// STUN messages dropped, by `STUNServer.Refusal`.
        package var stunRefused = [Int](repeating: 0, count: STUNServer.Refusal.allCases.count)
        /// STUN messages that answer nothing we asked.
        package var stunUnexpected = 0
        /// Datagrams sent to find out for others whether they can be reached, and those not sent.
        package var dialBacks = 0
        package var dialBacksRefused = 0
        /// Probes of punches beyond what this node sends in all.
        package var punchProbesHeldBack = 0
        /// Streams of others along which nothing authentic came.
        package var strangeStreams = 0
        package var searchesBegun = 0
        package var searchesWon = 0
        /// Searches that this node, or the peer asked, would not take part in.
        package var searchesRefused = 0
        package var searchProbes = 0
        package var searchSockets = 0
    }
}
