import Identity
import SansIO
package import Traversal
import Wire

/// A stream that another host opened to this node.
struct AcceptedStream: Sendable {
    let since: Instant
    /// Who was heard along it last; `nil` until something authentic came.
    var peer: Int?
    var heardAt: Instant?
}

// TLS streams: ours to relays where UDP is blocked, and those that others open to us.
extension Node {
    /// How long an accepted stream may be without an authentic message, first and later.
    static let strangerStreamTime: Duration = .seconds(10)
    static let idleStreamTime: Duration = .seconds(300)
    /// Where relays take streams that say nothing of it.
    static let defaultStreamPort: UInt16 = 443
    /// Addresses of one relay that streams are opened to.
    private static let addressesPerRelay = 4

    /// Nobody that this node keeps a tunnel with answers over UDP, and streams are used or tried.
    package var isUDPSilent: Bool { streams.isUDPSilent }

    /// What a link's other end is, for people; `nil` when there is no such link.
    package func link(of path: Path) -> Link? {
        guard case .direct(let endpoint) = path, let number = endpoint.link?.number else { return nil }
        return links[number]
    }

    // MARK: ours

    /// Whether streams are wanted may have changed: it is looked at before anything else is waited for.
    mutating func reviewStreams(at now: Instant) {
        deadlines.set(now, for: .streams)
    }

    mutating func updateStreams(at now: Instant) {
        let wasSilent = streams.isUDPSilent
        let situation = streamSituation
        var allocated: UInt32 = lastLink
        let links = links
        let streamActions = streams.update(situation, at: now) {
            repeat { allocated &+= 1 } while links[allocated] != nil
            return allocated
        }
        lastLink = allocated
        for action in streamActions {
            switch action {
            case .open(let link, let target): actions.append(.openStream(link: link, to: target.endpoint))
            case .close(let link): closeLink(link, at: now)
            }
        }
        if streams.isUDPSilent != wasSilent { events(streams.isUDPSilent ? .udpSilent : .udpAnswers) }
        // Whoever is reached through a relay may be reached straight again.
        if wasSilent, !streams.isUDPSilent { punchAll(because: .networkChanged, at: now) }
        deadlines.set(streams.nextDeadline, for: .streams)
    }

    private var streamSituation: StreamPlan.Situation {
        let anchors = peers.numbers.filter(peers.isAnchor)
        let isAnswered = anchors.contains(where: isReachedByDatagrams)
        let used = peers.connected.compactMap { number -> UInt32? in
            guard case .direct(let endpoint)? = peers.path(of: number), let link = endpoint.link, link.kind == .stream
            else { return nil }
            return link.number
        }
        let proven = links.values.filter { link in
            guard let peer = streams.peer(of: link.number).flatMap({ peers[$0] }) else { return false }
            return peer.hasSession && peer.paths.current != nil
                && peer.paths.statistics(of: .direct(link.endpoint)) != nil
        }
        return StreamPlan.Situation(
            isTrying: !anchors.isEmpty, isAnswered: isAnswered, targets: isAnswered ? [] : streamTargets,
            proven: Set(proven.map(\.number)), used: Set(used))
    }

    private func isReachedByDatagrams(_ number: Int) -> Bool {
        guard peers.isConnected(number), case .direct(let endpoint)? = peers.path(of: number) else { return false }
        return endpoint.link?.kind != .stream
    }

    /// Relays that take streams: those that the operator prefers, those that we keep a tunnel with, others; of each its addresses
    /// in turn.
    private var streamTargets: [StreamPlan.Target] {
        let relays = peers.all.compactMap { peer -> (peer: Peer, endpoints: [Endpoint])? in
            let endpoints = streamEndpoints(of: peer)
            return endpoints.isEmpty ? nil : (peer, endpoints)
        }
        func rank(_ peer: Peer) -> (Int, Int, Int) {
            (configuration.preferredRelays.firstIndex(of: peer.name) ?? .max, peer.isAnchor ? 0 : 1, peer.number)
        }
        let ranked = relays.sorted { rank($0.peer) < rank($1.peer) }
        return (0..<Self.addressesPerRelay).flatMap { index in
            ranked.compactMap { relay in
                relay.endpoints.indices.contains(index)
                    ? StreamPlan.Target(peer: relay.peer.number, endpoint: relay.endpoints[index]) : nil
            }
        }
    }

    private func streamEndpoints(of peer: Peer) -> [Endpoint] {
        let record = peer.nodeID.flatMap { directory.record(of: $0) }
        // A node that our token names takes streams even while it does not know yet that it can be reached.
        let port = record.map(\.streamPort).flatMap { $0 == 0 ? nil : $0 } ?? peer.streamPort
        guard port != 0 else { return [] }
        let candidates = record.map { statedEndpoints(of: $0) + dialable(of: $0) } ?? peer.candidates
        var endpoints: [Endpoint] = []
        for candidate in candidates {
            let endpoint = Endpoint(candidate.address, port: port)
            if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
        }
        return endpoints
    }

    /// A stream of ours stands: its relay is greeted along it.
    mutating func streamOpened(_ link: Link, at now: Instant) {
        streams.opened(link.number, at: now)
        deadlines.set(streams.nextDeadline, for: .streams)
        guard let number = streams.peer(of: link.number), let peer = peers[number] else { return }
        if !peer.hasSession, let message = peer.initiation {
            send(message, along: .direct(link.endpoint), at: now)
        } else if peer.hasSession {
            reconnect(number, at: now)
        } else {
            connect(number, at: now)
        }
    }

    /// Streams along which a peer may be greeted: ours to it, and those of its own.
    func streamPaths(to number: Int) -> [Path] {
        let own = streams.links(to: number)
        let theirs = acceptedStreams.filter { $0.value.peer == number }.keys.sorted()
        return (own + theirs).compactMap { links[$0].map { .direct($0.endpoint) } }
    }

    // MARK: others'

    /// Something authentic came from a peer along a path.
    mutating func noteHeardAlongStream(_ number: Int, _ path: Path, at now: Instant) {
        guard case .direct(let endpoint) = path, let link = endpoint.link, acceptedStreams[link.number] != nil else {
            return
        }
        if acceptedStreams[link.number]?.peer == nil { actions.append(.proveLink(link.number)) }
        acceptedStreams[link.number]?.peer = number
        acceptedStreams[link.number]?.heardAt = now
    }

    /// Nothing authentic has come along an accepted stream for too long.
    mutating func checkAcceptedStream(_ number: UInt32, at now: Instant) {
        guard let stream = acceptedStreams[number] else { return }
        let due = stream.heardAt.map { $0 + Self.idleStreamTime } ?? stream.since + Self.strangerStreamTime
        guard due <= now else {
            deadlines.set(due, for: .stream(number))
            return
        }
        if stream.heardAt == nil { counters.strangeStreams += 1 }
        closeLink(number, at: now)
    }

    /// Ends a link on our own account.
    mutating func closeLink(_ number: UInt32, at now: Instant) {
        actions.append(.closeLink(number))
        linkClosed(number, at: now)
    }
}
