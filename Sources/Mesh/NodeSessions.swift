import Crypto
import Datapath
import Identity
import Noise
import Relay
import SansIO
import Traversal
import Wire

/// Whose a receiver index is.
struct SessionSlot: Sendable {
    let peer: Int
    /// `nil` while the handshake is on its way.
    var keypair: Keypair?
}

// Handshakes and sessions: what the tunnels ask for and what comes in for them.
extension Node {
    /// How long a party may have a session without showing a certificate.
    static let unverifiedTime: Duration = .seconds(10)
    /// A path on which something came in for so short a time still carries a handshake.
    static let freshPathTime: Duration = .seconds(12)

    // MARK: coming in

    /// A tunnel message that is no plain data: types 1, 2 and 3, and type 4 for nodes without packet threads.
    mutating func receive(_ message: [UInt8], along path: Path, at now: Instant) {
        switch message.first {
        case InitiationMessage.type, ResponseMessage.type: receiveHandshake(message, along: path, at: now)
        case CookieReplyMessage.type: receiveCookie(message, at: now)
        default: counters.malformedDatagrams += 1
        }
    }

    private mutating func receiveHandshake(_ message: [UInt8], along path: Path, at now: Instant) {
        switch responder.examine(message, from: source(of: path), at: now) {
        case .drop: counters.refusedHandshakes += 1
        case .reply(let cookie):
            counters.cookiesAsked += 1
            send(cookie, along: path, at: now)
        case .accept:
            if message.first == InitiationMessage.type {
                receiveInitiation(message, along: path, at: now)
            } else {
                receiveResponse(message, along: path, at: now)
            }
        }
    }

    /// The endpoint that a cookie is bound to: for a relayed path the relay's, for a link its other end.
    private func source(of path: Path) -> Endpoint {
        switch path {
        case .direct(let endpoint): return link(of: path)?.remote ?? endpoint
        case .relayed(let identifier):
            if case .local(let circuit)? = circuits[identifier],
                case .direct(let endpoint)? = peers[circuit.relay]?.paths.current
            {
                return endpoint
            }
            return Endpoint(.v4(.any), port: 0)
        }
    }

    private mutating func receiveInitiation(_ message: [UInt8], along path: Path, at now: Instant) {
        guard let initiation = try? responder.open(message), initiation.publicKey != identity.tunnelKey.publicKey,
            let number = peers.number(ofKey: initiation.publicKey) ?? insertUnverified(initiation.publicKey, at: now)
        else {
            counters.refusedHandshakes += 1
            return
        }
        guard let (index, ephemeral) = handshakeMaterial(for: number) else { return }
        let outcome = updateTunnel(number, at: now) { tunnel throws(NoiseError) in
            try tunnel.accept(initiation, localIndex: index, ephemeral: ephemeral, at: now)
        }
        guard let tunnelActions = outcome else {
            // A copy that came along a second path, or a replay: the session stands.
            sessions[UInt64(index)] = nil
            counters.refusedHandshakes += 1
            return
        }
        peers[number]?.handshakePath = path
        // It stays so when the answer is lost and the peer asks again.
        if case .direct(let endpoint) = path, !endpoint.isLink, !wasContacted(endpoint.address, at: now) {
            peers[number]?.wasUnsolicited = true
        }
        apply(tunnelActions, to: number, along: path, at: now)
    }

    private mutating func receiveResponse(_ message: [UInt8], along path: Path, at now: Instant) {
        guard let response = try? ResponseMessage(parsing: message.span),
            let number = sessions[UInt64(response.receiver)]?.peer
        else {
            counters.unknownReceivers += 1
            return
        }
        let outcome = updateTunnel(number, at: now) { tunnel throws(NoiseError) in
            try tunnel.receive(response, at: now)
        }
        guard let tunnelActions = outcome else {
            counters.refusedHandshakes += 1
            return
        }
        // The path is known before the session is used, so that what waited goes along it.
        heard(from: number, along: path, at: now)
        apply(tunnelActions, to: number, along: nil, at: now)
    }

    private mutating func receiveCookie(_ message: [UInt8], at now: Instant) {
        guard let reply = try? CookieReplyMessage(parsing: message.span),
            let number = sessions[UInt64(reply.receiver)]?.peer
        else {
            counters.unknownReceivers += 1
            return
        }
        // A cookie that does not open is somebody else's; the next initiation is asked for one again.
        let taken: Void? = updateTunnel(number, at: now) { tunnel throws(NoiseError) in
            try tunnel.receive(reply, at: now)
        }
        if taken == nil { counters.refusedHandshakes += 1 }
    }

