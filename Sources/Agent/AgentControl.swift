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

// Requests of `meshctl`.
extension Agent {
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
        case .services, .endpoints, .serviceAdd, .serviceRemove, .serviceList, .serviceShow, .nameLookup, .nameCache:
            return answer(aboutServices: request, on: connection)
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

    private static var wallTime: Identity.WallTime {
        Identity.WallTime(seconds: UInt64(max(0, SystemClock.wallTime.seconds)))
    }
}
