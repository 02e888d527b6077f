import Wire

/// What admitted nodes hold that nobody else may: a name, a subnet, a tunnel key, a use of an invite.
struct Holdings: Sendable {
    private(set) var names: [NodeName: NodeID] = [:]
    private(set) var subnets: [UInt16: NodeID] = [:]
    private(set) var tunnelKeys: [Bytes32: NodeID] = [:]
    /// Uses of each invite, and those of them by certificates that nobody has vouched for.
    private var uses: [Bytes32: Int] = [:]
    private var selfIssued: [Bytes32: Int] = [:]

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
    }

    /// Whether taking a chain that nothing objects to leaves all others as they are. A certificate that was vouched for
    /// takes a use away from those of the same invite that were not.
    func isIndependent(_ chain: CertificateChain) -> Bool {
        !chain.isCountersigned || selfIssued[chain.certificate.invite, default: 0] == 0
    }
}
