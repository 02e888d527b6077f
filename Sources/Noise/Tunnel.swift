package import Crypto
package import SansIO
package import Wire

/// The encrypted tunnel to one peer: its handshakes in both roles, its sessions, and the timers of the WireGuard paper §6.
///
/// The node feeds it what happened and carries out the actions it returns. Three things come from the node with a call,
/// since the tunnel has neither randomness nor a wall clock nor a view of the other tunnels: a fresh ephemeral key, a
/// receiver index that no other session of the node has, and for initiations a timestamp.
///
///     connect, send, rekeyWanted, advance ──▶ .needsHandshake ──▶ initiate ──▶ .send ── response ──▶ receive
///     HandshakeResponder.open ──▶ accept ──▶ .send, .install ── first packet of the session ──▶ confirm
///
/// Packet threads seal and open with the keypairs of `.install` and `.use`, and note it in `activity`; timers read that.
///
/// Where both sides start a handshake at once, we answer the peer's initiation and still take the response to ours. So
/// nobody waits for a retry, as two stock implementations do, and either of the two sessions serves.
package struct Tunnel: Sendable {
    package enum Action: Sendable {
        /// Send this message to the peer.
        case send([UInt8])
        /// Call `initiate` with fresh material.
        case needsHandshake
        /// Accept packets of this session from now on.
        case install(Keypair)
        /// Send with this session, installed before, from now on.
        case use(Keypair)
        /// The index is free: forget the session of that index wherever it stands. Its keys are erased with it.
        case retire(localIndex: UInt32)
        /// No session came about in `rekeyAttemptTime`. The packets were waiting for one.
        case failed(unsent: [[UInt8]])
    }

    package let peer: Bytes32
    package let activity: Activity
    /// When the last session was made; `nil` before the first.
    package private(set) var lastSessionAt: Instant?
    /// The greatest timestamp of the peer's initiations. Kept across restarts by a node that can, it shuts out the
    /// replay of old initiations.
    package private(set) var greatestTimestamp: Timestamp?
    /// Every handshake uses what is set when its response is made or opened.
    package var presharedKeys: PresharedKeys

    private let key: AgreementKey
    private let limits: Limits
    private let staticSecret: Secret
    private var cookies: CookieJar
    private var sessions = SessionKeypairs()
    private var attempt: HandshakeAttempt?
    private var queue: BoundedQueue<[UInt8]>
    private var persistentKeepalive: (interval: Duration, since: Instant)?
    private var lastAcceptedAt: Instant?
    private var unconfirmedResponses = 0

    /// Costs one Diffie–Hellman, which no later handshake repeats. Throws `weakPublicKey` for a peer's key that no honest
    /// peer has.
    package init(
        key: AgreementKey, peer: Bytes32, presharedKeys: PresharedKeys = PresharedKeys(), limits: Limits = .wireGuard,
        activity: Activity = Activity(), greatestTimestamp: Timestamp? = nil
    ) throws(CryptoError) {
        self.key = key
        self.peer = peer
        self.presharedKeys = presharedKeys
        self.limits = limits
        self.activity = activity
        self.greatestTimestamp = greatestTimestamp
        staticSecret = try key.sharedSecret(with: peer)
        cookies = CookieJar(keys: MACKeys(receiver: peer))
        queue = BoundedQueue(limit: limits.queueLimit)
    }

    /// The session to send with, if it may still be sent with.
    package func currentSession(at now: Instant) -> Keypair? {
        guard let current = sessions.current, current.canSend(at: now) else { return nil }
        return current
    }

    package var isHandshaking: Bool { attempt != nil }

    /// Sends an empty packet whenever nothing passed for `interval`, to keep state on the way alive; `nil` stops it.
    package mutating func setPersistentKeepalive(_ interval: Duration?, at now: Instant) {
        persistentKeepalive = interval.map { ($0, now) }
    }

    /// Forgets all sessions and waiting packets: the peer is removed, or must start afresh.
    package mutating func close() -> [Action] {
        _ = queue.removeAll()
        activity.clearUnheard()
        activity.clearUnanswered()
        return endAttempt() + sessions.removeAll().map { .retire(localIndex: $0.localIndex) }
    }
}

