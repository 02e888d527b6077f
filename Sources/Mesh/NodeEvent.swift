package import Identity
package import Traversal
package import Wire

/// What happened in the node that a person or a program may want to know; the shell logs it and keeps counts.
package enum NodeEvent: Equatable, Sendable {
    /// A session with a peer stands and its certificate is known.
    case connected(peer: String, path: Path?)
    /// The session with a peer ended without a successor.
    case disconnected(peer: String)
    /// Packets to a peer take another path, or none.
    case pathChanged(peer: String, path: Path?, relay: String?, reason: PeerPaths.Reason)
    /// A node became known to the directory.
    case learned(node: String)
    /// A certificate or record was not accepted.
    case refused(source: String, reason: String)
    /// A member does not admit this node.
    case refusedByPeer(peer: String, reason: String)
    /// This node's own certificate lost a name or a prefix to an earlier one, or ends soon.
    case ownCertificate(problem: String)
    /// Our certificate was issued anew; addresses may have changed with it.
    case renewed(until: WallTime)
    /// A peer's wall clock differs from ours by more than an hour, in seconds; positive when ours is ahead.
    case clockSkew(peer: String, seconds: Int64)
    /// Others reach this node without being asked: it may relay.
    case reachable
    /// Nobody reached this node at any of these endpoints: it relays no more for those outside its own network.
    case unreachable(tried: [Endpoint])
    /// Nobody that a tunnel is kept with answers over UDP: TLS streams are tried. And: somebody does again.
    case udpSilent
    case udpAnswers
    /// What stands between this host and others was found out, or nobody could tell.
    case natDiscovered(NATReport)
    case circuitRefused(relay: String, target: String, reason: UInt8)
    /// Packets to a peer go through a relay, for no endpoint of its that was tried answers. Said once until one does.
    case punchFailed(peer: String, tried: [Endpoint], pair: NATPair)
    /// A search for the port that a symmetric NAT chose is over.
    case searchEnded(peer: String, role: PortSearch.Role, outcome: PortSearch.Outcome)
    /// Stays unanswered: the addresses tried so far.
    case unanswered(peer: String, tried: [Endpoint])
    /// Another node's answer to a question of ours; `nil` when it does not know the node asked about.
    case explained(token: UInt64, Explanation?)
    /// A node offers something else than before, in a part of what it announces.
    case announced(Announcement)
    /// A node that has announced something is no member any more.
    case announcementsEnded(node: NodeID)
    /// Nodes cannot be reached any more, by anybody or by this node alone, or can be again.
    case livenessChanged(dead: [String], back: [String])
    case pong(token: UInt64, roundTripTime: Duration, path: Path, relay: String?)
}
