package import Wire

/// The certificates that this node knows, and which of them count.
///
/// What counts follows from the *set* of certificates and revocations alone, not from the order in which they came, so
/// all nodes that know the same agree. Certificates are taken in order of precedence (vouched for by the root or a
/// delegate before self-issued, then the earlier join, then the lower key); each is admitted unless an admitted one holds
/// its name, subnet or tunnel key, or its invite is used up. The set is bounded: the last in precedence fall out.
package struct Registry: Sendable {
    package enum Refusal: Equatable, Sendable {
        case nameTaken(NodeName, by: NodeID)
        case prefixTaken(IPPrefix, by: NodeID)
        case tunnelKeyTaken(by: NodeID)
        case inviteUsedUp(UInt32)
        case revoked(reason: String)
        case expired(WallTime)
        case tooManyNodes(limit: Int)
    }

    package enum Admission: Equatable, Sendable {
        case admitted
        case refused(Refusal)
    }

    /// A node whose admission is another than before; `nil` when its certificate was forgotten.
    package struct Change: Equatable, Sendable {
        package var node: NodeID
        package var admission: Admission?
    }

    package struct Outcome: Equatable, Sendable {
        /// Of the node whose chain was inserted.
        package var admission: Admission
        /// Other nodes that the insertion displaced or let in, ordered by id.
        package var changes: [Change]
    }

    package static let revocationLimit = 4096

    package let mesh: MeshDescription
    package let limit: Int
    package let signatures: SignatureCheck

    /// The newest valid chain of each node, admitted or not: a loser comes in when its rival goes.
    private var chains: [NodeID: CertificateChain] = [:]
    private var admissions: [NodeID: Admission] = [:]
    /// Those of `chains` that do not count: few, in a mesh at peace.
    private var refused: Set<NodeID> = []
    private var holdings = Holdings()
    private var revocations: [Revocation.Target: Revocation] = [:]
    /// When the first of `chains` ends for good.
    private var firstEnd = WallTime(seconds: .max)

    /// - Parameter limit: nodes known at once.
    package init(mesh: MeshDescription, limit: Int, signatures: SignatureCheck = .direct) {
        precondition(limit > 0)
        self.mesh = mesh
        self.limit = limit
        self.signatures = signatures
    }
}

// MARK: questions

extension Registry {
    /// Nodes that count, ordered by id.
    package var admittedNodes: [NodeID] {
        admissions.filter { $0.value == .admitted }.map(\.key).sorted()
    }

    package var nodeCount: Int { chains.count }

    package func admission(of node: NodeID) -> Admission? { admissions[node] }
    package func chain(of node: NodeID) -> CertificateChain? { chains[node] }
    package func isAdmitted(_ node: NodeID) -> Bool { admissions[node] == .admitted }

    /// Among admitted nodes.
    package func node(named name: NodeName) -> NodeID? { holdings.names[name] }
    package func node(withTunnelKey tunnelKey: Bytes32) -> NodeID? { holdings.tunnelKeys[tunnelKey] }
    package func node(ofSubnet subnet: UInt16) -> NodeID? { holdings.subnets[subnet] }
    package var takenSubnets: Set<UInt16> { Set(holdings.subnets.keys) }

    /// All revocations, in an order that does not vary.
    package var allRevocations: [Revocation] {
        revocations.values.sorted { $0.encoded.lexicographicallyPrecedes($1.encoded) }
    }
}

// MARK: changes

extension Registry {
    /// Verifies a record and takes in its chain, unless a newer one of the same node is known.
    ///
    /// Chains come in records only: a record's signature shows that the node itself wants this certificate, which the
    /// holder of an invite could otherwise issue for the keys of somebody else.
    package mutating func insert(_ record: NodeRecord, now: WallTime) throws(RecordError) -> Outcome {
        try record.verify(in: mesh, known: chains[record.nodeID], using: signatures)
        return insert(verified: record.chain, now: now)
    }

    private mutating func insert(verified chain: CertificateChain, now: WallTime) -> Outcome {
        let node = chain.nodeID
        if chains[node] == chain, let admission = admissions[node] { return Outcome(admission: admission, changes: []) }
        let end = chain.certificate.expiry
        guard now <= end + WallTime.grace else { return refusal(.expired(end)) }
        if let revocation = revocation(of: chain) { return refusal(.revoked(reason: revocation.reason)) }
        if let known = chains[node], !Self.isNewer(chain, than: known), let admission = admissions[node] {
            return Outcome(admission: admission, changes: [])
        }
        firstEnd = min(firstEnd, end)
        let old = chains.updateValue(chain, forKey: node)
        if let old {
            // One that was vouched for and no longer is may lose its use of the invite; any other keeps what it has.
            let keepsUse = chain.isCountersigned || old.invite == chain.invite
            if admissions[node] == .admitted, keepsUse, old.claimsSame(as: chain), !isContested(chain) {
                holdings.exchange(old, for: chain)
                return Outcome(admission: .admitted, changes: [])
            }
        } else if chains.count <= limit, isIndependent(chain) {
            holdings.take(chain)
            admissions[node] = .admitted
            return Outcome(admission: .admitted, changes: [])
        }
        if chains.count > limit, let last = chains.values.max(by: Self.precedes) {
            chains[last.nodeID] = nil
            if last.nodeID == node { return refusal(.tooManyNodes(limit: limit)) }
        }
        let changes = settle().filter { $0.node != node }
        return Outcome(admission: admissions[node] ?? .refused(.tooManyNodes(limit: limit)), changes: changes)
    }

