package import Wire

/// What one side of a hole punch says to the other, over the path that they have (`ControlFrame.Topic.punch`).
///
/// Layout, big-endian: version (1), flags (1; bit 0: wants an answer), generation (4), generation answered (4), kind of NAT (1),
/// port allocation (5), count (1) and so many candidates, each its kind (1) and endpoint, count (1) and so many opened endpoints.
package struct PunchMessage: Equatable, Sendable {
    package struct Candidate: Equatable, Sendable {
        /// How the sender knows the endpoint.
        package enum Kind: UInt8, CaseIterable, Sendable {
            case advertised = 1
            /// A gateway forwards it.
            case mapped
            /// An address of an interface.
            case interface
            /// What others see the sender's packets come from.
            case reflexive
        }

        package var kind: Kind
        package var endpoint: Endpoint

        package init(_ endpoint: Endpoint, kind: Kind) {
            self.endpoint = endpoint
            self.kind = kind
        }
    }

    static let version: UInt8 = 1
    package static let candidateLimit = 16
    package static let openedLimit = HolePunch.targetLimit

    /// Counts the sender's attempts on this session, from 1.
    package var generation: UInt32
    /// The receiver's last attempt that the sender has heard of; 0: none.
    package var answering: UInt32
    package var wantsAnswer: Bool
    /// How the sender's NAT maps, as far as it knows.
    package var nat: NATKind
    package var allocation: PortAllocation
    package var candidates: [Candidate]
    /// Endpoints of the receiver that the sender has probed: there its NAT is open.
    package var opened: [Endpoint]

    package init(
        generation: UInt32, answering: UInt32, wantsAnswer: Bool, nat: NATKind, allocation: PortAllocation,
        candidates: [Candidate], opened: [Endpoint]
    ) {
        self.generation = generation
        self.answering = answering
        self.wantsAnswer = wantsAnswer
        self.nat = nat
        self.allocation = allocation
        self.candidates = Array(candidates.prefix(Self.candidateLimit))
        self.opened = Array(opened.prefix(Self.openedLimit))
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == Self.version else { throw .unsupportedVersion(version) }
        let flags = try reader.readUInt8()
        guard flags <= 1 else { throw .invalidField("flags") }
        wantsAnswer = flags == 1
        generation = try reader.readBigEndianUInt32()
        guard generation > 0 else { throw .invalidField("generation") }
        answering = try reader.readBigEndianUInt32()
        guard let nat = NATKind(rawValue: try reader.readUInt8()) else { throw .invalidField("kind of NAT") }
        self.nat = nat
        allocation = try PortAllocation(from: &reader)
        candidates = []
        let count = Int(try reader.readUInt8())
        guard count <= Self.candidateLimit else { throw .invalidField("candidates") }
        for _ in 0..<count {
            guard let kind = Candidate.Kind(rawValue: try reader.readUInt8()) else { throw .invalidField("kind") }
            candidates.append(Candidate(try reader.readEndpoint(), kind: kind))
        }
        opened = []
        let openedCount = Int(try reader.readUInt8())
        guard openedCount <= Self.openedLimit else { throw .invalidField("opened") }
        for _ in 0..<openedCount { opened.append(try reader.readEndpoint()) }
        try reader.finish()
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.append(Self.version)
        writer.append(wantsAnswer ? 1 : 0 as UInt8)
        writer.append(bigEndian: generation)
        writer.append(bigEndian: answering)
        writer.append(nat.rawValue)
        allocation.write(to: &writer)
        writer.append(UInt8(candidates.count))
        for candidate in candidates {
            writer.append(candidate.kind.rawValue)
            writer.append(candidate.endpoint)
        }
        writer.append(UInt8(opened.count))
        for endpoint in opened { writer.append(endpoint) }
        return writer.bytes
    }
}
