package import Wire

/// A host as a catalog knows it, from a Kubernetes `v1/Node` or from the mesh's own directory.
package struct ClusterNode: Equatable, Sendable {
    package var name: String
    package var addresses: [IPAddress] = []
    package var podPrefixes: [IPPrefix] = []
    package var zone: String?

    package init(name: String) {
        self.name = name
    }
}
