import Configuration
import ControlAPI
import Crypto
import Identity
import Linux
import Mesh
import SansIO
import Wire

// Requests of `meshctl invite` and `meshctl wireguard`: who else may come in.
extension Agent {
    func invite(_ request: Request.Invite) -> Reply {
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

    func makeInvitation(_ terms: Issuer.InviteTerms) -> Result<Invitation, Failure> {
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

    func addClient(_ text: String, endpoint: String?) -> Reply {
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

    func clientList() -> Reply {
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

    func removeClient(_ text: String) -> Reply {
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
}
