package import SansIO
import Traversal
package import Wire

// Everything about the network around this node at once, for an operator.
extension Node {
    /// Finds out anew what stands between this host and others, and who reaches it.
    package mutating func checkNetwork(at now: Instant) {
        askServers(at: now)
        discover(at: now)
        updateReachabilityTargets(at: now)
        testReachability(at: now)
    }

    /// Whether what `checkNetwork` began is not over yet.
    package var isCheckingNetwork: Bool { isDiscovering || reachability.isUnderWay }

    package func standing(of endpoint: Endpoint) -> Reachability.Standing { reachability.standing(of: endpoint) }

    /// Nodes that relay, the nearest first, those without a session last.
    package var relayDistances: [(name: String, roundTripTime: Duration?, isConnected: Bool)] {
        let relays = peers.all.filter { $0.nodeID != nil && canRelay($0.number) }
        let listed = relays.map { peer in
            (
                name: peer.name,
                roundTripTime: peer.paths.current.flatMap { peer.paths.statistics(of: $0)?.roundTripTime },
                isConnected: peer.hasSession && peer.paths.current != nil
            )
        }
        return listed.sorted { one, other in
            (one.isConnected ? 0 : 1, one.roundTripTime?.nanoseconds ?? .max, one.name)
                < (other.isConnected ? 0 : 1, other.roundTripTime?.nanoseconds ?? .max, other.name)
        }
    }
}
