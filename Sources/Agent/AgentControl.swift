import Configuration
import ControlAPI
import Crypto
import Glibc
import Identity
import Linux
import Mesh
import SansIO
import Store
import Wire

/// A `meshctl ping` that is under way.
struct PingSession {
    let connection: ControlServer.ConnectionID
    let peer: Int
    let node: String
    let count: Int
    let timer: EventLoop.Timer
    var sent = 0
    var replies: [Duration] = []
    var isWaiting = false
}

// Requests of `meshctl`.
extension Agent {
    static let pingTimeout: Duration = .seconds(3)
    static let pingInterval: Duration = .milliseconds(500)

    func acceptConnections() {
        control.accept { [self] identifier in
            { [self] readiness in assumeIsolated { $0.advance(identifier, readiness) } }
        }
    }

    private func advance(_ identifier: ControlServer.ConnectionID, _ readiness: EventLoop.Readiness) {
        switch control.advance(identifier, readiness) {
        case .success(let request)?:
            if let reply = answer(request, on: identifier) { control.reply(reply, to: identifier) }
        case .failure(let failure)?: control.reply(.failure(failure), to: identifier)
        case nil: break
        }
    }

    /// The reply, or `nil` when it comes later.
    private func answer(_ request: Request, on connection: ControlServer.ConnectionID) -> Reply? {
        switch request {
        case .up(let up): return bringUp(up)
        case .down: return beginDown(on: connection)
        case .status: return .status(status)
        case .peers: return mesh.map { .peers($0.peerList()) } ?? .failure(Self.isDown)
        case .ping(let target, let count): return beginPing(target, count, on: connection)
        case .trace(let target): return beginTrace(target, on: connection)
        case .why(let from, let to): return beginWhy(from: from, to: to, on: connection)
        case .relay(let action): return relay(action)
        case .netcheck: return beginNetcheck(on: connection)
        case .invite(let invite): return self.invite(invite)
        case .wireguardAdd(let name, let endpoint): return addClient(name, endpoint: endpoint)
        case .wireguardList: return clientList()
        case .wireguardRemove(let name): return removeClient(name)
        case .reload:
            do {
                return .reloaded(try applyNewConfiguration())
            } catch {
                return .failure(
                    Failure(.configuration, "\(error)", nextStep: "the configuration that ran before stays in force"))
            }
        case .version: return .version(DaemonVersion(version: Self.version, processID: Int(getpid())))
        }
    }

    static let isDown = Failure(.failed, "the mesh is down on this host", nextStep: "run meshctl up")

    var status: Status {
        guard let mesh else {
            var status = Status(
                state: .down, nodeName: configuration.node.name.description, uptime: SystemClock.now - startedAt)
            if let lastFailure { status.warnings = [Notice(lastFailure.description)] }
            if let problem = state.problem { status.warnings.append(Notice(problem)) }
            return status
        }
        return mesh.status(storeProblem: state.problem)
    }

    // MARK: up and down

    private func bringUp(_ up: Request.Up) -> Reply {
        do throws(AgentError) {
            let stored = try state.identity()
            if let text = up.token {
                let token: JoinToken
                do {
                    token = try JoinToken(text)
                } catch {
                    return .failure(Failure(.usage, "the token is refused: \(error)"))
                }
                return try join(token, up, stored)
            }
            if mesh != nil { return .up(UpResult(action: .unchanged, status: status)) }
            switch stored {
            case .present(let identity):
                try beginMesh(identity)
                return .up(UpResult(action: .resumed, status: status))
            case .none: return try create(up)
            case .unusable:
                return .failure(
                    Failure(
                        .failed, "this host's identity on disk is incomplete",
                        nextStep: "join again with meshctl up TOKEN"))
            }
        } catch {
            return .failure(error.failure)
        }
    }

    private func nodeName(_ up: Request.Up) throws(Failure) -> NodeName {
        guard let text = up.name else { return configuration.node.name }
        guard let name = NodeName(text) else {
            throw Failure(
                .usage, "\"\(text)\" cannot name a node", nextStep: "use lower-case letters, digits and hyphens")
        }
        return name
    }

    private func create(_ up: Request.Up) throws(AgentError) -> Reply {
        var random = SecureRandom(seed: Secret(SystemRandom.bytes(32)))
        let identity: NodeIdentity
        do {
            identity = NodeIdentity.createMesh(
                name: try nodeName(up), ipv4Range: configuration.ipv4Range,
                lifetime: configuration.certificate.lifetime,
                now: Self.wallTime, using: &random)
        } catch {
            return .failure(error)
        }
        try begin(identity, bootstrap: [])
        var terms = Issuer.InviteTerms()
        terms.uses = Self.firstTokenUses
        let invitation = makeInvitation(terms)
        if case .success(let made) = invitation {
            return .up(UpResult(action: .created, token: made, status: status))
        }
        return .up(UpResult(action: .created, status: status))
    }

