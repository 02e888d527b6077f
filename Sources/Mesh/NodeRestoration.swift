import Crypto
import Identity
import SansIO
import Wire

// Beginning: from what the disk held.
extension Node {
    /// Peers dialled at once after a restart.
    static let redialLimit = 64

    mutating func restore(_ restored: Restored, at now: Instant) {
        for bootstrap in restored.bootstrap where bootstrap.tunnelKey != identity.tunnelKey.publicKey {
            guard peers.number(ofKey: bootstrap.tunnelKey) == nil,
                let number = insertPeer(key: bootstrap.tunnelKey, role: .bootstrap, name: bootstrap.name.description)
            else { continue }
            peers[number]?.candidates = bootstrap.endpoints
            peers[number]?.isBootstrap = true
            peers[number]?.streamPort = bootstrap.streamPort
        }
        for client in restored.clients { attach(client) }
        refreshRecord(at: now, force: true)
        for encoded in restored.records { relearn(encoded, at: now) }
        restoreAnnouncements(restored.announcements, number: restored.announcementNumber, at: now)
        chooseAnchors(at: now)
        for recent in restored.recentPeers.prefix(Self.redialLimit) {
            guard let number = peers.number(ofNode: recent.node) else { continue }
            peers[number]?.lastEndpoint = recent.endpoint
            setCandidates(of: number, at: now)
            connect(number, at: now)
        }
    }

    /// A record from disk: believed only if it still verifies.
    private mutating func relearn(_ encoded: [UInt8], at now: Instant) {
        guard let record = try? NodeRecord(parsing: encoded),
            let outcome = try? registry.insert(record, now: wallTime(at: now)), outcome.admission == .admitted,
            registry.chain(of: record.nodeID) == record.chain, record.nodeID != identity.nodeID,
            directory.merge(record, encoded: encoded)
        else { return }
        carryOut(outcome.changes, at: now)
        countCandidatesLeftOut(of: record)
        place(record, at: now)
    }

    /// Makes a stock WireGuard client a peer.
    mutating func attach(_ client: Client) {
        let attached = client.attached
        guard
            let number = insertPeer(
                key: attached.publicKey, role: .client(number: attached.number), name: attached.name.description,
                presharedKey: client.presharedKey)
        else { return }
        clients.append(client)
        identity.clients = clients.map(\.attached)
        peers[number]?.sources = identity.mesh.plan.prefixes(ofClient: attached.number)
        touch(number)
        areRoutesStale = true
    }

    /// Tells the disk who has a session, and where, when that changed.
    mutating func noteRecent() {
        let nodes = peers.connected.filter { peers.node(of: $0) != nil }.prefix(Self.redialLimit)
        let recent = nodes.compactMap { number in
            peers.node(of: number).map { RecentPeer(node: $0, endpoint: peers.endpoint(of: number)) }
        }
        guard !recent.isEmpty, recent != recentPeers else { return }
        recentPeers = recent
        actions.append(.save(.recentPeers(recentPeers)))
    }
}
