package import Wire

/// What a service is, reduced to the fields that routing and names depend on.
///
/// Source: Kubernetes `v1/Service`. A field that a source does not know has the default of Kubernetes' API.
package struct Service: Equatable, Sendable {
    package enum Kind: Hashable, Sendable {
        case clusterIP
        /// No proxying, names only: `clusterIP: None`, or the label `service.kubernetes.io/headless`.
        case headless
        case nodePort
        case loadBalancer
        case externalName(String)
    }

    /// Which endpoints may serve a kind of traffic (`internalTrafficPolicy`, `externalTrafficPolicy`).
    package enum TrafficPolicy: Hashable, Sendable {
        case cluster
        case local
    }

    /// Which endpoints are preferred (`trafficDistribution`, KEP-3015), and one of our own.
    package enum Distribution: Hashable, Sendable {
        case none
        case preferSameZone
        case preferSameNode
        /// Same node, then same LAN, then the lowest measured round trip of the mesh.
        case preferNearest
    }

    /// How an endpoint is chosen for a new connection (annotation `kubemesh.io/balancing`).
    package enum Balancing: Hashable, Sendable {
        case random
        case roundRobin
        /// By the client's address; a client moves only when its endpoint goes.
        case consistentHash
        case leastConnections
    }

    package struct Port: Hashable, Sendable {
        /// `nil` for the only port of a service without port names.
        package var name: String?
        package var transport: TransportProtocol
        package var port: UInt16
        package var nodePort: UInt16?

        package init(name: String? = nil, transport: TransportProtocol = .tcp, port: UInt16, nodePort: UInt16? = nil) {
            self.name = name
            self.transport = transport
            self.port = port
            self.nodePort = nodePort
        }
    }

    /// The families in which a service without addresses of its own gets one (`ipFamilies`, `ipFamilyPolicy`).
    package enum Families: Hashable, Sendable {
        /// The first that services of this mesh have.
        case first
        case ipv4
        case ipv6
        case both
    }

    package var name: ServiceName
    package var kind: Kind
    /// At most one of each family; empty when headless or ExternalName, and where a catalog is to allocate them.
    package var clusterIPs: [IPAddress] = []
    package var ports: [Port] = []
    /// The time-out in seconds of `sessionAffinity: ClientIP`, 1 to 86,400; `nil` without affinity.
    package var affinitySeconds: UInt32?
    package var internalPolicy = TrafficPolicy.cluster
    package var externalPolicy = TrafficPolicy.cluster
    package var distribution = Distribution.none
    package var balancing = Balancing.random
    package var publishesNotReady = false
    /// The addresses of `status.loadBalancer` whose `ipMode` is not `Proxy`.
    package var loadBalancerAddresses: [IPAddress] = []
    /// Who may use the load balancer's addresses; empty means everybody.
    package var loadBalancerSources: [IPPrefix] = []
    package var healthCheckNodePort: UInt16?
    /// Another program serves it (label `service.kubernetes.io/service-proxy-name`).
    package var isServedElsewhere = false
    /// It bears EdgeMesh's label `service.edgemesh.kubeedge.io/service-proxy-name`; each node decides what that means.
    package var bearsFilterLabel = false
    package var families = Families.first
    /// What settles whose an address is, where two services have or want the same.
    package var claim = AddressClaim()

    package init(name: ServiceName, kind: Kind = .clusterIP) {
        self.name = name
        self.kind = kind
    }
}
