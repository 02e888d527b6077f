package import Wire

extension Configuration {
    /// Where this node learns of services, and how it serves them.
    package struct Services: Equatable, Sendable {
        /// Manifests; `nil`: none are read.
        package var directory: String? = "/etc/kubemesh/services.d"
        /// Sockets of container runtimes; `nil`: it is not asked.
        package var docker: String? = "/var/run/docker.sock"
        package var containerd: String? = "/run/containerd/containerd.sock"
        package var answerPing = false
        package var edgeMeshLabel = LabelFilter.filterIfPresent

        /// What EdgeMesh's label `service.edgemesh.kubeedge.io/service-proxy-name` means here, by EdgeMesh's two modes.
        package enum LabelFilter: String, CaseIterable, Sendable {
            case filterIfPresent, filterIfAbsent
        }

        package init() {}
    }

    /// Names of services, nodes and containers, and whom to ask for others.
    package struct DNS: Equatable, Sendable {
        package var enabled = true
        /// EdgeMesh's address, so that kubelets and edged that are set to it need no change.
        package var listen: [IPAddress] = [.v4(IPv4Address(169, 254, 96, 16))]
        package var clusterDomain = NodeName("cluster.local")!
        package var meshDomain = NodeName("mesh.internal")!
        /// Empty: those of the host.
        package var upstreams: [AdvertisedEndpoint] = []
        package var routes: [Route] = []

        package static let defaultPort: UInt16 = 53

        /// Names in a domain are asked of servers of their own.
        package struct Route: Equatable, Sendable {
            package var domain: NodeName
            package var servers: [AdvertisedEndpoint]

            package init(domain: NodeName, servers: [AdvertisedEndpoint]) {
                self.domain = domain
                self.servers = servers
            }
        }

        package init() {}
    }
}
