import Crypto
import Datapath
package import Identity
import Noise
import Relay
package import SansIO
package import Traversal
package import Wire

// What people ask of the node.
extension Node {
    package struct PeerStatus: Sendable {
        package var name: String
        package var nodeID: NodeID?
        package var isClient: Bool
        package var prefixes: [IPPrefix]
        package var path: Path?
        package var endpoint: Endpoint?
        /// What the path is when it is no plain UDP path.
        package var link: Link?
        package var relay: String?
        package var roundTripTime: Duration?
        /// Share of the last pings along the path that stayed unanswered.
        package var loss: Double?
        package var pathReason: String?
        package var standby: Path?
        package var standbyRelay: String?
        /// Every path that is known, the one in use first; and what became of them.
        package var paths: [PathReport]
        package var history: PathHistory
        package var lastHandshake: Instant?
        package var pathSince: Instant?
        package var bytesReceived: UInt64
        package var bytesSent: UInt64
        package var certificateExpiry: WallTime?
        package var clockDifference: Int64
        package var isConnected: Bool
    }

    /// Every node and client of the mesh that is known, ordered by name.
    package var peerStatuses: [PeerStatus] {
        peers.all.compactMap { peer in
            guard peer.nodeID != nil || peer.isClient else { return nil }
            let path = peer.hasSession ? peer.paths.current : nil
            var endpoint = peer.lastEndpoint
            if case .direct(let current)? = path { endpoint = reached(current) }
            let statistics = path.flatMap { peer.paths.statistics(of: $0) }
            let standby = path == nil ? nil : peer.paths.standby
            return PeerStatus(
                name: peer.name, nodeID: peer.nodeID, isClient: peer.isClient, prefixes: peer.sources, path: path,
                endpoint: endpoint, link: path.flatMap(link), relay: path.flatMap(relayName),
                roundTripTime: statistics?.roundTripTime,
                loss: statistics?.roundTripTime == nil ? nil : statistics?.loss,
                pathReason: path == nil ? nil : peer.paths.history.changes.last?.reason.rawValue, standby: standby,
                standbyRelay: standby.flatMap(relayName), paths: peer.paths.report, history: peer.paths.history,
                lastHandshake: peer.sessionSince, pathSince: peer.paths.currentSince,
                bytesReceived: peer.tunnel.activity.bytesReceived, bytesSent: peer.tunnel.activity.bytesSent,
                certificateExpiry: peer.isClient ? nil : peer.certificateExpiry, clockDifference: peer.clockDifference,
                isConnected: peer.hasSession)
        }
        .sorted { $0.name < $1.name }
    }

    /// Whether a member has accepted us, or there is nobody to wait for: the mesh can be used.
    package var isReady: Bool {
        peers.all.contains { $0.isMember && $0.hasSession } || waitingFor.isEmpty
    }

    /// What the nodes that we wait for said, or where they were looked for.
    package var waitingFor: [(name: String, tried: [Endpoint], refusal: String?)] {
        peers.all.filter { ($0.isBootstrap || $0.isAnchor) && !$0.isMember }
            .map { ($0.name, $0.candidates, $0.refusal) }
    }

    package func peerName(_ number: Int) -> String { name(of: number) }

    /// The peer that owns an address, or is called so.
    package func peer(named target: String) -> Int? {
        if let address = IPAddress(target) { return routes.lookup(address) }
        let called = peers.all.filter { $0.name == target }
        return (called.first { $0.nodeID != nil } ?? called.first(where: \.isClient))?.number
    }

    /// Whether a peer is a stock WireGuard client of this node.
    package func isClient(_ number: Int) -> Bool { peers[number]?.isClient == true }

    /// The node called so, or that owns an address; this one too.
    package func nodeID(named target: String) -> NodeID? {
        let isOwnAddress = IPAddress(target).map { address in identity.prefixes.contains { $0.contains(address) } }
        if target == identity.name.description || isOwnAddress == true { return identity.nodeID }
        return peer(named: target).flatMap { peers[$0]?.nodeID }
    }

    /// Sends a ping through the tunnel, making one first if need be. The answer is the event `pong` with this token.
    package mutating func ping(_ number: Int, token: UInt64, at now: Instant) {
        guard let peer = peers[number], !peer.isClient else { return }
        guard peer.hasSession, let path = peer.paths.current else {
            peers[number]?.pingsWaiting.append(token)
            connect(number, at: now)
            return
        }
        let nonce = random.next()
        peers[number]?.awaitedPongs = peer.awaitedPongs.filter { now - $0.value.sentAt < .seconds(30) }
        peers[number]?.awaitedPongs[nonce] = Peer.AwaitedPong(token: token, sentAt: now)
        send(.ping(nonce: nonce, inDoubt: false), to: number, along: path, at: now)
    }