    /// Takes in a revocation that the root or a delegate signed.
    package mutating func insert(_ revocation: Revocation, now: WallTime) throws(RevocationError) -> [Change] {
        guard revocation.isValid(in: mesh, using: signatures) else { throw .badSignature }
        guard now <= revocation.expiry + WallTime.grace else { throw .expired(revocation.expiry) }
        if let known = revocations[revocation.target] {
            guard Self.outranks(revocation, known) else { return [] }
        } else {
            guard revocations.count < Self.revocationLimit else { throw .tooMany }
        }
        revocations[revocation.target] = revocation
        return remove(chains.filter { self.revocation(of: $0.value) != nil }.map(\.key))
    }

    /// Forgets what has ended; cheap to call often.
    package mutating func advance(to now: WallTime) -> [Change] {
        revocations = revocations.filter { now <= $0.value.expiry + WallTime.grace }
        guard now > firstEnd + WallTime.grace else { return [] }
        let changes = remove(chains.filter { now > $0.value.certificate.expiry + WallTime.grace }.map(\.key))
        firstEnd = chains.values.map(\.certificate.expiry).min() ?? WallTime(seconds: .max)
        return changes
    }

    /// Whether a new chain claims nothing that anybody else holds or was refused, so that settling anew would change
    /// nothing for others.
    private func isIndependent(_ chain: CertificateChain) -> Bool {
        holdings.isIndependent(chain) && holdings.objection(to: chain, in: mesh.plan) == nil && !isContested(chain)
    }

    /// Whether somebody who was refused would have what a chain claims.
    private func isContested(_ chain: CertificateChain) -> Bool {
        let certificate = chain.certificate
        return refused.contains { node in
            guard let other = chains[node]?.certificate else { return false }
            if case .refused(.inviteUsedUp)? = admissions[node], other.invite == certificate.invite { return true }
            return other.name == certificate.name || other.subnet == certificate.subnet
                || other.tunnelKey == certificate.tunnelKey
        }
    }

    private func refusal(_ reason: Refusal) -> Outcome {
        Outcome(admission: .refused(reason), changes: [])
    }

    private mutating func remove(_ nodes: [NodeID]) -> [Change] {
        guard !nodes.isEmpty else { return [] }
        for node in nodes { chains[node] = nil }
        return settle()
    }

    /// Decides anew who counts, and tells for whom that changed.
    private mutating func settle() -> [Change] {
        let before = admissions
        holdings = Holdings()
        admissions = [:]
        refused = []
        for chain in chains.values.sorted(by: Self.precedes) {
            if let objection = holdings.objection(to: chain, in: mesh.plan) {
                admissions[chain.nodeID] = .refused(objection)
                refused.insert(chain.nodeID)
            } else {
                holdings.take(chain)
                admissions[chain.nodeID] = .admitted
            }
        }
        return Set(before.keys).union(admissions.keys).sorted().compactMap { node in
            before[node] == admissions[node] ? nil : Change(node: node, admission: admissions[node])
        }
    }
}

// MARK: order

extension Registry {
    /// Who comes first where two claim one thing.
    private static func precedes(_ left: CertificateChain, _ right: CertificateChain) -> Bool {
        if left.isCountersigned != right.isCountersigned { return left.isCountersigned }
        return (left.certificate.issuedAt, left.certificate.signingKey)
            < (right.certificate.issuedAt, right.certificate.signingKey)
    }

    /// Which of two chains of one node counts.
    private static func isNewer(_ chain: CertificateChain, than known: CertificateChain) -> Bool {
        if chain.certificate.serial != known.certificate.serial {
            return chain.certificate.serial > known.certificate.serial
        }
        return known.encoded.lexicographicallyPrecedes(chain.encoded)
    }

    /// Which of two revocations of one target is kept: the root's, then the lower bytes.
    private static func outranks(_ revocation: Revocation, _ known: Revocation) -> Bool {
        if (revocation.delegate == nil) != (known.delegate == nil) { return revocation.delegate == nil }
        return revocation.encoded.lexicographicallyPrecedes(known.encoded)
    }

    /// The revocation that ends this chain: of its node, its invite, or the delegate who issued it. Only the root
    /// revokes delegates.
    private func revocation(of chain: CertificateChain) -> Revocation? {
        if let found = revocations[.node(chain.nodeID)],
            found.delegate == nil || chain.certificate.role == .node
        {
            return found
        }
        if let found = revocations[.invite(chain.certificate.invite)] { return found }
        if let delegate = chain.delegate, let found = revocations[.node(delegate.nodeID)], found.delegate == nil {
            return found
        }
        return nil
    }
}

extension Registry.Refusal: CustomStringConvertible {
    /// For the operator of the node that is refused.
    package var description: String {
        switch self {
        case .nameTaken(let name, let holder):
            "another node (\(holder)) joined earlier as \(name): set node.name and join again"
        case .prefixTaken(let prefix, let holder): "another node (\(holder)) joined earlier with \(prefix)"
        case .tunnelKeyTaken(let holder): "another node (\(holder)) joined earlier with the same tunnel key"
        case .inviteUsedUp(let uses):
            "its token was good for \(uses == 1 ? "one node" : "\(uses) nodes"), and others joined with it earlier: ask for"
                + " another with `meshctl invite`"
        case .revoked(let reason): "it was revoked\(reason.isEmpty ? "" : ": \(reason)")"
        case .expired(let end): "its certificate ended at \(end)"
        case .tooManyNodes(let limit): "more than \(limit) nodes are known: raise limits.peers"
        }
    }
}

/// Why a revocation is not taken in.
package enum RevocationError: Error, Equatable, Sendable {
    case badSignature
    case expired(WallTime)
    case tooMany
}
