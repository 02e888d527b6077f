import Configuration
import ControlAPI
import Datapath
import Identity
import Linux
import Mesh
import Netfilter
import PacketIO
import PortMapping
import STUN
import SansIO
import ServiceSources
import Traversal
import Wire

// What `meshctl status` and `meshctl peers` show.
extension MeshService {
    func status(storeProblem: String?) -> Status {
        let now = SystemClock.now
        var status = Status(state: standing, nodeName: node.identity.name.description, uptime: now - startedAt)
        status.meshID = node.identity.mesh.id.description
        status.nodeID = node.identity.nodeID.description
        status.addresses = node.identity.addresses
        status.prefixes = node.identity.prefixes
        status.interface = configuration.interface
        status.mtuBytes = node.configuration.innerMTU
        status.listening = sockets.map(\.localEndpoint)
        status.certificateExpiry = Timestamp(node.identity.certificate.expiry)
        let peers = node.peerStatuses
        status.peerCount = peers.count
        status.connectedPeerCount = peers.count { $0.isConnected }
        status.mappings =
            containers.mappings.map { .init(local: $0.containers, mesh: $0.mesh, network: $0.bridge) }
            + containers.identities.map { .init(local: $0, mesh: $0, network: "own prefix") }
        status.portMappings = portMapping.statuses.map { Status.PortMapping($0, at: now) }
        status.services = services.status(beside: sources.state)
        status.warnings = warnings(peers, storeProblem: storeProblem)
        status.counters = counters
        status.drops = drops
        return status
    }

    private var standing: Status.State {
        if !problems.isEmpty { return .degraded(reasons: problems.sorted { $0.key < $1.key }.map { Notice($0.value) }) }
        if node.isReady { return .ready }
        let refusals = node.waitingFor.compactMap { waiting in
            waiting.refusal.map { Notice("\(waiting.name) does not admit this host: \($0)") }
        }
        if !refusals.isEmpty { return .refused(reasons: refusals) }
        return .starting(
            missing: node.waitingFor.map { waiting in
                let tried = waiting.tried.map(\.description).joined(separator: ", ")
                return Notice(
                    "no answer from \(waiting.name) at \(tried.isEmpty ? "any address" : tried)",
                    nextStep: "check that it runs and that UDP reaches it")
            })
    }

    private func warnings(_ peers: [Node.PeerStatus], storeProblem: String?) -> [Notice] {
        var warnings: [Notice] = []
        if let storeProblem { warnings.append(Notice(storeProblem)) }
        if host.lacksIPv6 {
            warnings.append(
                Notice(
                    "IPv6 is switched off on this host: it has no IPv6 address in the mesh",
                    nextStep: "set net.ipv6.conf.\(configuration.interface).disable_ipv6=0, or go on with IPv4"))
        }
        for drop in forwardDrops { warnings.append(drop) }
        for endpoint in node.refutedAdvertised {
            warnings.append(
                Notice(
                    "nobody reached this host at \(endpoint), which advertise states: it does not relay on its account",
                    nextStep: "forward that UDP port to this host, or take the address out of advertise"))
        }
        let hasStreams = peers.contains { $0.link?.kind == .stream }
        warnings += streams.warnings(isUDPSilent: node.isUDPSilent, hasStreams: hasStreams)
        for peer in peers where abs(peer.clockDifference) > 3600 {
            let direction = peer.clockDifference > 0 ? "ahead of" : "behind"
            warnings.append(
                Notice(
                    "this host's clock is \(abs(peer.clockDifference)) s \(direction) \(peer.name)'s",
                    nextStep: "set the one that is wrong"))
        }
        return warnings
    }

