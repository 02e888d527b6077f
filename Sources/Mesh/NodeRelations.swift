import Datapath
import Identity
import Noise
import SansIO
import Traversal
import Wire

// Whom to have a tunnel with, and how to get one.
extension Node {
    /// Direct candidates that an initiation is sent to.
    static let candidateLimit = 8

    /// Sends an initiation of ours to wherever the peer may be: along a path that surely works, else to every candidate and
    /// through a relay at the same time. The responder answers the copy that comes first.
    mutating func broadcast(initiation message: [UInt8], to number: Int, at now: Instant) {
        guard let peer = peers[number] else { return }
        peers[number]?.initiation = message
        peers[number]?.initiationCount += 1
        if let path = peer.paths.current, peer.initiationCount == 0, !peer.paths.isInDoubt,
            let last = peer.tunnel.activity.lastReceived, now - last < Self.freshPathTime
        {
            send(message, along: path, at: now)
            return
        }
        var endpoints = peer.candidates
        if let last = peer.lastEndpoint, !endpoints.contains(last) { endpoints.insert(last, at: 0) }
        let standing = peer.circuits.filter { isReady(circuit: $0) }
        // Where a relay carries the message, it need not trouble NATs that stay closed to it: see `HolePunch`.
        let mustArrive =
            isReachableUnasked(peer) || peer.initiationCount > 1 || (standing.isEmpty && relayCandidates().isEmpty)
        for endpoint in endpoints.prefix(Self.candidateLimit) {
            if mustArrive || !peer.punch.isBrief(endpoint, at: now) {
                send(message, along: .direct(endpoint), at: now)
            } else {
                noteSent(to: endpoint, at: now)
                actions.append(.sendBriefly(message, to: Destination(endpoint), hops: HolePunch.briefHops))
            }
        }
        for path in streamPaths(to: number) { send(message, along: path, at: now) }
        guard peer.nodeID != nil else { return }
        for identifier in standing { send(message, along: .relayed(circuit: identifier), at: now) }
        guard standing.isEmpty else { return }
        openCircuits(to: number, carrying: message, at: now)
        approachRelays(of: number, at: now)
    }

    func isReady(circuit identifier: UInt64) -> Bool {
        if case .local(let circuit)? = circuits[identifier] { circuit.relayID != nil } else { false }
    }

    /// Hands an initiation to the best relays that were not asked lately, several at once: whichever is the quickest carries the
    /// session's first packets, and the others' circuits are there to be measured.
    private mutating func openCircuits(to number: Int, carrying message: [UInt8], at now: Instant) {
        let candidates = relayCandidates(for: number)
        let asked = peers[number]?.relaysAsked ?? [:]
        var chosen = candidates.filter { asked[$0] == nil }
        if chosen.isEmpty {
            peers[number]?.relaysAsked = [:]
            chosen = candidates
        }
        for relay in chosen.prefix(Self.relaysInUse) {
            openCircuit(to: number, through: relay, carrying: message, at: now)
        }
    }

    /// Peers that may relay for us to a peer, best first: those the operator prefers, those that answer, then by round trip and load.
    /// One that the peer itself keeps a tunnel with reaches it without delay.
    func relayCandidates(for number: Int? = nil) -> [Int] {
        let hints = Set(number.flatMap { peers[$0]?.nodeID }.flatMap { directory.record(of: $0)?.relays } ?? [])
        let usable = peers.connectedMembers.filter { other in
            other != number && peers.path(of: other)?.isDirect == true && !peers.isLeavingRelay(other)
                && canRelay(other)
        }
        func rank(_ peer: Peer) -> (trouble: Int, preference: Int, delay: Double, number: Int) {
            let preference = configuration.preferredRelays.firstIndex(of: peer.name) ?? Int.max
            let roundTrip = peer.paths.currentRoundTrip
            let isHinted = peer.nodeID.map { hints.contains($0.bytes.leadingUInt64) } ?? false
            let delay =
                (roundTrip?.seconds ?? 1) * (1 + Double(peer.relayLoad) / 255) + (isHinted || hints.isEmpty ? 0 : 0.05)
            // What a pong said of its load may be out of date: its record says that it relays.
            let trouble = (peer.paths.isInDoubt ? 1 : 0) + (peer.relayLoad == .max ? 1 : 0)
            return (trouble, preference, delay, peer.number)
        }
        return usable.compactMap { peers.look(at: $0, rank) }.sorted(by: <).map(\.number)
    }

    func canRelay(_ number: Int) -> Bool {
        guard let node = peers.node(of: number), let abilities = directory.relaying(of: node) else { return false }
        if abilities.anywhere { return true }
        guard abilities.locally, let record = directory.record(of: node) else { return false }
        return isNear(record)
    }

    /// A relay said no: the initiation that it was to carry goes through the next one.
    mutating func connectThroughNextRelay(_ number: Int, at now: Instant) {
        guard let peer = peers[number], let message = peer.initiation,
            relayCandidates(for: number).contains(where: { peer.relaysAsked[$0] == nil })
        else { return }
        openCircuits(to: number, carrying: message, at: now)
    }

    /// Begins a session with a peer unless one stands or is on its way.
    mutating func connect(_ number: Int, at now: Instant) {
        drive(number, at: now) { $0.connect(at: now) }
    }

    /// The session stands and its path is gone: a new handshake finds another one.
    mutating func reconnect(_ number: Int, at now: Instant) {
        peers[number]?.initiationCount = 1
        drive(number, at: now) { $0.renew(at: now) }
    }

    /// A relay came (back): those that had been reached through it, or could not be reached, are tried again.
    mutating func reconnectThroughRelay(_ relay: Int, at now: Instant) {
        guard canRelay(relay) else { return }
        let recent = Set(recentPeers.map(\.node))
        for number in peers.numbers where number != relay {
            guard let node = peers.node(of: number) else { continue }
            if peers.isConnected(number) {
                if peers.path(of: number) == nil {
                    reconnect(number, at: now)
                } else if peers.look(at: number, { $0.paths.lacksStandby }) == true {
                    seekCircuits(to: number, at: now)
                }
            } else if let message = peers.look(at: number, { $0.circuits.isEmpty ? $0.initiation : nil }) ?? nil {
                openCircuit(to: number, through: relay, carrying: message, at: now)
            } else if recent.contains(node) {
                connect(number, at: now)
            }
        }
    }

    /// Remembers that we sent to an endpoint, so that what comes from it is no proof of being reachable.
    mutating func noteSent(to endpoint: Endpoint, at now: Instant) {
        guard !endpoint.isLink else { return }
        contacts.note(endpoint.address, at: now)
    }

    /// Whether something of ours may have opened the way for what comes from an address.
    func wasContacted(_ address: IPAddress, at now: Instant) -> Bool { contacts.mayInclude(address, at: now) }
}