    private mutating func insertUnverified(_ key: Bytes32, at now: Instant) -> Int? {
        makeRoomForUnverified(at: now)
        guard peers.all.count(where: \.isUnverified) < configuration.tentativeLimit,
            peers.count < configuration.peerLimit
        else {
            counters.tentativeRefused += 1
            return nil
        }
        let deadline = now + Self.unverifiedTime
        guard let number = insertPeer(key: key, role: .unverified(until: deadline), name: "unknown") else { return nil }
        deadlines.set(deadline, for: .unverified(number))
        return number
    }

    /// When all places for strangers are taken, the oldest goes that has not even a session: an initiation shows no
    /// knowledge of the mesh secret, and whoever has heard of our key can send many.
    private mutating func makeRoomForUnverified(at now: Instant) {
        let strangers = peers.all.filter(\.isUnverified)
        guard strangers.count >= configuration.tentativeLimit else { return }
        let silent = strangers.filter { !$0.hasSession }
        let oldest = silent.min { deadline(of: $0) < deadline(of: $1) }
        if let oldest { removePeer(oldest.number, at: now) }
    }

    private func deadline(of stranger: Peer) -> Instant {
        if case .unverified(let deadline) = stranger.role { deadline } else { .distantFuture }
    }

    /// Makes a peer. `nil` for a key that no honest party has.
    mutating func insertPeer(key: Bytes32, role: Peer.Role, name: String, presharedKey: Secret? = nil) -> Int? {
        let presharedKeys =
            presharedKey.map { PresharedKeys(preferred: $0) }
            ?? PresharedKeys(preferred: identity.secrets.current, other: identity.secrets.previous)
        guard
            let tunnel = try? Tunnel(
                key: identity.tunnelKey, peer: key, presharedKeys: presharedKeys,
                limits: presharedKey == nil ? .kubeMesh : .wireGuard)
        else { return nil }
        return peers.insert(key: key) { number in
            Peer(number: number, tunnelKey: key, role: role, name: name, tunnel: tunnel)
        }
    }

    // MARK: what tunnels ask for

    mutating func apply(_ tunnelActions: [Tunnel.Action], to number: Int, along path: Path?, at now: Instant) {
        for action in tunnelActions {
            switch action {
            case .send(let message):
                if message.first == InitiationMessage.type {
                    broadcast(initiation: message, to: number, at: now)
                } else if let path {
                    send(message, along: path, at: now)
                } else {
                    for path in [peers[number]?.paths.current, peers[number]?.paths.duplicate].compactMap(\.self) {
                        send(message, along: path, at: now)
                    }
                }
            case .needsHandshake: initiate(number, at: now)
            case .install(let keypair):
                sessions[UInt64(keypair.localIndex)] = SessionSlot(peer: number, keypair: keypair)
                areTablesStale = true
            case .use(let keypair): use(keypair, with: number, at: now)
            case .retire(let index): retire(index, of: number, at: now)
            case .failed: failed(number, at: now)
            }
        }
    }

    private mutating func initiate(_ number: Int, at now: Instant) {
        guard let (index, ephemeral) = handshakeMaterial(for: number) else { return }
        let timestamp = timestamps.next(unixTime: unixTime(at: now))
        reserveTimestamps(at: now)
        let tunnelActions = updateTunnel(number, at: now) {
            $0.initiate(localIndex: index, ephemeral: ephemeral, timestamp: timestamp, at: now)
        }
        apply(tunnelActions ?? [], to: number, along: nil, at: now)
    }

    private mutating func handshakeMaterial(for number: Int) -> (index: UInt32, ephemeral: AgreementKey)? {
        guard let ephemeral = try? AgreementKey(secret: random.secret(32)),
            let index = sessions.insert(SessionSlot(peer: number), using: &random)
        else { return nil }
        return (UInt32(index), ephemeral)
    }

    private mutating func use(_ keypair: Keypair, with number: Int, at now: Instant) {
        let isFirst = peers[number]?.sending == nil
        peers[number]?.sending = keypair
        peers[number]?.sessionSince = now
        peers[number]?.failedAt = nil
        peers[number]?.initiation = nil
        peers[number]?.initiationCount = 0
        peers[number]?.relaysAsked = [:]
        touch(number)
        // Its routes may be among those that were to be settled soon.
        if isFirst, deadlines.deadline(of: .routes) != nil { areRoutesStale = true }
        if isFirst { addStandingCircuits(to: number, at: now) }
        if peers[number]?.isClient == true {
            if isFirst { events(.connected(peer: name(of: number), path: peers[number]?.paths.current)) }
            return
        }
        // Who has yet to show a certificate introduces itself first, and learns nothing of us before. On later sessions too:
        // the peer may have lost what it knew of us.
        if peers[number]?.isUnverified == false {
            peers[number]?.greeting.sentCount = 0
            greet(number, at: now)
        }
        guard isFirst else { return }
        notePathForPunching(number, at: now)
        for token in peers[number]?.pingsWaiting ?? [] { ping(number, token: token, at: now) }
        peers[number]?.pingsWaiting = []
    }

