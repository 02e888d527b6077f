import Crypto
import Datapath
import Identity
import Noise
package import SansIO
import Traversal
import Wire

// Paths: what is heard along them, how closely they are watched, and what follows from a change.
extension Node {
    /// A deadline missed by more than this means that the host slept, or the process was stopped.
    static let sleepThreshold: Duration = .seconds(3)

    /// Something authentic came from a peer along `path`.
    ///
    /// A circuit counts only for the peer it leads to: what a relay puts into another one is no path.
    mutating func heard(from number: Int, along path: Path, at now: Instant) {
        if case .relayed(let identifier) = path {
            guard case .local(let circuit)? = circuits[identifier], circuit.peer == number else { return }
        }
        if !liveness.ears.isEmpty { hear(number, at: now, now: now) }
        noteHeardAlongStream(number, path, at: now)
        noteForSearch(number, along: path, at: now)
        // Most of what comes: nothing changes but when it came.
        if path.isDirect, peers.update(number, { $0.heardAgain(along: path, at: now) }) == true { return }
        if case .direct(let endpoint) = path, !endpoint.isLink { peers[number]?.lastEndpoint = endpoint }
        if path == peers.path(of: number) { peers[number]?.tunnel.activity.endSilence() }
        let relay = relay(of: path)
        let isNewSource = path.isDirect && peers[number]?.paths.hasHeard(along: path) == false
        updatePaths(number, at: now) { $0.heard(along: path, through: relay, at: now, using: &$1) }
        // Circuits take frames from there from now on.
        if isNewSource { touch(number) }
    }

    /// The packet threads noted packets of a peer: its paths are watched as closely as that calls for.
    mutating func watchPaths(_ number: Int, at now: Instant) {
        guard peers.isConnected(number), let watched = peers.update(number, { $0.watchPaths(at: now) }) else { return }
        deadlines.set(watched.deadline, for: .paths(number))
        if watched.seeks { seekCircuits(to: number, at: now) }
    }

    /// Packets that only came in wake nobody: who had some lately is looked at now and then. So is who still lacks a standby.
    mutating func watchAllPaths(at now: Instant) {
        for number in peers.connected {
            let last = peers.update(number) { $0.tunnel.activity.lastPacket }
            if let last = last ?? nil, now - last < Self.maintenanceInterval * 2 { watchPaths(number, at: now) }
            if peers.update(number, { $0.paths.lacksStandby }) == true { seekCircuits(to: number, at: now) }
        }
    }

    mutating func advancePaths(of number: Int, at now: Instant) {
        guard peers.update(number, { $0.observeTraffic(at: now) }) != nil else { return }
        updatePaths(number, at: now) { $0.advance(to: now, using: &$1) }
    }

    /// Works on a peer's paths, carries out what they ask for and follows their deadline.
    mutating func updatePaths(
        _ number: Int, at now: Instant, _ body: (inout PeerPaths, inout SecureRandom) -> [PeerPaths.Action]
    ) {
        guard let pathActions = peers[number]?.paths.update(using: &random, body) else { return }
        apply(pathActions, to: number, at: now)
    }

    mutating func apply(_ pathActions: [PeerPaths.Action], to number: Int, at now: Instant) {
        for action in pathActions {
            switch action {
            case .ping(let path, let nonce, let inDoubt):
                sendPing(nonce: nonce, inDoubt: inDoubt, to: number, along: path, at: now)
                if peers[number]?.paths.isInDoubt == true { verifyRelay(of: path, at: now) }
            case .use(let path, let reason): took(path, because: reason, number, at: now)
            case .update: touch(number)
            case .seek:
                seekCircuits(to: number, at: now)
                if peers[number]?.hasDirectPath == true { requestPunch(number, at: now) }
            }
        }
        deadlines.set(peers.update(number) { $0.paths.nextDeadline } ?? nil, for: .paths(number))
    }