// MARK: handshakes we start

extension Tunnel {
    /// Starts a handshake, if none is under way and no session can be sent with.
    package mutating func connect(at now: Instant) -> [Action] {
        currentSession(at: now) == nil ? startAttempt(at: now) : []
    }

    /// Starts a handshake to replace the current session, if that is the one for which the upcall `.rekeyWanted` came: a
    /// late packet of the session before wants nothing.
    package mutating func rekeyWanted(at now: Instant) -> [Action] {
        sessions.current?.isRekeyDue == true ? startAttempt(at: now) : []
    }

    /// Starts a handshake whatever session stands: the way to the peer is lost, and the handshake is to find another.
    package mutating func renew(at now: Instant) -> [Action] {
        startAttempt(at: now)
    }

    /// Sends an initiation, the answer to `.needsHandshake`. Each call takes an index and a key not used before; the index
    /// of an earlier initiation is retired.
    package mutating func initiate(
        localIndex: UInt32, ephemeral: AgreementKey, timestamp: Timestamp, at now: Instant
    ) -> [Action] {
        let fresh = Action.retire(localIndex: localIndex)
        guard var attempt else { return [fresh] }  // A session came about meanwhile.
        let retired = attempt.initiation.map { Action.retire(localIndex: $0.message.sender) }
        do {
            let initiation = try SentInitiation(
                from: key, to: peer, staticSecret: staticSecret, localIndex: localIndex, ephemeral: ephemeral,
                timestamp: timestamp)
            attempt.note(initiation, at: now)
            self.attempt = attempt
            return [retired].compactMap(\.self) + [send(handshake: initiation.message.body, at: now)]
        } catch {
            // Cannot happen: `init` refused the public keys for which it would.
            return [fresh] + endAttempt()
        }
    }

    /// Takes the response to our initiation and puts the session it makes to use.
    package mutating func receive(_ response: ResponseMessage, at now: Instant) throws(NoiseError) -> [Action] {
        guard let initiation = attempt?.initiation else { throw .unknownIndex }
        let keys = try initiation.open(response, presharedKeys: presharedKeys)
        _ = activity.noteReceived(at: now, bytes: ResponseMessage.size, isData: false)
        // Both sides began at once. The one with the lesser key renews a little later, so that next time only one does.
        let hasCrossed = sessions.next != nil
        let keypair = keypair(
            keys, isInitiator: true, rekeyDelay: hasCrossed && key.publicKey < peer ? limits.rekeyTimeout : .zero,
            at: now)
        attempt = nil
        unconfirmedResponses = 0
        let displaced = sessions.use(keypair)
        return [.install(keypair), .use(keypair)] + retire(displaced) + sendWaiting(orKeepalive: true, at: now)
    }

    /// Takes a cookie that the peer asks for; the next handshake message carries its mac2.
    package mutating func receive(_ reply: CookieReplyMessage, at now: Instant) throws(NoiseError) {
        try cookies.take(reply, lifetime: limits.cookieLifetime, at: now)
    }

    private mutating func startAttempt(at now: Instant) -> [Action] {
        guard attempt == nil else { return [] }
        attempt = HandshakeAttempt(limits: limits, at: now)
        return [.needsHandshake]
    }

    private mutating func endAttempt() -> [Action] {
        defer { attempt = nil }
        return attempt?.initiation.map { [.retire(localIndex: $0.message.sender)] } ?? []
    }

    private mutating func send(handshake body: [UInt8], at now: Instant) -> Action {
        let message = cookies.finish(body, at: now)
        _ = activity.noteSent(at: now, bytes: message.count, isData: false)
        return .send(message)
    }
}

// MARK: handshakes the peer starts