    private mutating func retire(_ index: UInt32, of number: Int, at now: Instant) {
        sessions[UInt64(index)] = nil
        areTablesStale = true
        guard peers[number]?.sending?.localIndex == index else { return }
        endSession(number, at: now)
    }

    private mutating func failed(_ number: Int, at now: Instant) {
        guard let peer = peers[number] else { return }
        events(.unanswered(peer: peer.name, tried: peer.candidates))
        peers[number]?.failedAt = now
        if peer.isAnchor { chooseAnchorsSoon(at: now) }
        peers[number]?.initiation = nil
        peers[number]?.initiationCount = 0
        peers[number]?.pingsWaiting = []
        closeCircuits(to: number, at: now)
        if peer.hasSession { endSession(number, at: now) }
        if peer.isAnchor { connect(number, at: now) }
    }

    /// The first authentic packet came on a session that the peer initiated.
    mutating func confirm(_ number: Int, receiver: UInt32, at now: Instant) {
        guard sessions[UInt64(receiver)]?.peer == number else { return }
        if let path = peers[number]?.handshakePath { heard(from: number, along: path, at: now) }
        let tunnelActions = updateTunnel(number, at: now) { $0.confirm(localIndex: receiver, at: now) }
        apply(tunnelActions ?? [], to: number, along: nil, at: now)
    }

    // MARK: ending

    /// Nothing can be sent to the peer any more.
    private mutating func endSession(_ number: Int, at now: Instant) {
        guard let peer = peers[number] else { return }
        peers[number]?.sending = nil
        let roundTrip = directRoundTrip(of: peer) ?? peer.lastRoundTrip
        peers[number]?.lastRoundTrip = roundTrip
        peers[number]?.greeting = Peer.Greeting()
        peers[number]?.paths.reset()
        peers[number]?.isLeavingRelay = false
        endPunching(with: number, at: now)
        deadlines.set(nil, for: .paths(number))
        deadlines.set(nil, for: .greeting(number))
        touch(number)
        dropCircuits(through: number, at: now)
        for circuit in relay.removePeer(number) { announceClosed(circuit, except: number, at: now) }
        if !peer.isUnverified { events(.disconnected(peer: peer.name)) }
    }

    /// The peer leaves: its sessions end now.
    mutating func disconnect(_ number: Int, at now: Instant) {
        closeCircuits(to: number, at: now)
        let tunnelActions = updateTunnel(number, at: now) { $0.close() }
        apply(tunnelActions ?? [], to: number, along: nil, at: now)
    }

    mutating func removePeer(_ number: Int, at now: Instant) {
        disconnect(number, at: now)
        for key in [DeadlineKey.tunnel(number), .paths(number), .punch(number), .greeting(number), .unverified(number)]
        {
            deadlines.remove(key)
        }
        searchEvidence[number] = nil
        removeEar(number)
        peers.remove(number)
        forgetInTables(number)
        areRoutesStale = true
    }

    // MARK: steps

    /// Works on a peer's tunnel in place and follows its deadline. `nil` when there is no such peer, or on an error.
    @discardableResult
    mutating func updateTunnel<Outcome>(
        _ number: Int, at now: Instant, _ body: (inout Tunnel) throws(NoiseError) -> Outcome
    ) -> Outcome? {
        let updated = peers.updateTunnel(number, body)
        if let updated { deadlines.set(updated.deadline, for: .tunnel(number)) }
        return updated?.outcome
    }

    /// Handshake timestamps may never go back, not even over a restart: the disk is told a minute ahead of use.
    private mutating func reserveTimestamps(at now: Instant) {
        guard let last = timestamps.last, last > Timestamp(unixTime: .nanoseconds(reservedTimestamp)) else { return }
        let ahead = max(unixTime(at: now).nanoseconds, reservedTimestamp) + Duration.seconds(60).nanoseconds
        reservedTimestamp = ahead
        actions.append(.save(.handshakeTimestamp(UInt64(ahead))))
    }
}
