package import Wire

/// A container of this host, as its runtime describes it.
package struct LocalContainer: Equatable, Sendable {
    package enum Phase: Hashable, Sendable {
        /// It runs, and its health check, where there is one, has passed.
        case ready
        /// It runs, but its health check has not passed, or it is paused.
        case unready
        /// It runs, and has been told to end.
        case terminating
        case stopped
    }

    package struct Network: Equatable, Sendable {
        package var name: String
        package var addresses: [IPAddress]

        package init(name: String, addresses: [IPAddress]) {
            self.name = name
            self.addresses = addresses
        }
    }

    /// The runtime's own, unique on the host.
    package var id: String
    /// What people call it; any text.
    package var name: String
    package var labels: [String: String] = [:]
    package var phase = Phase.stopped
    /// The one that the container was started in is first.
    package var networks: [Network] = []
    package var isOnHostNetwork = false

    package init(id: String, name: String) {
        self.id = id
        self.name = name
    }

    /// Whether it belongs to a Pod, which the cluster's API tells of.
    package var isKubernetes: Bool { labels["io.kubernetes.pod.name"] != nil || labels["io.kubernetes.pod.uid"] != nil }
}
