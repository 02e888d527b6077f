package import Traversal
package import Wire

/// Where a datagram came from: the path, and the local address that it was sent to.
package struct Origin: Hashable, Sendable {
    package var path: Path
    /// `nil` when the kernel did not tell, or for a relayed path.
    package var localAddress: IPAddress?

    package init(_ path: Path, localAddress: IPAddress? = nil) {
        self.path = path
        self.localAddress = localAddress
    }
}

/// What the packet threads leave to the control thread. Peers are named by `PeerEntry.index`.
package enum Upcall: Equatable, Sendable {
    /// Who sent a datagram, as far as it can be told before it is looked at.
    package enum Sender: Sendable {
        /// It came from where a peer is.
        case peer
        /// It answers us, has a cookie of ours, or asks for nothing but its address.
        case newcomer
        /// An initiation that anybody may have sent from anywhere.
        case stranger
    }

    /// Packets flow again with a peer whose timers were not being watched.
    case active(peer: Int)
    /// A session is due for renewal. Once for each session.
    case rekeyWanted(peer: Int)
    /// The first authentic message came on a session that the peer initiated: it may be sent on now.
    case confirmed(peer: Int, receiver: UInt32)
    /// An authentic message came along another path than the peer's.
    case moved(peer: Int, to: Origin)
    /// A packet for a peer that no session can take. It is to be queued, and a handshake begun.
    case unsealed(packet: [UInt8], peer: Int)
    /// A control frame of a peer, and how many packets of its containers had arrived before it, modulo 2³².
    case control(frame: [UInt8], peer: Int, origin: Origin, arrived: UInt32 = 0)
    /// Anything else that came in: handshake messages and STUN.
    case datagram([UInt8], origin: Origin, from: Sender = .stranger)
    /// The other end of a link is closed, and so is the link.
    case linkClosed(UInt32)
}

extension Upcall {
    /// Bytes of the packet or message that it carries.
    package var byteCount: Int {
        switch self {
        case .active, .rekeyWanted, .confirmed, .moved, .linkClosed: 0
        case .unsealed(let bytes, _), .control(let bytes, _, _, _), .datagram(let bytes, _, _): bytes.count
        }
    }
}
