import Crypto
import Identity
import Relay
import SansIO
import Traversal
import Wire

/// Why a record was not accepted, in words for an operator, and what the refused node needs to try again.
struct AdmissionRefusal: Error {
    var reason: String
    /// The subnets that are taken, when that is what stood in the way.
    var takenSubnets: [UInt16] = []
}

/// What our record says; a new one is signed when this changes.
struct RecordContent: Equatable, Sendable {
    var candidates: [Endpoint] = []
    var abilities: NodeRecord.Abilities = []
    var clients: [AttachedClient] = []
    var certificateSerial: UInt64 = 0
    var streamPort: UInt16 = 0
    var relays: [UInt64] = []

    var withoutRelays: RecordContent {
        var copy = self
        copy.relays = []
        return copy
    }
}

// Who is in the mesh: certificates, records, and how they spread.
extension Node {
    /// A node's record is signed anew at least this often.
    static let recordRefreshInterval: Duration = .seconds(6 * 3600)
    /// When nothing but the relays in it differs, no more often than this.
    static let relaysInterval: Duration = .seconds(5)
    static let takenSubnetsLimit = 500
    /// How long records of a peer are not looked at after too many that were refused.
    static let ignoredTime: Duration = .seconds(10)

    // MARK: accepting

    /// Verifies the record that a peer introduced itself with on a session of the tunnel key `key`.
    mutating func admit(
        _ encoded: [UInt8], showing key: Bytes32, at now: Instant
    ) -> Result<NodeRecord, AdmissionRefusal> {
        switch verify(encoded, at: now) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let record):
            guard record.chain.certificate.tunnelKey == key else {
                return .failure(AdmissionRefusal(reason: "its certificate belongs to another tunnel key"))
            }
            take(record, encoded: encoded, from: nil, at: now)
            return .success(record)
        }
    }

    /// A record that another node passed on.
    mutating func learn(_ encoded: [UInt8], from number: Int, at now: Instant) {
        guard let sender = peers[number], now >= sender.recordsIgnoredUntil else {
            counters.overBudget += 1
            return
        }
        // What came before by another way: most of what a flood brings.
        if let node = directory.node(withRecord: encoded), isCurrent(node) {
            spreading.note(node, isKnownTo: number)
            return
        }
        switch verify(encoded, at: now) {
        case .failure(let refusal):
            counters.recordsRefused += 1
            reportRefusal(of: name(of: number), refusal.reason, at: now)
            if peers[number]?.refusals.take(at: now) == false {
                peers[number]?.recordsIgnoredUntil = now + Self.ignoredTime
            }
        case .success(let record): take(record, encoded: encoded, from: number, at: now)
        }
    }

    private mutating func verify(_ encoded: [UInt8], at now: Instant) -> Result<NodeRecord, AdmissionRefusal> {
        let record: NodeRecord
        let outcome: Registry.Outcome
        do {
            record = try NodeRecord(parsing: encoded)
        } catch {
            return .failure(AdmissionRefusal(reason: "its record cannot be read: \(error)"))
        }
        if directory.node(withRecord: encoded) == record.nodeID, isCurrent(record.nodeID) { return .success(record) }
        do {
            outcome = try registry.insert(record, now: wallTime(at: now))
        } catch {
            return .failure(AdmissionRefusal(reason: "\(error)"))
        }
        carryOut(outcome.changes, at: now)
        // The registry judged the node's newest certificate; only what that one gives counts, not what an earlier one gave.
        let isNewest = registry.chain(of: record.nodeID) == record.chain
        switch outcome.admission {
        case .admitted where isNewest: return .success(record)
        case .admitted: return .failure(AdmissionRefusal(reason: "it has shown a later certificate than this one"))
        case .refused(let refusal):
            let answer = explained(refusal)
            if isNewest { expel(record.nodeID, answer, at: now) }
            return .failure(answer)
        }
    }

    /// Whether the record in the directory still counts: of the certificate that does, which is admitted.
    private func isCurrent(_ node: NodeID) -> Bool {
        registry.isAdmitted(node) && registry.chain(of: node) == directory.chain(of: node)
    }

    private func explained(_ refusal: Registry.Refusal) -> AdmissionRefusal {
        var answer = AdmissionRefusal(reason: "\(refusal)")
        if case .prefixTaken = refusal {
            answer.takenSubnets = Array(registry.takenSubnets.sorted().prefix(Self.takenSubnetsLimit))
        }
        return answer
    }

    /// A node that counted does no longer: it is told, and loses its routes, its session and its place on disk.
    private mutating func expel(_ node: NodeID, _ refusal: AdmissionRefusal, at now: Instant) {
        if let number = peers.number(ofNode: node) {
            reportRefusal(of: name(of: number), refusal.reason, at: now)
            send(.refusal(reason: refusal.reason, takenSubnets: refusal.takenSubnets), to: number, at: now)
            removePeer(number, at: now)
        }
        forgetAnnouncements(of: node, at: now)
        if directory.entry(of: node) != nil { actions.append(.save(.forgetRecord(node: node))) }
    }

    /// Nodes that lost or regained their place because of somebody else's certificate.
    mutating func carryOut(_ changes: [Registry.Change], at now: Instant) {
        for change in changes {
            if change.node == identity.nodeID {
                reactToOwnAdmission(at: now)
                continue
            }
            areRoutesStale = true
            switch change.admission {
            case .admitted:
                // Without a record of the certificate that counts, the next digest brings it.
                if let entry = directory.entry(of: change.node),
                    registry.chain(of: change.node) == entry.record.chain
                {
                    place(entry.record, at: now)
                    spread(entry.record, from: nil, at: now)
                }
            case .refused(let refusal): expel(change.node, explained(refusal), at: now)
            case nil:
                expel(change.node, AdmissionRefusal(reason: "its certificate ended or was revoked"), at: now)
                directory.remove(change.node)
            }
        }
    }

    /// Another node holds our name or our subnet by right.
    private mutating func reactToOwnAdmission(at now: Instant) {
        guard case .refused(let refusal)? = registry.admission(of: identity.nodeID) else { return }
        if case .prefixTaken = refusal, takeOtherSubnet(avoiding: registry.takenSubnets, at: now) { return }
        events(.ownCertificate(problem: "\(refusal)"))
    }

    /// Issues our certificate anew with a subnet that is free; `false` when this node may not.
    mutating func takeOtherSubnet(avoiding taken: Set<UInt16>, at now: Instant) -> Bool {
        guard
            let chain = identity.reissued(
                at: wallTime(at: now), lifetime: configuration.certificateLifetime, avoiding: taken),
            identity.adopt(chain)
        else { return false }
        identityChanged(at: now)
        return true
    }

    /// Puts a verified record into the directory, and passes it on if it is news.
    private mutating func take(_ record: NodeRecord, encoded: [UInt8], from number: Int?, at now: Instant) {
        if record.nodeID == identity.nodeID {
            // Our own record, as others remember it: if it is later than ours, our state is an old copy.
            if record.number > recordNumber { outrunRecordNumber(record.number, at: now) }
            return
        }
        guard directory.merge(record, encoded: encoded) else { return }
        actions.append(.save(.record(node: record.nodeID, number: record.number, encoded: encoded)))
        countCandidatesLeftOut(of: record)
        place(record, at: now)
        spread(record, from: number, at: now)
    }

    /// Makes a record's node a peer.
    mutating func place(_ record: NodeRecord, at now: Instant) {
        let isNew = peers.number(ofNode: record.nodeID) == nil
        guard let peer = peerNumber(for: record, at: now) else { return }
        become(record, peer, at: now)
        // Later than any word that it drains, which took the ability from its record.
        if record.canRelay || record.canRelayLocally { peers[peer]?.isLeavingRelay = false }
        if isNew { events(.learned(node: peers[peer]?.name ?? "")) }
        if record.canRelay || peers[peer]?.isAnchor == true { reviewAnchors(at: now) }
    }

    /// The peer with a record's tunnel key, made now if there is none; `nil` when there are too many, and when the key is
    /// that of a stock client, which no node has.
    private mutating func peerNumber(for record: NodeRecord, at now: Instant) -> Int? {
        let certificate = record.chain.certificate
        if let number = peers.number(ofKey: certificate.tunnelKey) {
            return peers[number]?.isClient == true ? nil : number
        }
        if let old = peers.number(ofNode: record.nodeID) { removePeer(old, at: now) }
        guard peers.count < configuration.peerLimit,
            let number = insertPeer(
                key: certificate.tunnelKey, role: .bootstrap, name: certificate.name.description)
        else { return nil }
        return number
    }

    /// A peer is the node of a verified record from now on.
    mutating func become(_ record: NodeRecord, _ number: Int, at now: Instant) {
        guard let peer = peers[number] else { return }
        let certificate = record.chain.certificate
        let sources = record.prefixes(in: identity.mesh.plan)
        let isChanged = peer.nodeID != record.nodeID || peer.sources != sources
        if peer.nodeID != record.nodeID {
            peers.identify(number, as: record.nodeID)
            peers[number]?.role = .node(record.nodeID)
            deadlines.remove(.unverified(number))
        }
        peers[number]?.name = certificate.name.description
        peers[number]?.certificateExpiry = certificate.expiry
        peers[number]?.sources = sources
        if isChanged { routesChanged(of: number, at: now) }
        setCandidates(of: number, at: now)
    }

    /// Endpoints to try for a node: what the operator and the node itself say of it, and where it was last seen.
    mutating func setCandidates(of number: Int, at now: Instant) {
        guard let identifier = peers[number]?.nodeID, let record = directory.record(of: identifier) else { return }
        var candidates = statedEndpoints(of: record)
        candidates += dialable(of: record).filter { !candidates.contains($0) }
        if let last = peers[number]?.lastEndpoint, !candidates.contains(last) { candidates.append(last) }
        peers[number]?.candidates = candidates
        peers[number]?.paths.setCandidates(candidates, at: now)
        deadlines.set(peers[number]?.paths.nextDeadline, for: .paths(number))
    }

    // MARK: our own record

    /// Signs a new record of ours and tells everybody, if anything in it changed.
    mutating func refreshRecord(at now: Instant, force: Bool = false) {
        var content = RecordContent(
            candidates: ownCandidates, clients: identity.clients, certificateSerial: identity.certificate.serial,
            relays: ownRelays)
        if isReachable { content.abilities.insert(.reachable) }
        if isReachable, relay.mode == .on { content.abilities.insert(.relay) }
        if isReachableLocally, relay.mode == .on { content.abilities.insert(.localRelay) }
        if isReachable, relay.mode == .on { content.streamPort = configuration.streamPort }
        guard force || content != recordContent else { return }
        // Which relays we keep is a hint, and changes by steps when one dies: maintenance comes back to it.
        let isUrgent =
            force || content.withoutRelays != recordContent.withoutRelays || recordContent.relays.isEmpty
        guard isUrgent || now - recordSignedAt >= Self.relaysInterval else { return }
        recordContent = content
        recordNumber += 1
        recordSignedAt = now
        let record = identity.record(
            number: recordNumber, wallTime: wallTime(at: now), abilities: content.abilities,
            candidates: content.candidates, streamPort: content.streamPort, relays: content.relays)
        ownRecord = record.encoded
        // Ours counts like everybody's, so that a conflict with it is settled here as everywhere.
        if let outcome = try? registry.insert(record, now: wallTime(at: now)) { carryOut(outcome.changes, at: now) }
        actions.append(.save(.recordNumber(recordNumber)))
        for number in peers.connectedMembers { sendRecords([ownRecord], to: number, at: now) }
    }

    private mutating func outrunRecordNumber(_ number: UInt64, at now: Instant) {
        guard number < .max / 2 else { return }
        recordNumber = number
        refreshRecord(at: now, force: true)
    }
}