    private func join(_ token: JoinToken, _ up: Request.Up, _ stored: StoredIdentity) throws(AgentError) -> Reply {
        if case .present(let identity) = stored {
            if identity.mesh.id != token.mesh.id {
                return .failure(
                    Failure(
                        .failed, "this host is in mesh \(identity.mesh.id), and the token is of mesh \(token.mesh.id)",
                        nextStep: "leave the old mesh first: meshctl down, then remove \(configuration.stateDirectory)")
                )
            }
            if mesh?.node.waitingFor.contains(where: { $0.refusal != nil }) != true {
                if mesh != nil { return .up(UpResult(action: .unchanged, status: status)) }
                try beginMesh(identity)
                return .up(UpResult(action: .resumed, status: status))
            }
            // The mesh refused what the earlier token made; this one may do better.
            endMesh(removing: true)
        }
        var random = SecureRandom(seed: Secret(SystemRandom.bytes(32)))
        let identity: NodeIdentity
        do {
            identity = try NodeIdentity.join(
                token, name: try nodeName(up), now: Self.wallTime, using: &random)
        } catch {
            return .failure(error as? Failure ?? Failure(.failed, "\(error)"))
        }
        try begin(identity, bootstrap: token.bootstrap)
        return .up(UpResult(action: .joined, status: status))
    }

    /// Keeps a new identity and runs with it; if it cannot run, it is forgotten, so that the next try begins anew.
    private func begin(_ identity: NodeIdentity, bootstrap: [JoinToken.Bootstrap]) throws(AgentError) {
        try state.begin(identity, bootstrap: bootstrap)
        do {
            try beginMesh(identity)
        } catch {
            state.forgetIdentity()
            throw error
        }
    }

    func takeDown() -> Reply {
        let wasRunning = mesh != nil
        var problem = endMesh(removing: true)
        if !wasRunning, state.isUp || state.hasIdentity {
            // A predecessor that was killed may have left rules and an interface.
            do {
                try MeshService.removeLeftovers(configuration, state: state, log: log)
            } catch {
                problem = error
            }
        }
        state.setUp(false)
        state.undoHostChanges()
        service.status("no mesh: run meshctl up")
        return problem.map { .failure($0.failure) } ?? .done
    }

    // MARK: invitations and clients

    private func invite(_ request: Request.Invite) -> Reply {
        var terms = Issuer.InviteTerms()
        terms.uses = UInt32(clamping: request.uses)
        terms.validity = .seconds(request.lifetimeSeconds)
        terms.pool = request.prefixPool
        terms.certificateLifetime = configuration.certificate.lifetime
        if !request.mayRelay { terms.rights.remove(.relay) }
        if let text = request.namePattern {
            guard let pattern = NamePattern(text) else {
                return .failure(
                    Failure(
                        .usage, "\"\(text)\" is no pattern of names",
                        nextStep: "use lower-case letters, digits, hyphens, dots, and * for any run of them"))
            }
            terms.namePattern = pattern
        }
        switch makeInvitation(terms) {
        case .success(let invitation): return .invitation(invitation)
        case .failure(let failure): return .failure(failure)
        }
    }

    private func makeInvitation(_ terms: Issuer.InviteTerms) -> Result<Invitation, Failure> {
        guard let mesh else { return .failure(Self.isDown) }
        do {
            let token = try mesh.perform { node, now in try node.invite(on: terms, at: now) }
            guard let token else {
                return .failure(
                    Failure(
                        .notPermitted, "this node may not invite others",
                        nextStep: "run meshctl invite on the host that created the mesh"))
            }
            return .success(
                Invitation(
                    token: token.text, uses: Int(terms.uses), expiry: Timestamp(token.invite.expiry),
                    namePattern: terms.namePattern == .any ? nil : terms.namePattern.description,
                    mayRelay: terms.rights.contains(.relay), prefixPool: terms.pool))
        } catch {
            return .failure(Failure(.usage, "\(error)"))
        }
    }

    private func addClient(_ text: String, endpoint: String?) -> Reply {
        guard let mesh else { return .failure(Self.isDown) }
        guard let name = NodeName(text) else {
            return .failure(
                Failure(
                    .usage, "\"\(text)\" cannot name a client", nextStep: "use lower-case letters, digits and hyphens"))
        }
        guard let target = endpoint ?? mesh.node.ownCandidates.first?.description else {
            return .failure(
                Failure(
                    .failed, "no address is known at which a client could reach this node",
                    nextStep: "give one with --endpoint ADDRESS:PORT"))
        }
        guard let key = try? AgreementKey(secret: Secret(SystemRandom.bytes(32))) else {
            preconditionFailure("32 bytes are a key")
        }
        do {
            let client = try mesh.perform { node, now in
                try node.addClient(publicKey: key.publicKey, name: name, at: now)
            }
            scheduleMesh()
            try state.save(client)
            let identity = mesh.node.identity
            return .wireguardClient(
                WireGuardClient(
                    name: text, addresses: identity.mesh.plan.prefixes(ofClient: client.attached.number),
                    privateKey: key.secret.bytes.base64, publicKey: key.publicKey.bytes.base64,
                    presharedKey: client.presharedKey.bytes.base64,
                    nodePublicKey: identity.tunnelKey.publicKey.bytes.base64, endpoint: target,
                    allowedIPs: [identity.mesh.plan.ipv4Range, identity.mesh.plan.ipv6Range],
                    mtuBytes: mesh.node.configuration.innerMTU))
        } catch {
            return .failure((error as? AgentError)?.failure ?? Failure(.failed, "\(error)"))
        }
    }

