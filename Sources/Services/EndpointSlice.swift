package import Wire

/// Some endpoints of one service that share their ports.
///
/// Source: Kubernetes `discovery.k8s.io/v1` EndpointSlice. One service may have many; an endpoint (address, port) that
/// stands in two of them counts once.
package struct EndpointSlice: Equatable, Sendable {
    /// A port of the endpoints, joined to the service's port by its name.
    package struct Port: Hashable, Sendable {
        package var name: String?
        package var transport: TransportProtocol
        package var port: UInt16

        package init(name: String? = nil, transport: TransportProtocol = .tcp, port: UInt16) {
            self.name = name
            self.transport = transport
            self.port = port
        }
    }

    package struct Conditions: Hashable, Sendable {
        package var ready: Bool
        package var serving: Bool
        package var terminating: Bool

        /// `nil` as the API means it: ready unless said otherwise, serving as ready, not terminating.
        package init(ready: Bool? = nil, serving: Bool? = nil, terminating: Bool? = nil) {
            self.ready = ready ?? true
            self.serving = serving ?? self.ready
            self.terminating = terminating ?? false
        }
    }

    package struct Member: Hashable, Sendable {
        /// What the object says. Where it is unique only on its node (`nodeName`), it is reached at its mesh address.
        package var address: IPAddress
        package var nodeName: String?
        package var zone: String?
        package var hostname: String?
        /// The name of the Pod or container behind it.
        package var targetName: String?
        package var conditions: Conditions
        /// KEP-2433 and KEP-4444: the zones and nodes that should use this endpoint; `nil` without hints.
        package var zoneHints: [String]?
        package var nodeHints: [String]?
        /// Its share beside the service's other endpoints, 0 to 1,000; 1 unless said otherwise.
        package var weight: UInt16 = 1

        package init(_ address: IPAddress, nodeName: String? = nil, conditions: Conditions = Conditions()) {
            self.address = address
            self.nodeName = nodeName
            self.conditions = conditions
        }
    }

    /// The slice's own name, unique in the service's namespace.
    package var name: String
    package var service: ServiceName
    package var ports: [Port]
    package var members: [Member]

    package init(name: String, service: ServiceName, ports: [Port] = [], members: [Member] = []) {
        self.name = name
        self.service = service
        self.ports = ports
        self.members = members
    }
}
