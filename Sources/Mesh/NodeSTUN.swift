import Datapath
import STUN
import SansIO
import Traversal
import Wire

// STUN on the node's own sockets: what others ask, and what we ask of stock servers.
extension Node {
    /// Stock servers asked at a time; the rest of the list stands by for those that do not answer.
    static let serversAsked = 3
    /// How often stock servers are asked again: more seldom than a NAT forgets, for the tunnels keep its mapping.
    static let serverInterval: Duration = .seconds(120)
    /// The number of the node's own sockets in questions; others belong to probes.
    static let ownSocket = 0

    /// A datagram that is no data: STUN, or a message of the tunnels.
    mutating func receive(_ datagram: [UInt8], from origin: Origin, at now: Instant) {
        guard case .direct(let source) = origin.path, !source.isLink, STUNMessage.isPlausible(datagram) else {
            receive(datagram, along: origin.path, at: now)
            return
        }
        if !takeKnock(datagram, from: source, at: now) { receiveSTUN(datagram, from: source, origin, at: now) }
    }

    private mutating func receiveSTUN(_ datagram: [UInt8], from source: Endpoint, _ origin: Origin, at now: Instant) {
        switch STUNMessage.Kind(rawValue: UInt16(datagram[0]) << 8 | UInt16(datagram[1])) {
        case .request, nil: serve(datagram, from: source, origin, at: now)
        case .indication: receiveIndication(datagram, from: source, on: Self.ownSocket, at: now)
        case .success, .error: receiveAnswer(datagram, from: source, on: Self.ownSocket, at: now)
        }
    }

    // MARK: serving

    private mutating func serve(_ datagram: [UInt8], from source: Endpoint, _ origin: Origin, at now: Instant) {
        let isServed =
            switch configuration.stunAudience {
            case .all: true
            case .members: isMemberAddress(source.address, at: now)
            case .nobody: false
            }
        do throws(STUNServer.Refusal) {
            let answer = try stunServer.answer(
                datagram, from: source, to: ownEndpoint(of: origin, towards: source), isServed: isServed, at: now)
            counters.stunAnswered += 1
            // From the address that was asked, or the asker would not know the answer for one.
            actions.append(.send(answer, to: Destination(source, localAddress: origin.localAddress)))
        } catch {
            counters.stunRefused[error.rawValue] += 1
        }
    }

    /// The endpoint of ours that a datagram came to, as far as that is known.
    private func ownEndpoint(of origin: Origin, towards source: Endpoint) -> Endpoint? {
        guard let address = origin.localAddress else { return nil }
        return configuration.local.first { $0.address == address }
            ?? configuration.local.first { $0.address.isIPv4 == source.address.isIPv4 }
            .map { Endpoint(address, port: $0.port) }
    }

    private mutating func isMemberAddress(_ address: IPAddress, at now: Instant) -> Bool {
        if let known = memberAddresses, now - known.madeAt < .seconds(1) { return known.addresses.contains(address) }
        var addresses: Set<IPAddress> = []
        for peer in peers.all where peer.nodeID != nil {
            addresses.formUnion(peer.candidates.map(\.address))
            if let last = peer.lastEndpoint { addresses.insert(last.address) }
        }
        memberAddresses = (addresses, now)
        return addresses.contains(address)
    }

    // MARK: asking

    /// Asks stock servers what our packets come from.
    mutating func askServers(at now: Instant) {
        guard !configuration.stunServers.isEmpty else { return }
        stunAskedAt = now
        for server in stockServers.prefix(Self.serversAsked) { ask(server, at: now) }
    }

    /// Those of the configuration, each once.
    private var stockServers: [Endpoint] {
        var seen: Set<Endpoint> = []
        return configuration.stunServers.filter { seen.insert($0).inserted }
    }

    /// As `askServers`, unless that was done lately.
    mutating func askServersIfDue(at now: Instant) {
        if let stunAskedAt, now - stunAskedAt < Self.serverInterval { return }
        askServers(at: now)
    }

    private mutating func ask(_ server: Endpoint, at now: Instant) {
        carryOut(stunClient.ask(.init(server, from: Self.ownSocket), at: now, using: &random), at: now)
    }

    mutating func advanceSTUN(to now: Instant) {
        carryOut(stunClient.advance(to: now), at: now)
    }

    private mutating func receiveAnswer(
        _ datagram: [UInt8], from source: Endpoint, on socket: Int, at now: Instant
    ) {
        do throws(STUNClient.Drop) {
            carryOut(try stunClient.receive(datagram, from: source, on: socket, at: now), at: now)
        } catch {
            counters.stunUnexpected += 1
        }
    }

    private mutating func carryOut(_ stunActions: [STUNClient.Action], at now: Instant) {
        for action in stunActions {
            switch action {
            case .send(let request, from: _, let server):
                noteSent(to: server, at: now)
                actions.append(.send(request, to: Destination(server)))
            case .done(let question, .answered(let answer)):
                noteReflexive(answer.mapped, toldBy: .server(question.server), at: now)
            case .done(let question, .refused), .done(let question, .unanswered):
                askNext(after: question.server, at: now)
            }
        }
        deadlines.set(stunClient.nextDeadline, for: .stun)
    }

    /// A server gave no answer: the next of the list that was not asked in this round is, if there is one.
    private mutating func askNext(after server: Endpoint, at now: Instant) {
        let servers = stockServers
        guard let index = servers.firstIndex(of: server) else { return }
        let next = index + Self.serversAsked
        if servers.indices.contains(next) { ask(servers[next], at: now) }
    }
}
