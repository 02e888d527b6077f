package import Configuration
package import Mesh
import Relay
package import Wire

extension NodeConfiguration {
    /// What the node is told: what the operator has set, and where this host stands.
    ///
    /// - Parameter name: the node's. All nodes may have the same list of relays: what it says of this one is as if advertised.
    package init(_ configuration: Configuration, name: NodeName, local: LocalAddresses, streamPort: UInt16) {
        self.init()
        self.streamPort = streamPort
        advertised = configuration.advertise.map { $0.endpoint(defaultPort: configuration.listen.port) }
        for relay in configuration.relayNodes {
            let stated = relay.advertiseAddress.map { $0.endpoint(defaultPort: configuration.listen.port) }
            if relay.nodeName == name {
                advertised += stated.filter { !advertised.contains($0) }
            } else {
                relayAddresses[relay.nodeName.description, default: []] += stated
            }
        }
        self.local = local.endpoints
        localPrefixes = local.prefixes
        containerPrefixes = local.containers
        stunAudience =
            switch configuration.stun.serve {
            case .all: .all
            case .members: .members
            case .off: .nobody
            }
        stunServers = configuration.stun.servers.map {
            $0.endpoint(defaultPort: Configuration.STUN.defaultPort)
        }
        isRelayAllowed = configuration.relay.enabled
        relayRate = configuration.relay.maxRate.bytesPerSecond
        relayRatePerMember = configuration.relay.maxRatePerPeer.bytesPerSecond
        isPortSearchAllowed = configuration.portSearch == .auto
        preferredRelays = configuration.relayNodes.map(\.nodeName.description)
        natKeepalive = configuration.keepalive
        innerMTU = configuration.innerMTU
        certificateLifetime = configuration.certificate.lifetime
        renewBefore = configuration.certificate.renewBefore
        relayLimits.circuits = configuration.limits.circuits
        peerLimit = configuration.limits.peers
        tentativeLimit = configuration.limits.tentativeSessions
    }
}

extension Configuration {
    /// The largest packet inside the mesh, in bytes.
    var innerMTU: Int { if case .bytes(let count) = mtu { count } else { 1408 } }
}
