import Identity
package import SansIO
import Traversal
package import Wire

// Where this node may be reached, and which endpoints of others are worth a try.
extension Node {
    /// What others see makes a new record no sooner than this after the last, unless nobody could tell anything before.
    static let recordInterval: Duration = .seconds(1)
    /// Private endpoints of one peer that are tried at most.
    static let privateCandidateLimit = 4

    // MARK: our own

    /// Where we may be reached, best first, with what is known of each.
    package var candidates: [OwnCandidate] {
        gathered.list(advertised: configuration.advertised, local: configuration.local)
    }

    /// Where we may be reached, best first.
    package var ownCandidates: [Endpoint] { candidates.map(\.endpoint) }

    /// What each observer has seen our packets come from.
    package var observations: [Observation] { gathered.observations }

    /// The ports that gateways forward to us now; what is not among them is gone.
    package mutating func setMapped(_ endpoints: [MappedEndpoint], at now: Instant) {
        let before = ownCandidates
        gathered.setMapped(endpoints.filter { isPlausible($0.endpoint) }, at: now)
        guard ownCandidates != before else { return }
        updateReachabilityTargets(at: now)
        refreshRecord(at: now)
        punchAll(because: .candidatesChanged, at: now)
    }

    /// A member, or a STUN server, told us what our packets to it come from.
    mutating func noteReflexive(_ endpoint: Endpoint, toldBy observer: Observer, at now: Instant) {
        guard isPlausible(endpoint) else { return }
        let before = candidates
        gathered.observe(endpoint, by: observer, at: now)
        if ownCandidates != before.map(\.endpoint) { punchAll(because: .candidatesChanged, at: now) }
        // Whoever wants to reach a host that has just come needs this; the rest waits for the next round of maintenance.
        let isFirst = !before.contains {
            $0.kind == .reflexive && $0.endpoint.address.isIPv4 == endpoint.address.isIPv4
        }
        if isFirst || now - recordSignedAt >= Self.recordInterval { refreshRecord(at: now) }
    }

    // MARK: those of others

    /// Whether an endpoint could be anybody's outside the mesh.
    func isPlausible(_ endpoint: Endpoint) -> Bool {
        let plan = identity.mesh.plan
        return endpoint.port != 0 && endpoint.address.isUnicast && !endpoint.address.isLinkRange
            && !plan.ipv4Range.contains(endpoint.address) && !plan.ipv6Range.contains(endpoint.address)
    }

    /// Whether packets may be sent to an endpoint on somebody else's word: not to many hosts at once, not to ourselves, not
    /// into the mesh, and not to containers of this host.
    func isDialable(_ endpoint: Endpoint) -> Bool {
        isPlausible(endpoint) && !configuration.containerPrefixes.contains { $0.contains(endpoint.address) }
            && !configuration.local.contains(endpoint) && !configuration.advertised.contains(endpoint)
    }

    /// The endpoints of a record that are worth a try, best first: those on a network of ours, then public ones, then private
    /// ones that may be on the same side of a NAT as we are.
    func dialable(of record: NodeRecord) -> [Endpoint] { dialable(record.candidates) }

    /// Of the endpoints that a node says it has those that are worth a try, best first.
    func dialable(_ told: [Endpoint]) -> [Endpoint] { choice(among: told).dialable }

    /// Counts what a new record says beyond what is tried.
    mutating func countCandidatesLeftOut(of record: NodeRecord) {
        counters.candidatesLeftOut += choice(among: record.candidates).leftOut
    }

    /// `leftOut`: how many would be worth a try, were they not beyond a limit.
    private func choice(among told: [Endpoint]) -> (dialable: [Endpoint], leftOut: Int) {
        let usable = told.filter(isDialable)
        let isNear = { [onLink = configuration.localPrefixes] (endpoint: Endpoint) in
            endpoint.address.isPrivate && onLink.contains { $0.contains(endpoint.address) }
        }
        let near = usable.filter(isNear)
        let open = usable.filter { !$0.address.isPrivate }
        let hidden =
            maySharePrivateNetwork(with: told) ? usable.filter { $0.address.isPrivate && !isNear($0) } : []
        let limit = Self.privateCandidateLimit
        return (
            near.prefix(limit) + open + hidden.prefix(limit), max(0, near.count - limit) + max(0, hidden.count - limit)
        )
    }

    /// Where the operator says that a node is.
    func statedEndpoints(of record: NodeRecord) -> [Endpoint] {
        (configuration.relayAddresses[record.name.description] ?? []).filter(isDialable)
    }

    /// Whether a node is on a network that we are on too.
    func isNear(_ record: NodeRecord) -> Bool {
        record.candidates.contains { candidate in
            isDialable(candidate) && candidate.address.isPrivate
                && configuration.localPrefixes.contains { $0.contains(candidate.address) }
        }
    }

    /// Whether a node's private addresses may mean the same to us: unless both of us are known to be behind NATs, or on
    /// networks, of different public addresses.
    private func maySharePrivateNetwork(with told: [Endpoint]) -> Bool {
        let own = Set(ownCandidates.map(\.address).filter { $0.isIPv4 && !$0.isPrivate })
        let theirs = Set(told.map(\.address).filter { $0.isIPv4 && !$0.isPrivate })
        return own.isEmpty || theirs.isEmpty || !own.isDisjoint(with: theirs)
    }
}