    private mutating func took(_ path: Path?, because reason: PeerPaths.Reason, _ number: Int, at now: Instant) {
        // Circuits of others may go through this peer's endpoint.
        touchAll()
        peers[number]?.tunnel.activity.endSilence()
        if peers[number]?.isAnchor == true { reviewStreams(at: now) }
        events(.pathChanged(peer: name(of: number), path: path, relay: path.flatMap(relayName), reason: reason))
        if path == nil {
            // A circuit whose end was not heard of, for the frame that said so was lost, must not be tried for ever.
            if reason == .unanswered {
                closeCircuits(to: number, at: now)
                _ = suspect(number, at: now)
            }
            if peers[number]?.hasSession == true { reconnect(number, at: now) }
        }
        if path?.isDirect == true { noteRecent() }
        notePathForPunching(number, at: now)
    }

    /// A relayed path is in doubt: perhaps a NAT gave us another address, and the relay takes our frames for a stranger's. A
    /// ping tells it where we are.
    private mutating func verifyRelay(of path: Path, at now: Instant) {
        guard let relay = relay(of: path)?.peer else { return }
        updatePaths(relay, at: now) { $0.verify(at: now, using: &$1) }
    }

    /// Who carries a path; `nil` for a straight one.
    func relay(of path: Path) -> PeerPaths.Relay? {
        guard case .relayed(let identifier) = path, case .local(let circuit)? = circuits[identifier] else { return nil }
        var host: IPAddress?
        if case .direct(let endpoint)? = peers[circuit.relay]?.paths.current, !endpoint.isLink {
            host = endpoint.address
        }
        let isStream = peers[circuit.relay]?.paths.current?.isStream ?? false
        return PeerPaths.Relay(peer: circuit.relay, host: host, isStream: isStream)
    }

    func relayName(of path: Path) -> String? { relay(of: path).map { name(of: $0.peer) } }

    // MARK: change of network

    /// Links or addresses of the host came or went: paths are tried anew at once.
    package mutating func networkChanged(at now: Instant) {
        askServers(at: now)
        testReachabilitySoon(at: now)
        streams.networkChanged(at: now)
        reviewStreams(at: now)
        abandonLifetime()
        discoverSoon(at: now)
        for peer in peers.all where peer.hasSession || peer.isAnchor {
            if peer.hasSession {
                peers[peer.number]?.observeTraffic(at: now)
                updatePaths(peer.number, at: now) { $0.networkChanged(at: now, using: &$1) }
            } else {
                connect(peer.number, at: now)
            }
        }
        for node in liveness.contacts { if let number = peers.number(ofNode: node) { _ = suspect(number, at: now) } }
        forgetNAT()
        searchBudget.networkChanged(at: now)
        punchAll(because: .networkChanged, at: now)
    }

    /// A deadline was missed by far: the host slept, and everything may be different.
    mutating func noticeSleep(at now: Instant) {
        guard let due = deadlines.earliest, due + Self.sleepThreshold < now,
            wokenAt.map({ now - $0 >= Self.sleepThreshold }) ?? true
        else { return }
        wokenAt = now
        networkChanged(at: now)
    }
}

extension Peer {
    /// As `Node.heard`, for what changes nothing but when it came; `false`: nothing was done.
    fileprivate mutating func heardAgain(along path: Path, at now: Instant) -> Bool {
        guard paths.heardAgain(along: path, at: now) else { return false }
        if case .direct(let endpoint) = path, !endpoint.isLink { lastEndpoint = endpoint }
        tunnel.activity.endSilence()
        return true
    }

    fileprivate mutating func observeTraffic(at now: Instant) {
        let activity = tunnel.activity
        let traffic = PeerPaths.Traffic(
            lastPacket: activity.lastPacket, silentSince: activity.watchSilence(),
            packetsSent: activity.innerSent, packetsReceived: activity.innerReceived, isKept: isAnchor)
        paths.observe(traffic, at: now)
    }

    /// When the paths are to be looked at again, and whether another relay has come to be wanted.
    fileprivate mutating func watchPaths(at now: Instant) -> (deadline: Instant?, seeks: Bool) {
        let lackedStandby = paths.lacksStandby
        observeTraffic(at: now)
        return (paths.nextDeadline, !lackedStandby && paths.lacksStandby)
    }
}

extension PeerPaths {
    /// In place, so that nothing is copied.
    fileprivate mutating func update(
        using random: inout SecureRandom, _ body: (inout PeerPaths, inout SecureRandom) -> [Action]
    ) -> [Action] {
        body(&self, &random)
    }
}
