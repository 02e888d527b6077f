import Identity
import SansIO
import Wire

// Our certificate: issued anew in time, by ourselves or by a node that may.
extension Node {
    static let renewalInterval: Duration = .seconds(600)

    mutating func renewIfNeeded(at now: Instant) {
        let wall = wallTime(at: now)
        guard let reason = identity.renewalReason(at: wall, renewBefore: configuration.renewBefore),
            renewalAskedAt.map({ now - $0 >= Self.renewalInterval }) ?? true
        else { return }
        if case .expiry(let end) = reason {
            if let chain = identity.reissued(at: wall, lifetime: configuration.certificateLifetime),
                identity.adopt(chain)
            {
                identityChanged(at: now)
                return
            }
            events(.ownCertificate(problem: "it ends at \(end), and no node that may renew it has answered"))
        }
        let issuers = peers.all.filter { $0.isMember && $0.hasSession && mayIssue($0) }
        guard !issuers.isEmpty else { return }
        renewalAskedAt = now
        for issuer in issuers {
            send(.extended(.renewal, RenewalMessage.request(wantsSubnet: false).encoded), to: issuer.number, at: now)
        }
    }

    private func mayIssue(_ peer: Peer) -> Bool {
        guard let certificate = peer.nodeID.flatMap({ directory.record(of: $0)?.chain.certificate }) else {
            return false
        }
        // The node that created the mesh joined with no invite, and holds the root key.
        return certificate.role == .delegate || certificate.invite == .zero
    }

    mutating func receiveRenewal(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let message = try? RenewalMessage(parsing: payload), let node = peers[number]?.nodeID else {
            counters.malformedFrames += 1
            return
        }
        switch message {
        case .request(let wantsSubnet):
            guard let issuer = identity.issuer else { return }
            let answer = issuer.answer(
                wantsSubnet: wantsSubnet, from: node, in: registry, at: wallTime(at: now),
                lifetime: configuration.certificateLifetime)
            send(.extended(.renewal, answer.encoded), to: number, at: now)
        case .granted(let chain):
            guard renewalAskedAt != nil, identity.adopt(chain) else { return }
            identityChanged(at: now)
        case .refused(let reason):
            events(.ownCertificate(problem: "\(name(of: number)) does not renew it: \(reason)"))
        }
    }

    /// Our certificate is another one: the disk, our record and everybody must know.
    mutating func identityChanged(at now: Instant) {
        actions.append(.save(.identity))
        refreshRecord(at: now, force: true)
        events(.renewed(until: identity.certificate.expiry))
    }
}
