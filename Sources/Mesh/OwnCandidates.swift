package import SansIO
package import Wire

/// An endpoint at which this node may be reached, and how it is known.
package struct OwnCandidate: Equatable, Sendable {
    /// Ordered: what is more likely to work comes first.
    package enum Kind: Int, Comparable, CaseIterable, Sendable {
        /// The operator states it.
        case advertised
        /// A gateway was asked to forward it.
        case mapped
        /// An address of this host that the Internet at large may reach.
        case interface
        /// What others see our packets come from.
        case reflexive
        /// An address of this host that means something on its own network only.
        case privateInterface

        package static func < (left: Kind, right: Kind) -> Bool { left.rawValue < right.rawValue }
    }

    package var endpoint: Endpoint
    package var kind: Kind
    /// When it stops counting unless it is confirmed; `nil` for what the host itself has.
    package var expiresAt: Instant?

    package init(_ endpoint: Endpoint, kind: Kind, expiresAt: Instant? = nil) {
        self.endpoint = endpoint
        self.kind = kind
        self.expiresAt = expiresAt
    }
}

/// A port that a gateway forwards to one of our sockets, or a pinhole in its firewall.
package struct MappedEndpoint: Equatable, Sendable {
    package enum Method: String, CaseIterable, Sendable {
        case pcp = "PCP"
        case natPMP = "NAT-PMP"
        case upnp = "UPnP"
    }

    /// As others are to address it; for a pinhole the interface's own address.
    package var endpoint: Endpoint
    package var method: Method
    package var expiresAt: Instant

    package init(_ endpoint: Endpoint, by method: Method, expiresAt: Instant) {
        self.endpoint = endpoint
        self.method = method
        self.expiresAt = expiresAt
    }
}

/// Who told us what our packets come from.
package enum Observer: Hashable, Comparable, Sendable {
    case peer(Int)
    /// A stock STUN server.
    case server(Endpoint)
}

/// What one observer saw our packets come from. Several that differ tell what kind of NAT there is.
package struct Observation: Equatable, Sendable {
    package var observer: Observer
    /// Our endpoint as the observer saw it.
    package var endpoint: Endpoint
    package var at: Instant
    /// Since when the observer has seen this endpoint.
    package var since: Instant
}

/// Everything at which this node may be reached, beside what configuration and kernel say.
///
/// Each observer has one say for each family, and what many say counts more. Behind a NAT that gives every destination another
/// port everybody says something else: then what was said first stays, so that our record does not change with every answer.
struct OwnCandidates: Sendable {
    /// As many as a node's record takes.
    static let limit = 16
    static let mappedLimit = 4
    static let observationLimit = 32
    /// Reflexive candidates of one family.
    static let reflexiveLimit = 2
    static let memory: Duration = .seconds(600)

    private(set) var mapped: [MappedEndpoint] = []
    /// In the order in which the observers first spoke.
    private(set) var observations: [Observation] = []
    /// When the host's addresses changed last: what was seen before is only believed until something newer is there.
    private var networkChangedAt: Instant?

    mutating func setMapped(_ endpoints: [MappedEndpoint], at now: Instant) {
        mapped = Array(endpoints.filter { $0.expiresAt > now }.prefix(Self.mappedLimit))
    }

    /// Takes what an observer saw. When all places are taken, newcomers wait until an older one is forgotten.
    mutating func observe(_ endpoint: Endpoint, by observer: Observer, at now: Instant) {
        forget(before: now)
        let isIPv4 = endpoint.address.isIPv4
        if let networkChangedAt {
            observations.removeAll { $0.endpoint.address.isIPv4 == isIPv4 && $0.at < networkChangedAt }
        }
        let known = observations.firstIndex { $0.observer == observer && $0.endpoint.address.isIPv4 == isIPv4 }
        if let known, observations[known].endpoint == endpoint {
            observations[known].at = now
            return
        }
        // Another endpoint than before: it stands behind those that were seen all along.
        if let known { observations.remove(at: known) }
        guard observations.count < Self.observationLimit else { return }
        observations.append(Observation(observer: observer, endpoint: endpoint, at: now, since: now))
    }

    /// The host's addresses changed.
    mutating func networkChanged(at now: Instant) { networkChangedAt = now }

    /// Forgets what has expired.
    mutating func forget(before now: Instant) {
        observations.removeAll { now - $0.at > Self.memory }
        mapped.removeAll { $0.expiresAt <= now }
    }

    /// Best first, each endpoint once, at most `limit`.
    func list(advertised: [Endpoint], local: [Endpoint]) -> [OwnCandidate] {
        var all = advertised.map { OwnCandidate($0, kind: .advertised) }
        all += mapped.map { OwnCandidate($0.endpoint, kind: .mapped, expiresAt: $0.expiresAt) }
        all += local.map { OwnCandidate($0, kind: $0.address.isPrivate ? .privateInterface : .interface) }
        all += reflexive(ipv4: true) + reflexive(ipv4: false)
        // Sorting is not stable, and within a kind the order given counts.
        let ordered = OwnCandidate.Kind.allCases.flatMap { kind in all.filter { $0.kind == kind } }
        var seen: Set<Endpoint> = []
        return Array(ordered.filter { seen.insert($0.endpoint).inserted }.prefix(Self.limit))
    }

    /// What most observers see, of equals what has been seen longest.
    private func reflexive(ipv4: Bool) -> [OwnCandidate] {
        let family = observations.filter { $0.endpoint.address.isIPv4 == ipv4 }
        var endpoints: [Endpoint] = []
        for observation in family where !endpoints.contains(observation.endpoint) {
            endpoints.append(observation.endpoint)
        }
        let counted = endpoints.enumerated().map { order, endpoint in
            let seen = family.filter { $0.endpoint == endpoint }
            return (endpoint: endpoint, rank: (-seen.count, order), lastSeen: seen.map(\.at).max() ?? .zero)
        }
        return counted.sorted { $0.rank < $1.rank }.prefix(Self.reflexiveLimit)
            .map { OwnCandidate($0.endpoint, kind: .reflexive, expiresAt: $0.lastSeen + Self.memory) }
    }
}