    /// Says goodbye to everybody, in good order before the daemon stops.
    package mutating func leave(at now: Instant) {
        for peer in peers.all where peer.isMember && peer.hasSession { send(.goodbye, to: peer.number, at: now) }
    }

    /// The configuration or the host's addresses changed.
    package mutating func configure(_ new: NodeConfiguration, at now: Instant) {
        guard new != configuration else { return }
        let old = configuration
        let addressesChanged = new.local != old.local || new.advertised != old.advertised
        configuration = new
        if new.innerMTU != old.innerMTU { touchAll() }
        if new.natKeepalive != old.natKeepalive {
            for peer in peers.all where peer.isAnchor {
                drive(peer.number, at: now) { tunnel in
                    tunnel.setPersistentKeepalive(new.natKeepalive, at: now)
                    return []
                }
            }
        }
        relay.quota.setRates(total: new.relayRate ?? 0, perMember: new.relayRatePerMember ?? 0)
        if new.isRelayAllowed != old.isRelayAllowed { setRelaying(new.isRelayAllowed ? .on : .off, at: now) }
        areTablesStale = true
        if new.relayAddresses != old.relayAddresses {
            for peer in peers.all { setCandidates(of: peer.number, at: now) }
        }
        if new.localPrefixes != old.localPrefixes { isReachableLocally = false }
        refreshRecord(at: now)
        if new.local != old.local { gathered.networkChanged(at: now) }
        updateReachabilityTargets(at: now)
        if addressesChanged { networkChanged(at: now) }
        if new.stunServers != old.stunServers { askServers(at: now) }
        chooseAnchors(at: now)
    }

    // MARK: stock WireGuard clients

    /// Admits a client with this key at this node.
    package mutating func addClient(
        publicKey: Bytes32, name: NodeName, at now: Instant
    ) throws(ClientError) -> Client {
        let isTaken = peers.all.contains { $0.name == name.description || $0.tunnelKey == publicKey }
        guard !isTaken else { throw .nameTaken(name) }
        let taken = Set(directory.all.flatMap { $0.record.clients.map(\.number) })
        let attached = try identity.admitClient(
            publicKey: publicKey, name: name, now: wallTime(at: now), taken: taken)
        let client = Client(
            attached: attached, presharedKey: identity.secrets.presharedKey(forClient: publicKey))
        attach(client)
        refreshRecord(at: now)
        return client
    }

    /// Ends a client's session and admission; `nil` when there is none of that name.
    package mutating func removeClient(named name: NodeName, at now: Instant) -> Client? {
        guard let index = clients.firstIndex(where: { $0.attached.name == name }) else { return nil }
        let client = clients.remove(at: index)
        identity.clients = clients.map(\.attached)
        if let number = peers.number(ofKey: client.attached.publicKey) { removePeer(number, at: now) }
        refreshRecord(at: now)
        return client
    }

    // MARK: invitations

    /// A token that admits others; `nil` when this node may not invite.
    package mutating func invite(
        on terms: Issuer.InviteTerms, at now: Instant
    ) throws(InviteError) -> JoinToken? {
        guard let issuer = identity.issuer else { return nil }
        return try issuer.invite(
            on: terms, at: wallTime(at: now), inviteSecret: random.secret(32), meshSecret: identity.secrets.current,
            bootstrap: bootstrapNodes)
    }

    /// Other nodes that a token names at least, if there are so many, whether or not strangers are known to reach them.
    private static let bootstrapOthers = 2

    /// Where a newcomer finds the mesh: here, and at nodes that strangers can reach.
    private var bootstrapNodes: [JoinToken.Bootstrap] {
        let own = JoinToken.Bootstrap(
            name: identity.name, tunnelKey: identity.tunnelKey.publicKey, endpoints: ownCandidates,
            streamPort: configuration.isRelayAllowed ? configuration.streamPort : 0)
        let reachable = directory.all.filter { $0.record.abilities.contains(.reachable) }
        let unproven = directory.all.filter { !$0.record.abilities.contains(.reachable) }
        let others = (reachable + unproven.prefix(max(0, Self.bootstrapOthers - reachable.count))).map { entry in
            JoinToken.Bootstrap(
                name: entry.record.chain.certificate.name, tunnelKey: entry.record.chain.certificate.tunnelKey,
                endpoints: entry.record.candidates, streamPort: entry.record.streamPort)
        }
        return Array(([own] + others).prefix(JoinToken.bootstrapLimit))
    }
}
