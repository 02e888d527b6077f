import Identity
import STUN
package import SansIO
package import Traversal
package import Wire

/// What the node knows of the NAT before it, and the discovery that is under way.
struct DiscoveryState: Sendable {
    struct Run: Sendable {
        var startedAt: Instant
        var ipv4: NATDiscovery
        var ipv6: NATDiscovery
        var ipv4Report: NATFamilyReport?
        var ipv6Report: NATFamilyReport?
    }

    var report: NATReport?
    var run: Run?
    /// Sockets were asked for and are not there yet.
    var isOpening = false
    var dueAt: Instant?
    var lastBegunAt: Instant?
}

// What stands between this host and others: found out at the start, when the network changed, and when somebody asks.
extension Node {
    /// A socket of its own for probing; numbers are the node's, `ownSocket` apart.
    package struct ProbeSocket: Equatable, Sendable {
        package var number: Int
        package var isIPv4: Bool

        package init(number: Int, isIPv4: Bool) {
            self.number = number
            self.isIPv4 = isIPv4
        }
    }

    /// Sockets of a discovery: five ports tell a block from chance; IPv6 is seldom translated.
    static let discoverySockets =
        (1...5).map { ProbeSocket(number: $0, isIPv4: true) } + (6...7).map { ProbeSocket(number: $0, isIPv4: false) }
    /// After the host's network changed, or the first member is there.
    static let discoveryDelay: Duration = .seconds(1)
    /// What is not known because nobody could help is tried again when somebody new came, but no sooner.
    static let discoveryInterval: Duration = .seconds(60)

    /// What stands between this host and others, once that is known.
    package var natReport: NATReport? { discovery.report }
    package var isDiscovering: Bool { discovery.run != nil || discovery.isOpening }

    // MARK: when

    mutating func discoverSoon(at now: Instant) {
        discovery.dueAt = min(discovery.dueAt ?? .distantFuture, now + Self.discoveryDelay)
        setDiscoveryDeadline()
    }

    /// A member came: it may know what nobody could tell before.
    mutating func discoverWithNewcomer(at now: Instant) {
        guard discovery.report.map({ $0.ipv4.isIncomplete }) ?? true else { return }
        guard let last = discovery.lastBegunAt, now - last < Self.discoveryInterval else {
            return discoverSoon(at: now)
        }
        discovery.dueAt = discovery.dueAt ?? last + Self.discoveryInterval
        setDiscoveryDeadline()
    }

    /// Begins to find out, unless that is under way. The outcome is the event `natDiscovered`.
    package mutating func discover(at now: Instant) {
        guard !isDiscovering else { return }
        discovery.dueAt = nil
        discovery.isOpening = true
        discovery.lastBegunAt = now
        actions.append(.openProbes(Self.discoverySockets))
        setDiscoveryDeadline()
    }

    mutating func advanceDiscovery(to now: Instant) {
        if let due = discovery.dueAt, due <= now {
            // What is under way may have begun on another network: it is followed by one on this.
            if isDiscovering { discovery.dueAt = now + Self.discoveryDelay } else { discover(at: now) }
        }
        if discovery.run != nil {
            let ipv4 = discovery.run?.ipv4.advance(to: now, using: &random) ?? []
            carryOut(ipv4, isIPv4: true, at: now)
            let ipv6 = discovery.run?.ipv6.advance(to: now, using: &random) ?? []
            carryOut(ipv6, isIPv4: false, at: now)
        }
        setDiscoveryDeadline()
    }

    private mutating func setDiscoveryDeadline() {
        let next = [discovery.dueAt, discovery.run?.ipv4.nextDeadline, discovery.run?.ipv6.nextDeadline].compactMap {
            $0
        }.min()
        deadlines.set(next, for: .discovery)
    }

    // MARK: sockets