extension Tunnel {
    /// Answers the peer's initiation. The session is received on at once and sent on once `confirm` is called.
    ///
    /// When it throws nothing has changed, and `localIndex` stays the caller's.
    package mutating func accept(
        _ initiation: ReceivedInitiation, localIndex: UInt32, ephemeral: AgreementKey, at now: Instant
    ) throws(NoiseError) -> [Action] {
        guard initiation.publicKey == peer else { throw .otherPeer }
        var initiation = initiation
        let timestamp = try initiation.openTimestamp(staticSecret: staticSecret)
        if let greatestTimestamp, timestamp <= greatestTimestamp { throw .replayedInitiation }
        if let lastAcceptedAt, now < lastAcceptedAt + limits.initiationInterval { throw .tooManyInitiations }
        let (response, keys) = try initiation.respond(
            localIndex: localIndex, ephemeral: ephemeral,
            presharedKey: presharedKeys.choice(unconfirmed: unconfirmedResponses))
        greatestTimestamp = timestamp
        lastAcceptedAt = now
        unconfirmedResponses += 1
        _ = activity.noteReceived(at: now, bytes: InitiationMessage.size, isData: false)
        let keypair = keypair(keys, isInitiator: false, at: now)
        let displaced = sessions.hold(keypair)
        return retire(displaced) + [.install(keypair), send(handshake: response.body, at: now)]
    }

    /// Puts a session to use on which the first authentic packet arrived (`Keypair.confirmsSession`).
    package mutating func confirm(localIndex: UInt32, at now: Instant) -> [Action] {
        guard let (keypair, displaced) = sessions.confirm(localIndex: localIndex) else { return [] }
        unconfirmedResponses = 0
        return endAttempt() + [.use(keypair)] + retire(displaced) + sendWaiting(orKeepalive: false, at: now)
    }

    private mutating func keypair(
        _ keys: SessionKeys, isInitiator: Bool, rekeyDelay: Duration = .zero, at now: Instant
    ) -> Keypair {
        lastSessionAt = now
        return Keypair(
            localIndex: keys.localIndex, remoteIndex: keys.remoteIndex, isInitiator: isInitiator, createdAt: now,
            sendKey: keys.sendKey, receiveKey: keys.receiveKey, limits: limits, rekeyDelay: rekeyDelay)
    }

    private func retire(_ keypairs: [Keypair]) -> [Action] {
        keypairs.map { .retire(localIndex: $0.localIndex) }
    }
}

// MARK: packets on the control thread

extension Tunnel {
    /// Sends a packet, or keeps it and starts a handshake when there is no session to send it with.
    ///
    /// For control frames, for what the packet threads hand up (`.unsealed`), and for all packets of a simulated node.
    /// An empty packet is a keepalive. The packet is padded with zeros to a multiple of 16 bytes (paper §5.4.6); its own
    /// header tells its length.
    package mutating func send(_ packet: [UInt8], at now: Instant) -> [Action] {
        if let sealed = seal(packet, at: now) { return sealed }
        queue.append(packet)
        // The user still wants the peer: the attempt goes on (paper §6.4).
        attempt?.extend(at: now)
        return startAttempt(at: now)
    }

    /// Opens a transport message: the packet with its padding, empty for a keepalive.
    ///
    /// Uses the keypair's members that belong to the inbound packet thread, so it is for nodes that have none.
    package mutating func open(
        _ message: [UInt8], at now: Instant
    ) throws(NoiseError) -> (packet: [UInt8], actions: [Action]) {
        let header: TransportHeader
        do {
            header = try TransportHeader(parsing: message.span)
        } catch {
            throw .malformed(error)
        }
        guard let keypair = sessions.all.first(where: { $0.localIndex == header.receiver }) else {
            throw .unknownIndex
        }
        guard keypair.isUsable(at: now) else { throw .expiredSession }
        guard keypair.replay.accepts(header.counter) else { throw .replayedPacket }
        let sealed = Array(message.dropFirst(TransportHeader.size))
        guard let packet = keypair.opener.open(sealed, counter: header.counter) else { throw .authenticationFailed }
        keypair.replay.mark(header.counter)
        _ = activity.noteReceived(at: now, bytes: message.count, isData: !packet.isEmpty)
        activity.watch()
        var actions = keypair.confirmsSession() ? confirm(localIndex: keypair.localIndex, at: now) : []
        if keypair.wantsRekeyAfterReceiving(at: now) { actions += rekeyWanted(at: now) }
        return (packet, actions)
    }

