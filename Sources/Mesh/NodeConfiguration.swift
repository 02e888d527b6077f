package import Relay
package import Wire

/// What the node is told about itself; everything here may change while it runs.
package struct NodeConfiguration: Equatable, Sendable {
    /// Endpoints under which others reach this node, as the operator states them.
    package var advertised: [Endpoint] = []
    /// This host's own addresses with the port of the socket of their family, from the kernel.
    package var local: [Endpoint] = []
    /// Networks that this host is on, or has a route to other than the default one: private addresses in them are near.
    package var localPrefixes: [IPPrefix] = []
    /// Networks of this host's containers: nobody else's address in them means what it says.
    package var containerPrefixes: [IPPrefix] = []
    /// Who is told the address it asks from.
    package var stunAudience = STUNAudience.all
    /// Stock STUN servers to ask for our own.
    package var stunServers: [Endpoint] = []
    package var isRelayAllowed = true
    /// Bytes a second that are relayed in all and of what one member sends; `nil`: no limit.
    package var relayRate: Int?
    package var relayRatePerMember: Int?
    /// TCP port on which this host takes streams; 0: it takes none.
    package var streamPort: UInt16 = 0
    /// Whether ports of symmetric NATs may be searched for, by this node or with it.
    package var isPortSearchAllowed = true
    /// Another UDP port of this host over IPv4, at which it receives as at its first: for members that ask what their NAT does.
    package var secondPort: UInt16?
    /// Names of nodes that relay for us before others.
    package var preferredRelays: [String] = []
    /// Where the operator says that nodes are which shall relay, by their names.
    package var relayAddresses: [String: [Endpoint]] = [:]
    /// Interval of packets that keep a NAT's mapping open towards the nodes that we keep a tunnel with.
    package var natKeepalive: Duration = .seconds(25)
    /// Inner MTU; packets above it are answered with "too big".
    package var innerMTU = 1408
    /// How long certificates that this node issues are valid, and how long before its end its own is renewed.
    package var certificateLifetime: Duration = .seconds(365 * 86_400)
    package var renewBefore: Duration = .seconds(90 * 86_400)
    package var relayLimits = RelayServer.Limits()
    /// Peers known at a time.
    package var peerLimit = 10_000
    /// Sessions with parties that have not shown a certificate yet.
    package var tentativeLimit = 256

    package init() {}
}

/// Whom a node answers as a STUN server.
package enum STUNAudience: Equatable, Sendable {
    case all, members, nobody
}