    /// The sockets that were asked for are open, at these ports; those that could not be opened are missing.
    package mutating func probesOpened(_ asked: [ProbeSocket], at ports: [Int: UInt16], at now: Instant) {
        if asked == [Self.lifetimeSocket] { return lifetimeSocketOpened(!ports.isEmpty, at: now) }
        guard discovery.isOpening else { return }
        discovery.isOpening = false
        func sockets(ipv4: Bool) -> [(number: Int, port: UInt16)] {
            Self.discoverySockets.filter { $0.isIPv4 == ipv4 }
                .compactMap { socket in ports[socket.number].map { (number: socket.number, port: $0) } }
        }
        var run = DiscoveryState.Run(
            startedAt: now, ipv4: NATDiscovery(setup(ipv4: true, sockets(ipv4: true), at: now)),
            ipv6: NATDiscovery(setup(ipv4: false, sockets(ipv4: false), at: now)))
        let ipv4 = run.ipv4.start(at: now, using: &random)
        let ipv6 = run.ipv6.start(at: now, using: &random)
        discovery.run = run
        carryOut(ipv4, isIPv4: true, at: now)
        carryOut(ipv6, isIPv4: false, at: now)
        setDiscoveryDeadline()
    }

    /// Something came in on a socket of ours that is only for probing.
    package mutating func receiveProbe(_ datagram: [UInt8], from source: Endpoint, on socket: Int, at now: Instant) {
        if let nonce = DialBackNonce(in: datagram),
            let dialBackActions = dialBacks.arrived(nonce, on: socket, from: source)
        {
            carryOut(dialBackActions, at: now)
            return
        }
        if socket == Self.lifetimeSocket.number { return receiveLifetime(datagram, from: source, at: now) }
        guard discovery.run != nil, let isIPv4 = Self.discoverySockets.first(where: { $0.number == socket })?.isIPv4
        else {
            counters.stunUnexpected += 1
            return
        }
        if isIPv4 {
            let discoveryActions = discovery.run?.ipv4.receive(
                datagram, from: source, on: socket, at: now, using: &random)
            carryOut(discoveryActions ?? [], isIPv4: true, at: now)
        } else {
            let discoveryActions = discovery.run?.ipv6.receive(
                datagram, from: source, on: socket, at: now, using: &random)
            carryOut(discoveryActions ?? [], isIPv4: false, at: now)
        }
        setDiscoveryDeadline()
    }

    // MARK: whom to ask

    private func setup(
        ipv4: Bool, _ sockets: [(number: Int, port: UInt16)], at now: Instant
    ) -> NATDiscovery.Setup {
        let local = configuration.local.map(\.address).filter { $0.isIPv4 == ipv4 }
        // Without a way out a private IPv6 address (RFC 4193) is no reason to look for NATs.
        let hasUplink = ipv4 || local.contains { !$0.isPrivate }
        let servers = configuration.stunServers.filter { $0.address.isIPv4 == ipv4 }
            .prefix(Self.serversAsked).map { NATDiscovery.Observer($0) }
        let helping = peers.all.filter { $0.isMember && $0.hasSession && $0.paths.current != nil }
        let helpers = helping.map { peer in
            NATDiscovery.Helper(member: peer.number, addresses: Array(publicAddresses(of: peer, ipv4: ipv4)))
        }
        return NATDiscovery.Setup(
            isIPv4: ipv4, sockets: sockets, local: hasUplink ? local : [],
            observers: memberObservers(ipv4: ipv4) + servers, helpers: helpers.filter { !$0.addresses.isEmpty },
            gateways: gathered.mapped.map(\.endpoint.address).filter { $0.isIPv4 == ipv4 })
    }