    /// `nil` when no session can be sent with.
    private mutating func seal(_ packet: [UInt8], at now: Instant) -> [Action]? {
        guard let keypair = currentSession(at: now), let counter = keypair.takeCounter() else { return nil }
        let padding = (16 - packet.count % 16) % 16
        let header = TransportHeader(receiver: keypair.remoteIndex, counter: counter)
        // Not the keypair's own context: that belongs to the outbound packet thread.
        let message =
            header.bytes
            + ChaChaPoly.seal(
                packet + Array(repeating: 0, count: padding), key: keypair.sendKey,
                nonce: ChaChaPoly.nonce(counter: counter))
        let isControl = packet.first.map { $0 >> 4 == 0 } ?? false
        _ = activity.noteSent(at: now, bytes: message.count, isData: !packet.isEmpty, isControl: isControl)
        activity.watch()
        let wantsRekey = !packet.isEmpty && keypair.wantsRekeyAfterSending(counter, at: now)
        return [.send(message)] + (wantsRekey ? rekeyWanted(at: now) : [])
    }

    /// Sends the packets that waited for a session. The initiator sends at least a keepalive, for the responder waits for
    /// a packet before it sends any.
    private mutating func sendWaiting(orKeepalive needsPacket: Bool, at now: Instant) -> [Action] {
        let packets = queue.removeAll()
        if packets.isEmpty { return needsPacket ? seal([], at: now) ?? [] : [] }
        return packets.flatMap { send($0, at: now) }
    }
}

// MARK: timers

extension Tunnel {
    /// The upcall `.active`: packets passed, so there are new deadlines.
    package mutating func wake(at now: Instant) -> [Action] {
        advance(to: now)
    }

    /// When `advance(to:)` next has work to do. Read it after every call; it may move later as packets pass.
    package var nextDeadline: Instant? {
        [attempt?.retryAt, newHandshakeAt, keepaliveAt, persistentKeepaliveAt, eraseAt].compactMap(\.self).min()
    }

    package mutating func advance(to now: Instant) -> [Action] {
        var actions: [Action] = []
        if let deadline = attempt?.retryAt, deadline <= now { actions += retry(at: now) }
        if let deadline = newHandshakeAt, deadline <= now {
            activity.clearUnheard()
            actions += startAttempt(at: now)
        }
        if let deadline = keepaliveAt, deadline <= now {
            activity.clearUnanswered()
            actions += seal([], at: now) ?? []
        }
        if let deadline = persistentKeepaliveAt, deadline <= now {
            actions += seal([], at: now) ?? startAttempt(at: now)
        }
        if let deadline = eraseAt, deadline <= now {
            actions += retire(sessions.removeAll())
        }
        activity.watch()
        return actions
    }

    private mutating func retry(at now: Instant) -> [Action] {
        if attempt?.retry(at: now) == true { return [.needsHandshake] }
        // What was sent and not heard of has had its handshake; only new data starts another.
        activity.clearUnheard()
        return endAttempt() + [.failed(unsent: queue.removeAll())]
    }

    /// Data was sent and nothing came back: the peer has lost the session, or is gone.
    private var newHandshakeAt: Instant? {
        attempt == nil ? activity.unheardSince.map { $0 + limits.newHandshakeTime } : nil
    }

    /// Data was received and nothing sent: tell the peer that it arrives.
    private var keepaliveAt: Instant? {
        activity.unansweredSince.map { $0 + limits.keepaliveTimeout }
    }

    private var persistentKeepaliveAt: Instant? {
        guard let (interval, since) = persistentKeepalive, attempt == nil else { return nil }
        guard let last = [activity.lastSent, activity.lastReceived].compactMap(\.self).max() else { return since }
        return last + interval
    }

    private var eraseAt: Instant? {
        guard let lastSessionAt, !sessions.all.isEmpty else { return nil }
        return lastSessionAt + limits.eraseAfterTime
    }
}
