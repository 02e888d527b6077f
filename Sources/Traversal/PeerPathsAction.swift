package import Wire

// What comes out of the choice of paths, and why.
extension PeerPaths {
    package enum Action: Equatable, Sendable {
        case ping(Path, nonce: UInt64, inDoubt: Bool)
        /// Packets take this path from now on; `nil`: there is none.
        case use(Path?, reason: Reason)
        /// `standby`, `duplicate` or `holdUntil` changed.
        case update
        /// No known path answers, or there is no standby: circuits through other relays are wanted.
        case seek
    }

    /// Why a path was taken or left; shown to operators.
    package enum Reason: String, Equatable, Sendable {
        case firstHeard = "first path that answered"
        case provenDirect = "direct path proven"
        case roamed = "peer moved"
        case unanswered = "path stopped answering"
        case circuitClosed = "circuit closed"
        case linkClosed = "link closed"
        case linkChanged = "network changed"
        case faster = "shorter round trip"
        case lessLoss = "less loss"
        case relayLeaving = "relay is leaving"
    }

    /// Who carries a relayed path.
    package struct Relay: Equatable, Sendable {
        /// Its peer number.
        package var peer: Int
        package var host: IPAddress?
        /// We reach it by a TLS stream.
        package var isStream: Bool

        package init(peer: Int, host: IPAddress?, isStream: Bool = false) {
            self.peer = peer
            self.host = host
            self.isStream = isStream
        }
    }
}
