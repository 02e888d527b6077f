import Identity
import Noise
import SansIO
import Traversal
import Wire

// Anchors: relays that a tunnel is kept with, so that a way through one is there before it is needed.
//
// Of many relays, two are the same everywhere (the least identifiers that answer), so that everybody has a relay in common with
// everybody; most are the nearest; two are there to be measured and make room for others after a minute. The work does not
// grow with the number of records that arrive: they are settled together, a moment later.
extension Node {
    static let anchorLimit = 8
    static let meetingPoints = 2
    static let explorers = 2
    static let exploringInterval: Duration = .seconds(60)
    /// Changes within so short a time are settled together.
    static let settlingTime: Duration = .milliseconds(50)
    private static let reviewTime: Duration = .seconds(1)
    /// A relay that did not answer is no anchor for so long, while there are others.
    private static let failureMemory: Duration = .seconds(300)
    /// How much nearer another relay must be to take an anchor's place.
    private static let stickiness = 0.8

    /// What speaks for one relay.
    private struct Candidate {
        var number: Int
        var node: NodeID
        var isPreferred: Bool
        /// It is an anchor now, and circuits of ours go through it.
        var isCarrying: Bool
        var hasFailed: Bool
        /// In seconds; less for those that are anchors.
        var distance: Double?
        var neighbourhood: IPPrefix?
    }

    /// What speaks for some relay has changed; while all anchors are there, there is time.
    mutating func reviewAnchors(at now: Instant) {
        chooseAnchorsSoon(at: now, within: hasChoiceOfRelays ? Self.reviewTime : Self.settlingTime)
    }

    mutating func chooseAnchorsSoon(at now: Instant, within time: Duration = settlingTime) {
        let due = now + time
        if deadlines.deadline(of: .anchors).map({ $0 > due }) ?? true { deadlines.set(due, for: .anchors) }
    }

    /// Settles with whom a tunnel is kept: the nodes of the token until the directory knows better, then nodes that relay.
    mutating func chooseAnchors(at now: Instant) {
        defer { reviewStreams(at: now) }
        let relays = peers.numbers.compactMap { number in
            canRelay(number) ? peers[number].flatMap { candidate($0, at: now) } : nil
        }
        hasChoiceOfRelays = relays.count > Self.anchorLimit
        deadlines.set(hasChoiceOfRelays ? now + Self.exploringInterval : nil, for: .anchors)
        let chosen = relays.count <= Self.anchorLimit ? Set(relays.map(\.number)) : choice(of: relays, at: now)
        for number in peers.numbers {
            let isAnchor = chosen.contains(number) || (chosen.isEmpty && peers[number]?.isBootstrap == true)
            guard isAnchor != peers.isAnchor(number) else { continue }
            peers[number]?.isAnchor = isAnchor
            let keepalive = isAnchor ? configuration.natKeepalive : nil
            drive(number, at: now) { tunnel in
                tunnel.setPersistentKeepalive(keepalive, at: now)
                return isAnchor ? tunnel.connect(at: now) : []
            }
            guard isAnchor else { continue }
            watchPaths(number, at: now)
            askForNews(number, at: now)
        }
    }

    private func candidate(_ peer: Peer, at now: Instant) -> Candidate? {
        guard let node = peer.nodeID else { return nil }
        let distance = (directRoundTrip(of: peer) ?? peer.lastRoundTrip)?.seconds
        let address = (peer.lastEndpoint ?? peer.candidates.first)?.address
        return Candidate(
            number: peer.number, node: node, isPreferred: configuration.preferredRelays.contains(peer.name),
            isCarrying: peer.isAnchor && peer.hasSession && peer.carriedCircuitCount > 0,
            hasFailed: peer.failedAt.map { now - $0 < Self.failureMemory } ?? false,
            distance: distance.map { peer.isAnchor ? $0 * Self.stickiness : $0 },
            neighbourhood: address.flatMap { IPPrefix($0, length: $0.isIPv4 ? 24 : 48) })
    }

