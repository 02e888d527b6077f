package import SansIO

// Traffic: how closely a peer's paths are watched, and what may be expected to be heard along them.
extension PeerPaths {
    /// What the packet threads have noted of a peer, read by the control thread.
    package struct Traffic: Equatable, Sendable {
        /// The last packet of a container that went to the peer or came from it.
        package var lastPacket: Instant?
        /// The first such packet to the peer since a packet of it came, or anything along the path in use.
        package var silentSince: Instant?
        /// Packets of containers that have gone to the peer and come from it.
        package var packetsSent: UInt64
        package var packetsReceived: UInt64
        /// A tunnel with the peer is kept up even when nothing is to be sent.
        package var isKept: Bool

        package init(
            lastPacket: Instant? = nil, silentSince: Instant? = nil,
            packetsSent: UInt64 = 0, packetsReceived: UInt64 = 0, isKept: Bool = false
        ) {
            self.lastPacket = lastPacket
            self.silentSince = silentSince
            self.packetsSent = packetsSent
            self.packetsReceived = packetsReceived
            self.isKept = isKept
        }
    }

    /// How much a peer is worth watching.
    enum Level: Int, Comparable {
        case idle, kept, quiet, active
        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// Whether packets of the peer have come all the time, so that their absence means something.
    struct Regularity: Sendable {
        /// On the average of a span no rarer than this.
        private static let rarest: Duration = .milliseconds(50)
        private static let shortestSpan: Duration = .milliseconds(500)

        private var since: Instant?
        private var count: UInt64 = 0
        /// How far apart packets have been; `nil` when that was too far.
        private(set) var spacing: Duration?

        mutating func note(_ received: UInt64, at now: Instant) {
            guard let since, received >= count else {
                self = Regularity()
                (since, count) = (now, received)
                return
            }
            let span = now - since
            guard span >= Self.shortestSpan else { return }
            let packets = received - count
            spacing = packets == 0 ? nil : span / Double(packets)
            if let found = spacing, found > Self.rarest { spacing = nil }
            (self.since, count) = (now, received)
        }
    }

    /// A peer that packets came from all the time, and from whom nothing has come for so long though we send it nothing, is asked.
    private static let expectation: Duration = .milliseconds(200)

    /// After a move, what is under way along the path that was left counts for nothing.
    private static let settlingTime: Duration = .milliseconds(500)

    /// What the packet threads noted: sets how closely the paths are watched.
    package mutating func observe(_ new: Traffic, at now: Instant) {
        traffic = new
        regularity.note(new.packetsReceived, at: now)
        let before = level
        updateLevel(at: now)
        if level == .active, before < .quiet, current?.isDirectDatagram == false { probeAnew(at: now) }
    }

    /// Packets take another path from now on, or have taken two: what is lost of them is counted anew.
    mutating func restartTraffic(isMoved: Bool, at now: Instant) {
        countsTrafficFrom = now + Self.settlingTime
        guard let current else { return }
        update(current) { isMoved ? $0.measure.forgetTraffic() : $0.measure.restartTraffic() }
    }

    /// A ping along the path in use told what has become of packets.
    mutating func countTraffic(_ ping: OutstandingPing, arrived: UInt32, at now: Instant) {
        guard doubt == nil, ping.path == current, let sent = ping.packetsSent, ping.sentAt >= countsTrafficFrom else {
            return
        }
        update(ping.path) { $0.measure.note(sent: sent, arrived: arrived, at: now) }
    }

    /// When it is to be looked at whether the peer's packets still come.
    var expectationDeadline: Instant? {
        guard doubt == nil, answersPings, regularity.spacing != nil, level == .active, traffic.silentSince == nil,
            let last = traffic.lastPacket, let current, knownPath(current)?.lastPinged.map({ $0 <= last }) ?? true
        else { return nil }
        return last + Self.expectation
    }

    /// Whether the peer's packets come as before, as far as anything is to be heard of it.
    func isHeard(at now: Instant) -> Bool {
        if let since = traffic.silentSince { return now - since < Self.pauseInTraffic }
        guard let spacing = regularity.spacing, let last = traffic.lastPacket else { return true }
        return now - last < max(Self.pauseInTraffic, spacing * 4)
    }

    mutating func updateLevel(at now: Instant) {
        let idle = traffic.lastPacket.map { now - $0 } ?? .seconds(3600)
        let new: Level =
            !answersPings
            ? .idle
            : idle < Self.activeTime
                ? .active
                : idle < Self.quietTime ? .quiet : traffic.isKept ? .kept : .idle
        level = new
        // The rounds at the beginning of a session are made even if little is said in it.
        if level == .idle, probeRound >= Self.probeWaits.count { nextProbe = nil }
    }
}
