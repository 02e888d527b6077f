package import Wire

/// A way to reach a peer.
package enum Path: Hashable, Sendable {
    /// UDP to this endpoint, or the link that it stands for.
    case direct(Endpoint)
    /// Through a relay, by the circuit whose frames to us carry this identifier.
    case relayed(circuit: UInt64)

    package var isDirect: Bool {
        if case .direct = self { true } else { false }
    }

    /// Whether it is a TLS stream: it works where UDP does not, and a lost segment stops everything behind it.
    package var isStream: Bool {
        if case .direct(let endpoint) = self { endpoint.link?.kind == .stream } else { false }
    }

    /// Whether datagrams go straight to the peer: what is wanted most.
    package var isDirectDatagram: Bool { isDirect && !isStream }

    static let streamBias = 1.6

    /// What the round-trip time counts as when paths are compared: straight ones are preferred unless they are a good deal slower,
    /// for they cost nobody anything, and streams are a last resort.
    var bias: Double {
        if isDirectDatagram { 1 } else { isDirect ? Self.streamBias : 1.3 }
    }
}
