import Datapath
import Identity
import Noise
package import SansIO
package import Traversal
package import Wire

/// A port search that this node takes part in.
struct RunningSearch: Sendable {
    var search: PortSearch
    let peer: Int
    let allocation: PortAllocation
    /// What all pings of the search carry.
    let nonce: UInt64
    /// Third nodes that were asked where the peer is.
    var witnesses: [Int]
    /// Where one of them sees the peer: the opener's sockets aim there, of the prober's probes only the address.
    var target: Endpoint?
    /// Sockets asked for, and the one that was heard from.
    var links: [UInt32] = []
    var winner: UInt32?
}

/// One search, for whoever wants to know why a path is as it is.
package struct SearchEvidence: Equatable, Sendable {
    package var role: PortSearch.Role
    package var startedAt: Instant
    package var endedAt: Instant?
    package var outcome: PortSearch.Outcome?
    package var target: Endpoint?
    package var probes = 0
    package var sockets = 0
}

// Port search: a direct path between a symmetric NAT and a port-restricted cone.
//
// What we send, and where to, follows from our own bounds and from what third nodes say, never from the peer's word alone: a
// member cannot make us scan somebody else.
extension Node {
    /// How long after its first probe a punch that got nowhere leads to a search.
    static let searchPatience: Duration = .seconds(1)
    /// How long the socket of a search is kept without being heard from.
    private static let silentLinkTime: Duration = .seconds(120)

    // MARK: beginning

    /// Begins a search when a punch with a peer gets nowhere and our NAT, but not the peer's, is known to be symmetric.
    mutating func searchIfPunchIsInVain(_ number: Int, at now: Instant) {
        guard search == nil, let peer = peers[number], !peer.hasDirectPath, peer.isMember, peer.hasSession,
            ownNAT == .symmetric, peer.nat != .symmetric, configuration.isPortSearchAllowed,
            let attempt = peer.punch.lastAttempt, attempt.isAnswered, now - attempt.begunAt >= Self.searchPatience,
            searchBudget.begin(with: number, at: now) == nil
        else { return }
        let allocation = ownAllocation
        let (search, searchActions) = PortSearch.offer(run: random.next(), allocation: allocation, at: now)
        begin(search, allocation, with: number, at: now)
        carryOut(searchActions, at: now)
        askWhereabouts(at: now)
    }

    private mutating func answerOffer(
        _ run: UInt64, _ allocation: PortAllocation, from number: Int, at now: Instant
    ) {
        if let search, search.peer == number, search.search.run == run {
            receive(.offer(run: run, allocation: allocation), in: search, at: now)
            return
        }
        if let refusal = refusal(of: number, at: now) {
            counters.searchesRefused += 1
            tell(.refuse(run: run, refusal), to: number, at: now)
            return
        }
        begin(.answer(run: run, allocation: allocation, at: now), allocation, with: number, at: now)
        askWhereabouts(at: now)
    }

    /// Why we do not take part in a search that a peer offers.
    private mutating func refusal(of number: Int, at now: Instant) -> SearchMessage.Refusal? {
        guard configuration.isPortSearchAllowed else { return .off }
        guard search == nil else { return .busy }
        guard peers[number]?.hasDirectPath == false, ownNAT != .symmetric else { return .pointless }
        return searchBudget.begin(with: number, at: now)
    }

    private mutating func begin(
        _ search: PortSearch, _ allocation: PortAllocation, with number: Int, at now: Instant
    ) {
        counters.searchesBegun += 1
        self.search = RunningSearch(
            search: search, peer: number, allocation: allocation, nonce: random.next(), witnesses: [])
        searchEvidence[number] = SearchEvidence(role: search.role, startedAt: now)
        deadlines.set(search.nextDeadline, for: .search)
    }

    // MARK: words

    mutating func receiveSearch(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let message = try? SearchMessage(parsing: payload.span) else {
            counters.malformedFrames += 1
            return
        }
        switch message {
        case .offer(let run, let allocation): answerOffer(run, allocation, from: number, at: now)
        case .whereabouts(let node): answerWhereabouts(of: NodeID(node), to: number, at: now)
        case .seen(let node, let endpoint): receiveSeen(NodeID(node), at: endpoint, from: number, at: now)
        case .secondPort: answerSecondPort(to: number, at: now)
        case .secondPortIs(let port, let nonce): receiveSecondPort(port, nonce: nonce, from: number, at: now)
        case .accept, .refuse, .go, .found, .stop:
            guard let search, search.peer == number else { return }
            receive(message, in: search, at: now)
        }
    }

    private mutating func receive(_ message: SearchMessage, in running: RunningSearch, at now: Instant) {
        var running = running
        let searchActions = running.search.receive(message, at: now, using: &random)
        search = running
        carryOut(searchActions, at: now)
    }

    mutating func tell(_ message: SearchMessage, to number: Int, at now: Instant) {
        send(.extended(.search, message.encoded), to: number, at: now)
    }

    // MARK: what happens

    mutating func advanceSearch(to now: Instant) {
        carryOut(search?.search.advance(to: now) ?? [], at: now)
    }

