package import SansIO
package import Wire

/// The state of one NAT or firewall: who inside talks to whom, and under which outside endpoint.
///
/// A pure machine that is told the time; nothing times out by itself, what has run out is just not found any more.
package struct NATBox: Sendable {
    /// What a mapping is found by: the inside endpoint, and what the behaviour looks at of the remote one.
    private struct Key: Hashable, Sendable {
        var inside: Endpoint
        var remoteAddress: IPAddress?
        var remotePort: UInt16?

        init(_ inside: Endpoint, _ remote: Endpoint, _ dependence: NATBehavior.Dependence) {
            self.inside = inside
            remoteAddress = dependence == .endpointIndependent ? nil : remote.address
            remotePort = dependence == .addressAndPortDependent ? remote.port : nil
        }
    }

    private struct Mapping: Sendable {
        let outside: Endpoint
        var endsAt: Instant
        /// Until when whom the filter lets in.
        var permissions: [Key: Instant] = [:]
    }

    /// Beyond this, what has run out is cleared away first, and then nothing is given any more.
    package static let mappingLimit = 65_536
    private static let permissionSweep = 1024

    package let behavior: NATBehavior
    /// The address that inside endpoints are mapped to. Changing it ends all mappings.
    package var address: IPAddress {
        didSet { if address != oldValue { flush() } }
    }

    private var mappings: [Key: Mapping] = [:]
    private var byOutside: [Endpoint: Key] = [:]
    private var lastPort: UInt16?
    private var blocks: [IPAddress: ClosedRange<UInt16>] = [:]
    /// Ports from before a rebinding, which are not given again.
    private var retiredPorts: Set<UInt16> = []
    private var random: SeededRandom

    package init(_ behavior: NATBehavior, address: IPAddress, seed: UInt64) {
        self.behavior = behavior
        self.address = address
        random = SeededRandom(seed: seed)
    }

    package var mappingCount: Int { mappings.count }

    // MARK: traffic

    /// A datagram leaves: where it comes from as seen outside; `nil` when no port is free.
    package mutating func outbound(from inside: Endpoint, to remote: Endpoint, at now: Instant) -> Endpoint? {
        let key = Key(inside, remote, behavior.mapping)
        if mappings[key].map({ $0.endsAt <= now }) == true { end(key) }
        if mappings[key] == nil {
            guard let outside = allocate(for: inside, at: now) else { return nil }
            mappings[key] = Mapping(outside: outside, endsAt: now)
            byOutside[outside] = key
        }
        let endsAt = now + behavior.lifetime
        let permission = Key(inside, remote, behavior.filtering)
        mappings[key]?.endsAt = endsAt
        mappings[key]?.permissions[permission] = endsAt
        forgetEndedPermissions(of: key, at: now)
        return mappings[key]?.outside
    }

    private mutating func forgetEndedPermissions(of key: Key, at now: Instant) {
        guard let permissions = mappings[key]?.permissions, permissions.count > Self.permissionSweep else { return }
        mappings[key]?.permissions = permissions.filter { $0.value > now }
    }

    /// A datagram comes from outside: whom it is for inside; `nil` when nobody asked for it.
    package mutating func inbound(to outside: Endpoint, from remote: Endpoint, at now: Instant) -> Endpoint? {
        guard let key = byOutside[outside], let mapping = mappings[key], mapping.endsAt > now else { return nil }
        let permission = Key(key.inside, remote, behavior.filtering)
        guard let permittedUntil = mapping.permissions[permission], permittedUntil > now else { return nil }
        if behavior.isKeptByInbound {
            mappings[key]?.endsAt = now + behavior.lifetime
            mappings[key]?.permissions[permission] = now + behavior.lifetime
        }
        return key.inside
    }

    /// Forgets all mappings; those that follow get other ports than before, as after a restart of a router.
    package mutating func rebind() {
        retiredPorts = Set(byOutside.keys.map(\.port))
        flush()
    }

    // MARK: ports

    private mutating func flush() {
        mappings = [:]
        byOutside = [:]
        blocks = [:]
    }

    private mutating func end(_ key: Key) {
        guard let mapping = mappings.removeValue(forKey: key) else { return }
        if byOutside[mapping.outside] == key { byOutside[mapping.outside] = nil }
    }

    private mutating func allocate(for inside: Endpoint, at now: Instant) -> Endpoint? {
        if mappings.count >= Self.mappingLimit {
            for (key, mapping) in mappings where mapping.endsAt <= now { end(key) }
            guard mappings.count < Self.mappingLimit else { return nil }
        }
        guard behavior.translates else { return inside }
        if behavior.preservesPorts, isFree(inside.port, at: now) { return take(inside.port, at: now) }
        guard let port = nextPort(for: inside.address, at: now) else { return nil }
        return take(port, at: now)
    }

    private mutating func nextPort(for inside: IPAddress, at now: Instant) -> UInt16? {
        switch behavior.allocation {
        case .random: return randomPort(in: behavior.ports, at: now)
        case .stride(let step):
            var port = lastPort ?? UInt16.random(in: behavior.ports, using: &random)
            for _ in behavior.ports {
                let (next, overflow) = port.addingReportingOverflow(step)
                port = overflow || next > behavior.ports.upperBound ? behavior.ports.lowerBound : next
                if isFree(port, at: now) { return port }
            }
            return nil
        case .block(let size):
            let block = blocks[inside] ?? makeBlock(size)
            blocks[inside] = block
            return randomPort(in: block, at: now)
        }
    }

    private mutating func makeBlock(_ size: UInt16) -> ClosedRange<UInt16> {
        let first = Int(behavior.ports.lowerBound)
        let count = max(1, behavior.ports.count / Int(size))
        let taken = Set(blocks.values.map { (Int($0.lowerBound) - first) / Int(size) })
        let free = (0..<count).filter { !taken.contains($0) }
        let place = free.randomElement(using: &random) ?? Int.random(in: 0..<count, using: &random)
        let start = first + place * Int(size)
        return UInt16(start)...UInt16(min(start + Int(size) - 1, Int(behavior.ports.upperBound)))
    }

    /// Tries some ports at random, then all in a row.
    private mutating func randomPort(in range: ClosedRange<UInt16>, at now: Instant) -> UInt16? {
        for _ in 0..<16 {
            let port = UInt16.random(in: range, using: &random)
            if isFree(port, at: now) { return port }
        }
        return range.first { isFree($0, at: now) }
    }

    private func isFree(_ port: UInt16, at now: Instant) -> Bool {
        guard !retiredPorts.contains(port) else { return false }
        guard let key = byOutside[Endpoint(address, port: port)], let mapping = mappings[key] else { return true }
        return mapping.endsAt <= now
    }

    private mutating func take(_ port: UInt16, at now: Instant) -> Endpoint {
        let outside = Endpoint(address, port: port)
        if let stale = byOutside[outside] { end(stale) }
        lastPort = port
        return outside
    }
}
