package import Wire

/// What one node knows of itself and its surroundings, beside the catalog that is the same everywhere.
package struct LocalView: Equatable, Sendable {
    /// Which services EdgeMesh's label `service.edgemesh.kubeedge.io/service-proxy-name` takes away from this proxy.
    package enum LabelFilter: Hashable, Sendable {
        /// Those that bear it (`FilterIfLabelExists`, EdgeMesh's default).
        case ifPresent
        /// Those that do not (`FilterIfLabelDoesNotExists`).
        case ifAbsent
    }

    /// An address on a node.
    package struct Place: Hashable, Sendable {
        package var node: String
        package var address: IPAddress

        package init(node: String, address: IPAddress) {
            self.node = node
            self.address = address
        }
    }

    /// This node's name, as endpoints name it.
    package var node: String
    /// The node's label `topology.kubernetes.io/zone`.
    package var zone: String?
    /// The addresses of the host itself.
    package var addresses: Set<IPAddress> = []
    /// Where this node's own containers have their addresses.
    package var podPrefixes: [IPPrefix] = []
    /// Clients inside these, and inside `podPrefixes`, keep their address on the way to a service.
    package var meshPrefixes: [IPPrefix] = []
    package var serviceRanges: [IPPrefix] = []
    /// Nodes on the same LAN.
    package var neighbours: Set<String> = []
    /// The measured round trip to nodes of the mesh.
    package var roundTrips: [String: Duration] = [:]
    /// Nodes that do not answer any more: their endpoints leave, unless that leaves none.
    package var deadNodes: Set<String> = []
    /// Endpoints that their own node has told to be gone or unfit, whatever the catalog says.
    package var downEndpoints: Set<Place> = []
    package var translation = AddressTranslation()
    package var labelFilter = LabelFilter.ifPresent
    /// Whether service addresses with a ready endpoint answer a ping.
    package var answersPing = false
    /// Connections seen to each backend, for services that balance by them.
    package var connections: [ServicePlan.Key: Int] = [:]

    package init(node: String) {
        self.node = node
    }
}