    /// A peer was heard along a direct path: if that is what is searched for, it is found.
    mutating func noteForSearch(_ number: Int, along path: Path, at now: Instant) {
        guard let running = search, running.peer == number, case .direct(let endpoint) = path else { return }
        switch running.search.role {
        case .opener:
            guard let link = endpoint.link?.number, running.links.contains(link) else { return }
            search?.winner = link
        case .prober:
            guard endpoint.address == running.target?.address else { return }
        }
        carryOut(search?.search.heard(at: now) ?? [], at: now)
    }

    /// Packets to a peer go directly, or its session ended: nothing is left to search for.
    mutating func abandonSearch(with number: Int, at now: Instant) {
        guard search?.peer == number else { return }
        carryOut(search?.search.abandon() ?? [], at: now)
    }

    /// The system, or a router that said so, does not let us send to an endpoint.
    package mutating func sendingRefused(to endpoint: Endpoint, at now: Instant) {
        guard let running = search else { return }
        let isOurs =
            endpoint.link.map { running.links.contains($0.number) } ?? (endpoint.address == running.target?.address)
        if isOurs { carryOut(search?.search.refused() ?? [], at: now) }
    }

    /// A socket that we asked for is open: its first ping makes the mapping at our NAT.
    mutating func socketOpened(_ link: Link, at now: Instant) {
        guard let running = search, running.links.contains(link.number), !running.search.hasEnded else {
            // The search is over already.
            closeLink(link.number, at: now)
            return
        }
        counters.searchSockets += 1
        sendBriefly(.ping(nonce: running.nonce, inDoubt: false), to: running.peer, at: link.endpoint, at: now)
    }

    // MARK: carrying out

    mutating func carryOut(_ searchActions: [PortSearch.Action], at now: Instant) {
        for action in searchActions {
            guard let running = search else { return }
            switch action {
            case .tell(let message): tell(message, to: running.peer, at: now)
            case .openSockets(let count): openSockets(count, at: now)
            case .pingFromSockets:
                for number in running.links {
                    guard let link = links[number] else { continue }
                    let ping = ControlFrame.ping(nonce: running.nonce, inDoubt: false)
                    send(ping, to: running.peer, along: .direct(link.endpoint), at: now)
                }
            case .probe(let port):
                guard let target = running.target else { continue }
                counters.searchProbes += 1
                let path = Path.direct(Endpoint(target.address, port: port))
                send(.ping(nonce: running.nonce, inDoubt: false), to: running.peer, along: path, at: now)
            case .ended(let outcome): end(running, outcome, at: now)
            }
        }
        deadlines.set(search?.search.nextDeadline, for: .search)
    }

    private mutating func openSockets(_ count: Int, at now: Instant) {
        guard let target = search?.target else { return }
        let numbers = (0..<count).map { _ in allocateLink() }
        search?.links += numbers
        actions.append(.openSockets(links: numbers, to: target))
    }

    private mutating func end(_ running: RunningSearch, _ outcome: PortSearch.Outcome, at now: Instant) {
        search = nil
        for link in running.links where link != running.winner { closeLink(link, at: now) }
        if let winner = running.winner { wonLinks[winner] = running.peer }
        searchEvidence[running.peer]?.endedAt = now
        searchEvidence[running.peer]?.outcome = outcome
        searchEvidence[running.peer]?.probes = running.search.probeCount
        searchEvidence[running.peer]?.sockets = running.search.socketCount
        if outcome == .found { counters.searchesWon += 1 }
        if case .refused(let refusal) = outcome {
            counters.searchesRefused += 1
            // It was nobody's fault and cost nothing.
            if refusal == .busy { searchBudget.forgive(running.peer) }
        }
        guard let peer = peers[running.peer] else { return }
        events(.searchEnded(peer: peer.name, role: running.search.role, outcome: outcome))
        guard outcome == .found else { return }
        // Both mappings live only as long as something passes: neither port would be found again.
        keepOpen(running.peer, at: now)
    }

    private mutating func keepOpen(_ number: Int, at now: Instant) {
        peers[number]?.isKeptOpen = true
        drive(number, at: now) { [keepalive = configuration.natKeepalive] tunnel in
            tunnel.setPersistentKeepalive(keepalive, at: now)
            return []
        }
    }

    // MARK: afterwards

    /// Closes sockets of searches whose path is dead, and lets mappings go that lead nowhere any more.
    mutating func tidyWonLinks(at now: Instant) {
        for (link, number) in wonLinks.sorted(by: { $0.key < $1.key }) {
            let path = Path.direct(.link(number: link, kind: .socket))
            let peer = peers[number]
            let lastHeard = peer?.paths.statistics(of: path)?.lastHeard
            let isAlive = lastHeard.map { now - $0 < Self.silentLinkTime } ?? false
            if peer?.hasSession == true, links[link] != nil, peer?.paths.current == path || isAlive { continue }
            wonLinks[link] = nil
            if links[link] != nil { closeLink(link, at: now) }
        }
        for peer in peers.all where peer.isKeptOpen && (!peer.hasSession || !peer.hasDirectPath) {
            peers[peer.number]?.isKeptOpen = false
            guard !peer.isAnchor else { continue }
            drive(peer.number, at: now) { tunnel in
                tunnel.setPersistentKeepalive(nil, at: now)
                return []
            }
        }
    }

    /// The last search with a peer, under way or over.
    package func searchEvidence(of number: Int) -> SearchEvidence? { searchEvidence[number] }
}