    /// Members that strangers reach, nearest first, one for each address.
    private func memberObservers(ipv4: Bool) -> [NATDiscovery.Observer] {
        let own = Set(ownCandidates.map(\.address))
        var seen: Set<IPAddress> = []
        var observers: [NATDiscovery.Observer] = []
        for peer in peers.all.filter({ $0.nodeID != nil }).sorted(by: isNearer) {
            guard let record = peer.nodeID.flatMap({ directory.record(of: $0) }) else { continue }
            // Those that a NAT or firewall hides would not hear our other sockets.
            guard record.abilities.contains(.reachable) else { continue }
            var endpoints = record.candidates
            if case .direct(let endpoint)? = peer.paths.current, peer.hasSession { endpoints.insert(endpoint, at: 0) }
            let usable = endpoints.first { endpoint in
                endpoint.address.isIPv4 == ipv4 && !endpoint.address.isPrivate && isDialable(endpoint)
                    && !own.contains(endpoint.address) && !endpoint.isLink
            }
            guard let usable, seen.insert(usable.address).inserted else { continue }
            observers.append(NATDiscovery.Observer(usable, member: peer.number))
            if observers.count == NATDiscovery.observerLimit / 2 { break }
        }
        return observers
    }

    private func isNearer(_ one: Peer, _ other: Peer) -> Bool {
        func rank(_ peer: Peer) -> (Int, Int64, Int) {
            let roundTrip = peer.paths.current.flatMap { peer.paths.statistics(of: $0)?.roundTripTime }
            return (peer.hasSession ? 0 : 1, roundTrip?.nanoseconds ?? .max, peer.number)
        }
        return rank(one) < rank(other)
    }

    private func publicAddresses(of peer: Peer, ipv4: Bool) -> Set<IPAddress> {
        let endpoints = peer.candidates + [peer.lastEndpoint].compactMap { $0 }
        return Set(endpoints.map(\.address).filter { $0.isIPv4 == ipv4 && !$0.isPrivate && !$0.isLinkRange })
    }

    // MARK: carrying out

    private mutating func carryOut(_ discoveryActions: [NATDiscovery.Action], isIPv4: Bool, at now: Instant) {
        for action in discoveryActions {
            switch action {
            case .send(let bytes, let socket, let target):
                noteSent(to: target, at: now)
                actions.append(.probe(bytes, from: socket, to: target))
            case .dialBack(let test, let member, let target):
                let question = DialBackClient.Question(
                    helper: .init(peer: member, dialler: nil, isStranger: test == .otherAddress), target: target,
                    purpose: .discovery(test, isIPv4: isIPv4))
                carryOut(dialBacks.ask(question, at: now, using: &random), at: now)
            case .done(let report): finish(report, at: now)
            }
        }
    }

    /// A member was asked to send to one of the discovery's sockets.
    mutating func dialled(
        _ test: NATDiscovery.FilterTest, isIPv4: Bool, _ outcome: NATDiscovery.DialOutcome, at now: Instant
    ) {
        let discoveryActions =
            isIPv4 ? discovery.run?.ipv4.dialled(test, outcome) : discovery.run?.ipv6.dialled(test, outcome)
        carryOut(discoveryActions ?? [], isIPv4: isIPv4, at: now)
        setDiscoveryDeadline()
    }

    private mutating func finish(_ report: NATFamilyReport, at now: Instant) {
        if report.isIPv4 { discovery.run?.ipv4Report = report } else { discovery.run?.ipv6Report = report }
        guard let run = discovery.run, let ipv4 = run.ipv4Report, let ipv6 = run.ipv6Report else { return }
        discovery.run = nil
        var whole = NATReport(ipv4: ipv4, ipv6: ipv6, duration: now - run.startedAt)
        // What took minutes to find out holds for the NAT that is still the same.
        if let before = discovery.report?.ipv4, before.mapping == ipv4.mapping,
            before.outsideAddresses.first == ipv4.outsideAddresses.first, ipv4.mapping != .known(.none)
        {
            whole.ipv4.lifetime = before.lifetime
        }
        discovery.report = whole
        actions.append(.closeProbes(Self.discoverySockets.map(\.number)))
        events(.natDiscovered(whole))
        reconsiderReachability(at: now)
        measureLifetime(at: now)
    }
}

extension NATFamilyReport {
    /// Whether somebody who was not there before could tell more.
    var isIncomplete: Bool {
        switch connectivity {
        case .untested(.noAddress): return false
        case .untested, .blocked: return true
        case .works: break
        }
        return mapping.value == nil || filtering.value == nil || filtering == .known(.notPortDependent)
    }
}