    private func choice(of relays: [Candidate], at now: Instant) -> Set<Int> {
        var chosen: [Candidate] = []
        func take(_ candidates: [Candidate], upTo limit: Int) {
            for candidate in candidates where chosen.count < limit {
                if !chosen.contains(where: { $0.number == candidate.number }) { chosen.append(candidate) }
            }
        }
        let answering = relays.filter { !$0.hasFailed }
        take(relays.filter(\.isPreferred), upTo: Self.anchorLimit)
        take(answering.sorted { $0.node < $1.node }, upTo: min(chosen.count + Self.meetingPoints, Self.anchorLimit))
        take(answering.filter(\.isCarrying), upTo: Self.anchorLimit - Self.explorers)
        let near = answering.filter { $0.distance != nil }
            .sorted { ($0.distance ?? 0, $0.number) < ($1.distance ?? 0, $1.number) }
        // One of each neighbourhood first: what takes away one relay may take its neighbours too.
        for candidate in near where chosen.count < Self.anchorLimit - Self.explorers {
            let isNeighbour = chosen.contains { $0.neighbourhood != nil && $0.neighbourhood == candidate.neighbourhood }
            if !isNeighbour { take([candidate], upTo: Self.anchorLimit) }
        }
        take(near, upTo: Self.anchorLimit - Self.explorers)
        let round = now.nanoseconds / UInt64(Self.exploringInterval.nanoseconds)
        let unmeasured = answering.filter { $0.distance == nil }
            .sorted { explorationRank($0, in: round) < explorationRank($1, in: round) }
        take(unmeasured, upTo: Self.anchorLimit)
        take(near + relays, upTo: Self.anchorLimit)
        return Set(chosen.map(\.number))
    }

    /// Another order for every node and every round.
    private func explorationRank(_ candidate: Candidate, in round: UInt64) -> UInt64 {
        let mixed =
            candidate.node.bytes.leadingUInt64 ^ identity.nodeID.bytes.leadingUInt64 &+ round &* 0x9e37_79b9_7f4a_7c15
        return (mixed ^ mixed >> 29) &* 0xbf58_476d_1ce4_e5b9
    }

    /// The round trip to a peer that is reached directly.
    func directRoundTrip(of peer: Peer) -> Duration? {
        guard let path = peer.paths.current, path.isDirect else { return nil }
        return peer.paths.statistics(of: path)?.roundTripTime
    }

    // MARK: our record

    /// Settles which anchors our record names, for others that look for a relay towards us. Those that it names stay while they
    /// are reached, so that the record seldom changes.
    mutating func updateOwnRelays() {
        guard !isReachable else {
            ownRelays = []
            return
        }
        let reached = peers.connectedMembers.compactMap { number in
            peers.isAnchor(number) && peers.path(of: number)?.isDirect == true ? peers[number] : nil
        }
        let nodes = reached.sorted {
            (directRoundTrip(of: $0) ?? .seconds(1)) < (directRoundTrip(of: $1) ?? .seconds(1))
        }
        .compactMap { $0.nodeID?.bytes.leadingUInt64 }
        let kept = ownRelays.filter(nodes.contains)
        ownRelays = Array((kept + nodes.filter { !kept.contains($0) }).prefix(NodeRecord.relayLimit))
    }

    /// Begins sessions with relays that a peer says it keeps tunnels with, when none of ours leads to it.
    mutating func approachRelays(of number: Int, at now: Instant) {
        guard let node = peers[number]?.nodeID, let hints = directory.record(of: node)?.relays else { return }
        let strangers = hints.compactMap { directory.node(beginning: $0).flatMap(peerNumber(of:)) }
            .filter { peers[$0]?.hasSession == false && $0 != number }
        for relay in strangers.prefix(2) { connect(relay, at: now) }
    }
}