    private func clientList() -> Reply {
        guard let mesh else { return .failure(Self.isDown) }
        let statuses = mesh.node.peerStatuses.filter(\.isClient)
        return .wireguardClients(
            mesh.node.clients.map { client in
                let status = statuses.first { $0.name == client.attached.name.description }
                var listed = AdmittedClient(
                    name: client.attached.name.description, publicKey: client.attached.publicKey.bytes.base64,
                    addresses: mesh.node.identity.mesh.plan.prefixes(ofClient: client.attached.number))
                listed.endpoint = status?.endpoint
                listed.sinceHandshake = status?.lastHandshake.map { SystemClock.now - $0 }
                listed.receivedBytes = status?.bytesReceived ?? 0
                listed.sentBytes = status?.bytesSent ?? 0
                return listed
            })
    }

    private func removeClient(_ text: String) -> Reply {
        guard let mesh else { return .failure(Self.isDown) }
        let removed = NodeName(text).flatMap { name in mesh.perform { $0.removeClient(named: name, at: $1) } }
        guard let removed else {
            return .failure(
                Failure(.failed, "there is no client called \(text)", nextStep: "see meshctl wireguard list"))
        }
        state.remove(removed)
        scheduleMesh()
        return .done
    }

    // MARK: ping

    private func beginPing(_ target: String, _ count: Int, on connection: ControlServer.ConnectionID) -> Reply? {
        guard let mesh else { return .failure(Self.isDown) }
        guard let peer = mesh.node.peer(named: target) else {
            return .failure(Self.unknown(target))
        }
        let token = nextPingToken
        nextPingToken += 1
        let timer = loop.makeTimer { [self] in assumeIsolated { $0.advancePing(token) } }
        pings[token] = PingSession(
            connection: connection, peer: peer, node: mesh.node.peerName(peer), count: count, timer: timer)
        sendPing(token)
        return nil
    }

    private func sendPing(_ token: UInt64) {
        guard let session = pings[token] else { return }
        pings[token]?.sent += 1
        pings[token]?.isWaiting = true
        loop.set(session.timer, to: SystemClock.now + Self.pingTimeout)
        withMesh { mesh in mesh.perform { node, now in node.ping(session.peer, token: token, at: now) } }
    }

    func receivePong(_ token: UInt64, _ roundTripTime: Duration, along path: Path, endpoint: Endpoint?) {
        if receiveTracePong(token, roundTripTime) { return }
        guard let session = pings[token], session.isWaiting else { return }
        var pong = Pong(sequence: session.sent, node: session.node, path: path)
        pong.endpoint = endpoint
        pong.roundTripTime = roundTripTime
        finishRound(token, pong)
    }

    /// The time for a reply is over, or that for the next ping has come.
    private func advancePing(_ token: UInt64) {
        guard let session = pings[token] else { return }
        if session.isWaiting {
            finishRound(token, Pong(sequence: session.sent, node: session.node, path: .none))
        } else {
            sendPing(token)
        }
    }

    private func finishRound(_ token: UInt64, _ pong: Pong) {
        guard let session = pings[token] else { return }
        pings[token]?.isWaiting = false
        if let roundTripTime = pong.roundTripTime { pings[token]?.replies.append(roundTripTime) }
        control.reply(.pong(pong), to: session.connection)
        if session.sent < session.count, control.isOpen(session.connection) {
            loop.set(session.timer, to: SystemClock.now + Self.pingInterval)
            return
        }
        loop.cancel(session.timer)
        pings[token] = nil
        let replies = session.replies + [pong.roundTripTime].compactMap { $0 }
        var summary = PingSummary(sent: session.sent, received: replies.count)
        summary.minimum = replies.min()
        summary.maximum = replies.max()
        if !replies.isEmpty { summary.mean = replies.reduce(.zero, +) / replies.count }
        control.reply(.pingSummary(summary), to: session.connection)
    }

    private static var wallTime: Identity.WallTime {
        Identity.WallTime(seconds: UInt64(max(0, SystemClock.wallTime.seconds)))
    }
}
