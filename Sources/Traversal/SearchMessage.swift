package import Wire

/// What nodes say to each other about a port search (`ControlFrame.Topic.search`): both sides of one, and those whom they ask where
/// the other side is.
///
/// Layout, big-endian: version (1), kind (1), then the fields in the order below: a run or nonce (8), an identifier of a node
/// (32), a port (2), an endpoint, a refusal (1).
package enum SearchMessage: Equatable, Sendable {
    /// The sender, behind a symmetric NAT, would open sockets towards the receiver. How its NAT chooses ports is only a hint.
    case offer(run: UInt64, allocation: PortAllocation)
    /// The receiver of the offer will probe once the sockets are open.
    case accept(run: UInt64)
    case refuse(run: UInt64, Refusal)
    /// The first sockets are open.
    case go(run: UInt64)
    /// A datagram came through.
    case found(run: UInt64)
    /// The sender has given up.
    case stop(run: UInt64)
    /// Asks a third node what the packets of a node come from.
    case whereabouts(of: Bytes32)
    case seen(node: Bytes32, at: Endpoint)
    /// Asks a node for a second port of its, to have it compare what our packets to both come from. The answer is `seen`.
    case secondPort
    case secondPortIs(UInt16, nonce: UInt64)

    package enum Refusal: UInt8, Equatable, Sendable, CaseIterable {
        /// Another search is under way, or there were too many lately.
        case busy = 1
        /// There was one with this peer lately.
        case tooSoon
        /// The operator does not want any.
        case off
        /// Its own NAT is symmetric too, or packets go directly already.
        case pointless
        /// Nobody else says where the peer is.
        case unattested
    }

    static let version: UInt8 = 1

    private enum Kind: UInt8 {
        case offer = 1
        case accept, refuse, go, found, stop, whereabouts, seen, secondPort, secondPortIs
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        guard version == Self.version else { throw .unsupportedVersion(version) }
        let kind = try reader.readUInt8()
        switch Kind(rawValue: kind) {
        case .offer:
            self = .offer(run: try reader.readBigEndianUInt64(), allocation: try PortAllocation(from: &reader))
        case .accept: self = .accept(run: try reader.readBigEndianUInt64())
        case .refuse:
            let run = try reader.readBigEndianUInt64()
            guard let refusal = Refusal(rawValue: try reader.readUInt8()) else { throw .invalidField("refusal") }
            self = .refuse(run: run, refusal)
        case .go: self = .go(run: try reader.readBigEndianUInt64())
        case .found: self = .found(run: try reader.readBigEndianUInt64())
        case .stop: self = .stop(run: try reader.readBigEndianUInt64())
        case .whereabouts: self = .whereabouts(of: try reader.readBytes32())
        case .seen: self = .seen(node: try reader.readBytes32(), at: try reader.readEndpoint())
        case .secondPort: self = .secondPort
        case .secondPortIs:
            let port = try reader.readBigEndianUInt16()
            guard port > 0 else { throw .invalidField("port") }
            self = .secondPortIs(port, nonce: try reader.readBigEndianUInt64())
        case nil: throw .unexpectedType(kind)
        }
        try reader.finish()
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.append(Self.version)
        writer.append(kind.rawValue)
        switch self {
        case .offer(let run, let allocation):
            writer.append(bigEndian: run)
            allocation.write(to: &writer)
        case .refuse(let run, let refusal):
            writer.append(bigEndian: run)
            writer.append(refusal.rawValue)
        case .accept(let run), .go(let run), .found(let run), .stop(let run): writer.append(bigEndian: run)
        case .whereabouts(let node): writer.append(node)
        case .seen(let node, let endpoint):
            writer.append(node)
            writer.append(endpoint)
        case .secondPort: break
        case .secondPortIs(let port, let nonce):
            writer.append(bigEndian: port)
            writer.append(bigEndian: nonce)
        }
        return writer.bytes
    }

    private var kind: Kind {
        switch self {
        case .offer: .offer
        case .accept: .accept
        case .refuse: .refuse
        case .go: .go
        case .found: .found
        case .stop: .stop
        case .whereabouts: .whereabouts
        case .seen: .seen
        case .secondPort: .secondPort
        case .secondPortIs: .secondPortIs
        }
    }
}
