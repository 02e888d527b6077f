/// What kind of channel a link is.
package enum LinkKind: UInt8, Sendable {
    /// A UDP socket of its own, connected to one remote.
    case socket = 1
    /// A TLS stream that carries datagrams, for where UDP is blocked.
    case stream = 2
}

/// Links: channels to one remote each, beside the node's UDP sockets.
///
/// Tables, paths and circuits name whom a datagram goes to by its `Endpoint`; a link has one too, in 100::/64, the prefix that
/// no packet may carry (RFC 6666). It means something on this host only and never goes onto the wire; a datagram from the
/// network that claims such a source is dropped.
extension Endpoint {
    private static let linkPrefix: UInt64 = 0x0100_0000_0000_0000

    /// The endpoint that stands for a link of this host.
    package static func link(number: UInt32, kind: LinkKind) -> Endpoint {
        let low = UInt64(kind.rawValue) << 32 | UInt64(number)
        return Endpoint(.v6(IPv6Address(high: linkPrefix, low: low)), port: 1)
    }

    /// The link that this endpoint stands for; `nil` for an address of the network.
    package var link: (number: UInt32, kind: LinkKind)? {
        guard case .v6(let address) = address, address.high == Self.linkPrefix,
            let kind = UInt8(exactly: address.low >> 32).flatMap(LinkKind.init)
        else { return nil }
        return (UInt32(truncatingIfNeeded: address.low), kind)
    }

    package var isLink: Bool { link != nil }
}

extension IPAddress {
    /// Whether the address lies in 100::/64, where only links have endpoints.
    package var isLinkRange: Bool {
        if case .v6(let address) = self { address.high == 0x0100_0000_0000_0000 } else { false }
    }
}