    private var counters: [Status.Counter] {
        let counts = node.counters
        return [
            .init("control frames malformed", UInt64(counts.malformedFrames)),
            .init("control frames of non-members", UInt64(counts.unexpectedFrames)),
            .init("datagrams not understood", UInt64(counts.malformedDatagrams)),
            .init("handshake messages for no session", UInt64(counts.unknownReceivers)),
            .init("handshakes refused", UInt64(counts.refusedHandshakes)),
            .init("handshakes asked to come again with a cookie", UInt64(counts.cookiesAsked)),
            .init("strangers turned away", UInt64(counts.tentativeRefused)),
            .init("records refused", UInt64(counts.recordsRefused)),
            .init("news of records beyond the limit", UInt64(counts.newsLeftOut)),
            .init("candidates beyond the limit", UInt64(counts.candidatesLeftOut)),
            .init("announcements refused", UInt64(counts.announcementsRefused)),
            .init("nodes not watched for others", UInt64(counts.liveness.watchesRefused)),
            .init("silences not told, for there was no room", UInt64(counts.liveness.silencesUnreported)),
            .init("silences not told, for there were many", UInt64(counts.liveness.silencesDamped)),
            .init("watchers given up for a false word", UInt64(counts.liveness.watchersDisputed)),
            .init("circuits refused", UInt64(counts.circuitsRefused)),
            .init("control messages not sent", UInt64(sendFailures)),
            .init("dial-backs for others", UInt64(counts.dialBacks)),
            .init("dial-backs refused", UInt64(counts.dialBacksRefused)),
            .init("STUN requests answered", UInt64(counts.stunAnswered)),
            .init("STUN answers to nothing we asked", UInt64(counts.stunUnexpected)),
        ]
            + zip(STUNServer.Refusal.allCases, counts.stunRefused).filter { $1 > 0 }.map { .init($0.name, UInt64($1)) }
            + portMappingCounters
            + [.init("streams closed: nothing authentic came", UInt64(counts.strangeStreams))] + streams.counters
    }

    /// Only those that occurred: most hosts have no gateway that maps ports.
    private var portMappingCounters: [Status.Counter] {
        let counts = portMapping.counts
        return MappingCounts.Reason.allCases.filter { counts[$0] > 0 }.map { .init($0.name, counts[$0]) }
    }

    private var drops: [Status.Counter] {
        DropReason.allCases.compactMap { reason in
            let count = threads.outboundDrops[reason] + threads.inboundDrops[reason]
            return count > 0 ? .init(reason.name, count) : nil
        }
    }

    func peerList() -> [Peer] {
        let now = SystemClock.now
        return node.peerStatuses.map { status in
            var peer = Peer(
                name: status.name, nodeID: status.nodeID?.description ?? "-", kind: status.isClient ? .client : .node)
            peer.prefixes = status.prefixes
            peer.path = .init(status.path, relay: status.relay)
            peer.standby = .init(status.standby, relay: status.standbyRelay)
            peer.lossPercent = status.loss.map { Int(($0 * 100).rounded()) }
            peer.pathReason = status.pathReason
            peer.endpoint = status.endpoint
            peer.roundTripTime = status.roundTripTime
            peer.sinceHandshake = status.isConnected ? status.lastHandshake.map { now - $0 } : nil
            peer.pathAge = status.path == nil ? nil : status.pathSince.map { now - $0 }
            peer.receivedBytes = status.bytesReceived
            peer.sentBytes = status.bytesSent
            peer.certificateExpiry = status.certificateExpiry.map(Timestamp.init)
            return peer
        }
    }
}

extension Status.PortMapping {
    init(_ status: PortMapper.Status, at now: Instant) {
        self.init(local: status.target.local, gateway: status.target.gateway.address)
        if let lease = status.lease {
            external = lease.external
            method = lease.method.rawValue
            remaining = max(.zero, lease.expiresAt - now)
            isBehindAnotherNAT = lease.isBehindAnotherNAT
        }
        problem = status.problem?.description
    }
}

extension ControlAPI.Path {
    init(_ path: Traversal.Path?, relay: String?) {
        switch path {
        case .direct?: self = path?.isStream == true ? .stream : .direct
        case .relayed?: self = .relay(via: relay ?? "unknown")
        case nil: self = .none
        }
    }
}

extension Timestamp {
    init(_ time: Identity.WallTime) {
        self.init(secondsSince1970: Int64(clamping: time.seconds))
    }
}
