import Wire

/// What admitted nodes hold that nobody else may: a name, a subnet, a tunnel key, a use of an invite.
struct Holdings: Sendable {
    private(set) var names: [NodeName: NodeID] = [:]
    private(set) var subnets: [UInt16: NodeID] = [:]
    private(set) var tunnelKeys: [Bytes32: NodeID] = [:]
    /// Uses of each invite, and those of them by certificates that nobody has vouched for.
    private var uses: [Bytes32: Int] = [:]
    private var selfIssued: [Bytes32: Int] = [:]
    /// How often an invite may be used, as far as a certificate showed it.
    private var limits: [Bytes32: Int] = [:]

    /// Which of the things that a chain claims another node holds; `nil` if all are free.
    func objection(to chain: CertificateChain, in plan: AddressPlan) -> Registry.Refusal? {
        let certificate = chain.certificate
        if let holder = names[certificate.name] { return .nameTaken(certificate.name, by: holder) }
        if let holder = tunnelKeys[certificate.tunnelKey] { return .tunnelKeyTaken(by: holder) }
        if let holder = subnets[certificate.subnet] {
            return .prefixTaken(plan.prefixes(of: certificate.subnet)[0], by: holder)
        }
        // Whoever vouched for a certificate has counted; its node takes a use from those that come after it.
        if let invite = chain.invite, uses[invite.publicKey, default: 0] >= Int(invite.uses) {
            return .inviteUsedUp(invite.uses)
        }
        return nil
    }

    mutating func take(_ chain: CertificateChain) {
        let certificate = chain.certificate
        names[certificate.name] = chain.nodeID
        tunnelKeys[certificate.tunnelKey] = chain.nodeID
        subnets[certificate.subnet] = chain.nodeID
        uses[certificate.invite, default: 0] += 1
        if !chain.isCountersigned { selfIssued[certificate.invite, default: 0] += 1 }
        noteLimit(of: chain)
    }

    /// Exchanges the chain of a node that keeps all it holds, and its use of the invite.
    mutating func exchange(_ old: CertificateChain, for new: CertificateChain) {
        selfIssued[old.certificate.invite, default: 0] += (new.isCountersigned ? 0 : 1) - (old.isCountersigned ? 0 : 1)
        noteLimit(of: new)
    }

    private mutating func noteLimit(of chain: CertificateChain) {
        guard let invite = chain.invite else { return }
        limits[invite.publicKey] = min(limits[invite.publicKey] ?? .max, Int(invite.uses))
    }

    /// Whether taking a chain that nothing objects to leaves all others as they are. A certificate that was vouched for takes a
    /// use away from those of the same invite that were not, unless there are enough for all.
    func isIndependent(_ chain: CertificateChain) -> Bool {
        let invite = chain.certificate.invite
        guard chain.isCountersigned, selfIssued[invite, default: 0] > 0 else { return true }
        return limits[invite].map { uses[invite, default: 0] < $0 } ?? false
    }
}
