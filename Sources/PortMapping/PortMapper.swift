package import Crypto
package import SansIO
package import Wire

/// Keeps the node's local endpoints mapped at this host's gateways: a `Mapping` for each.
///
/// Fed with the endpoints that are wanted, with datagrams and connection bytes, and with time; gives actions.
package struct PortMapper: Sendable {
    /// One endpoint's state, for people and for the node.
    package struct Status: Equatable, Sendable {
        package var target: MappingTarget
        package var lease: MappingLease?
        /// Why there is no lease, once that is known.
        package var problem: MappingProblem?
    }

    /// A host with more addresses than that has its lowest ones mapped.
    package static let targetLimit = 8
    /// Local endpoints whose external ports are remembered.
    package static let memoryLimit = 16

    private let secret: Secret
    /// External ports of earlier mappings, by local endpoint: asked for first.
    private var remembered: [Endpoint: UInt16]
    private var mapped: [Mapping] = []
    private var outbox: MappingOutbox
    private var ownCounts = MappingCounts()

    /// - Parameters:
    ///   - secret: what nonces are made from; a restarted node that brings the same one finds its mappings again.
    ///   - remembered: external ports of earlier runs, by local endpoint.
    ///   - seed: for jitter and for ports chosen by chance.
    package init(secret: Secret, remembered: [Endpoint: UInt16] = [:], seed: UInt64) {
        self.secret = secret
        self.remembered = remembered
        outbox = MappingOutbox(seed: seed)
    }

    // MARK: what is wanted

    /// Takes over what is to be mapped now. Mappings that are not in `targets` are deleted, new ones asked for.
    package mutating func follow(_ targets: [MappingTarget], at now: Instant) {
        let wanted = Array(Set(targets).sorted().prefix(Self.targetLimit))
        for index in mapped.indices where !wanted.contains(mapped[index].target) {
            mapped[index].release(at: now, &outbox)
        }
        removeReleased()
        // A mapping that is wanted again while it is being deleted is made when that is done.
        for target in wanted where !mapped.contains(where: { $0.target == target }) {
            var mapping = Mapping(target, nonce: nonce(for: target), suggestedPort: remembered[target.local])
            mapping.advance(to: now, &outbox)
            mapped.append(mapping)
        }
        self.wanted = wanted
    }

    private var wanted: [MappingTarget] = []

    /// Has all mappings deleted; `isReleased` tells when that is done, after a second at most.
    package mutating func release(at now: Instant) {
        follow([], at: now)
    }

    package var isReleased: Bool { mapped.isEmpty }

    /// A nonce that this host alone can know, the same for one mapping in every run.
    private func nonce(for target: MappingTarget) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(target.gateway.address)
        writer.append(target.local)
        return Array(BLAKE2s.mac16(key: secret.bytes, writer.bytes.span).prefix(PCP.nonceByteCount))
    }

    // MARK: input

    /// Takes a datagram that came to the port that requests leave from, or to the one for announcements.
    package mutating func receive(_ datagram: [UInt8], from source: Endpoint, at now: Instant) {
        do {
            if source.port == NATPMP.serverPort {
                try receiveFromServer(datagram, source, at: now)
            } else {
                let answer = try SSDPAnswer(parsing: datagram)
                for index in mapped.indices { mapped[index].receive(answer, from: source, at: now, &outbox) }
            }
        } catch {
            ownCounts[.malformed] += 1
        }
        settle(at: now)
    }

    private mutating func receiveFromServer(
        _ datagram: [UInt8], _ source: Endpoint, at now: Instant
    ) throws(WireError) {
        let indices = mapped.indices.filter { mapped[$0].target.gateway.sent(from: source) }
        guard let first = indices.first else {
            ownCounts[.foreign] += 1
            return
        }
        var hasRestarted = false
        if datagram.first == NATPMP.version {
            let response = try NATPMPResponse(parsing: datagram.span)
            for index in indices where mapped[index].receive(response, at: now, &outbox) { hasRestarted = true }
        } else {
            let response = try PCPResponse(parsing: datagram.span)
            // Each answer is for one mapping; an announcement is for all.
            for index in addressees(of: response, among: indices)
            where mapped[index].receive(response, at: now, &outbox) {
                hasRestarted = true
            }
        }
        guard hasRestarted else { return }
        ownCounts[.gatewayRestarted] += 1
        outbox.append(.event(.restarted(mapped[first].target.gateway)))
        for index in indices { mapped[index].gatewayRestarted(at: now, &outbox) }
    }

    private func addressees(of response: PCPResponse, among indices: [Int]) -> [Int] {
        if case .announcement = response.content { return indices }
        return indices.first { mapped[$0].isAnswered(by: response) }.map { [$0] } ?? Array(indices.prefix(1))
    }

    /// Takes what came on a connection; `isClosed`: it has ended or could not be made.
    package mutating func receive(_ bytes: [UInt8], onConnection number: UInt32, isClosed: Bool, at now: Instant) {
        for index in mapped.indices {
            mapped[index].receive(bytes, on: number, isClosed: isClosed, at: now, &outbox)
        }
        settle(at: now)
    }

    // MARK: time

    package var nextDeadline: Instant? { mapped.compactMap(\.nextDeadline).min() }

    package mutating func advance(to now: Instant) {
        for index in mapped.indices { mapped[index].advance(to: now, &outbox) }
        settle(at: now)
    }

    /// Forgets what is deleted, and asks for what of it is wanted again.
    private mutating func settle(at now: Instant) {
        removeReleased()
        if wanted.contains(where: { target in !mapped.contains { $0.target == target } }) {
            follow(wanted, at: now)
        }
    }

    private mutating func removeReleased() {
        for mapping in mapped where mapping.isReleased {
            ownCounts += mapping.counts
            if let port = mapping.lastPort { remember(port, for: mapping.target.local) }
        }
        mapped.removeAll(where: \.isReleased)
    }

    private mutating func remember(_ port: UInt16, for local: Endpoint) {
        if remembered[local] == nil, remembered.count >= Self.memoryLimit, let dropped = remembered.keys.min() {
            remembered[dropped] = nil
        }
        remembered[local] = port
    }

    // MARK: output

    package mutating func takeActions() -> [MappingAction] { outbox.takeAll() }

    /// What is wanted and what has come of it, in the order of the local endpoints.
    package var statuses: [Status] {
        mapped.map { Status(target: $0.target, lease: $0.lease, problem: $0.problem) }.sorted { $0.target < $1.target }
    }

    /// External ports to ask for again: of the mappings there are, and of earlier ones.
    package var knownPorts: [Endpoint: UInt16] {
        mapped.reduce(into: remembered) { ports, mapping in
            if let port = mapping.lastPort { ports[mapping.target.local] = port }
        }
    }

    package var counts: MappingCounts { mapped.reduce(into: ownCounts) { $0 += $1.counts } }
}
