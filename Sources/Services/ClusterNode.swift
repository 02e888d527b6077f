package import Wire

/// A host as a catalog knows it, from a Kubernetes `v1/Node` or from the mesh's own directory.
package struct ClusterNode: Equatable, Sendable {
    /// A container that has a name on its node, whether or not a service selects it.
    package struct Container: Hashable, Sendable {
        package var name: String
        package var addresses: [IPAddress]

        package init(name: String, addresses: [IPAddress]) {
            self.name = name
            self.addresses = addresses
        }
    }

    package var name: String
    package var addresses: [IPAddress] = []
    package var podPrefixes: [IPPrefix] = []
    package var zone: String?
    /// Containers of this node; addresses as on the node itself.
    package var containers: [Container] = []

    package init(name: String) {
        self.name = name
    }
}
