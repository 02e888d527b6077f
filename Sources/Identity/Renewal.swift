package import Wire

/// How a node has its certificate issued anew by one that may issue, inside their tunnel, which says who asks.
///
/// Encoded: version 1 (1), kind (1), then for a request one byte, 1 to ask for another subnet; for a grant the chain; for
/// a refusal the reason in words (1 + n).
package enum RenewalMessage: Equatable, Sendable {
    case request(wantsSubnet: Bool)
    case granted(CertificateChain)
    case refused(reason: String)

    package var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(1 as UInt8)
        switch self {
        case .request(let wantsSubnet):
            writer.append(1 as UInt8)
            writer.append(wantsSubnet ? 1 : 0 as UInt8)
        case .granted(let chain):
            writer.append(2 as UInt8)
            writer.append(chain.encoded)
        case .refused(let reason):
            writer.append(3 as UInt8)
            writer.append(text: String(reason.prefix(60)))
        }
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        let kind = try reader.readUInt8()
        switch kind {
        case 1:
            let flag = try reader.readUInt8()
            guard flag <= 1 else { throw .invalidField("subnet wish") }
            self = .request(wantsSubnet: flag == 1)
        case 2: self = .granted(try CertificateChain(parsing: reader.readRemaining()))
        case 3: self = .refused(reason: try reader.readText())
        default: throw .unexpectedType(kind)
        }
        try reader.finish()
    }
}

extension Issuer {
    /// Answers a node's request. A node that counts is renewed; one that lost only its subnet gets another.
    package func answer(
        wantsSubnet: Bool, from node: NodeID, in registry: Registry, at now: WallTime, lifetime: Duration
    ) -> RenewalMessage {
        guard let chain = registry.chain(of: node), let admission = registry.admission(of: node) else {
            return .refused(reason: "your certificate is not known here")
        }
        switch admission {
        case .admitted:
            guard let renewed = renew(chain, at: now, lifetime: lifetime) else { break }
            return .granted(renewed)
        case .refused(.prefixTaken) where wantsSubnet:
            guard let renewed = renew(chain, at: now, lifetime: lifetime, avoiding: registry.takenSubnets) else {
                break
            }
            return .granted(renewed)
        case .refused:
            return .refused(reason: "your certificate does not count")
        }
        return .refused(reason: "this node may not issue what you ask for")
    }
}
