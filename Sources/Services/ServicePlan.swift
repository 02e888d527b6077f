package import Wire

/// What one node's kernel shall do with new connections to services: pure data, made from a catalog, applied as a
/// difference by `Netfilter`.
///
/// Each family stands by itself; addresses of both may stand in one plan.
package struct ServicePlan: Equatable, Sendable {
    /// An address and port that clients connect to.
    package struct Key: Hashable, Comparable, Sendable {
        package var address: IPAddress
        package var transport: TransportProtocol
        package var port: UInt16

        package init(_ address: IPAddress, _ transport: TransportProtocol, _ port: UInt16) {
            self.address = address
            self.transport = transport
            self.port = port
        }

        package static func < (left: Key, right: Key) -> Bool {
            (left.address, left.transport, left.port) < (right.address, right.transport, right.port)
        }
    }

    /// A port that clients from outside connect to at this node's own addresses.
    package struct NodePortKey: Hashable, Comparable, Sendable {
        package var isIPv4: Bool
        package var transport: TransportProtocol
        package var port: UInt16

        package init(isIPv4: Bool, _ transport: TransportProtocol, _ port: UInt16) {
            self.isIPv4 = isIPv4
            self.transport = transport
            self.port = port
        }

        package static func < (left: NodePortKey, right: NodePortKey) -> Bool {
            (left.isIPv4 ? 0 : 1, left.transport, left.port) < (right.isIPv4 ? 0 : 1, right.transport, right.port)
        }
    }

    /// Where a connection goes.
    package struct Backend: Hashable, Comparable, Sendable {
        package var address: IPAddress
        package var port: UInt16
        /// Its share beside the frontend's other backends; at least 1.
        package var weight: UInt16

        package init(_ address: IPAddress, port: UInt16, weight: UInt16 = 1) {
            self.address = address
            self.port = port
            self.weight = weight
        }

        package static func < (left: Backend, right: Backend) -> Bool {
            (left.address, left.port, left.weight) < (right.address, right.port, right.weight)
        }
    }

    /// How a connection's backend is chosen.
    package enum Choice: Hashable, Sendable {
        case random
        case roundRobin
        /// By the client's address, over slots that keep their backend when others change.
        case sourceHash
    }

    /// What becomes of a connection that finds no backend in its scope.
    package enum Refusal: Hashable, Sendable {
        /// At once: TCP reset or ICMP port unreachable.
        case reject
        /// Silently: a traffic policy keeps it from backends that exist elsewhere.
        case drop
    }

    /// One address and port, and its backends; a frontend without backends refuses.
    package struct Frontend: Equatable, Sendable {
        /// For people and for `meshctl why`; never read by the kernel's side.
        package var service: ServiceName
        package var portName: String?
        /// Sorted, without repeats.
        package var backends: [Backend]
        package var choice = Choice.random
        /// The seconds for which a client keeps its backend; `nil` without affinity.
        package var affinitySeconds: UInt32?
        package var refusal = Refusal.reject
        /// Clients' addresses are replaced by this node's (NodePort and load balancer with the policy `Cluster`).
        package var masquerades = false
        /// Connections that come from the Pods and the host of this node, where an external policy `Local` gives them
        /// other backends than outside clients; `nil` if all clients have the same.
        package var insiders: [Backend]?
        /// Who may connect; empty means everybody. Others are dropped before they are translated.
        package var sources: [IPPrefix] = []

        package init(service: ServiceName, portName: String? = nil, backends: [Backend] = []) {
            self.service = service
            self.portName = portName
            self.backends = backends
        }
    }

    package var frontends: [Key: Frontend] = [:]
    package var nodePorts: [NodePortKey: Frontend] = [:]
    /// Service addresses that answer a ping: those with a backend, where the operator wants it.
    package var pingable: Set<IPAddress> = []
    /// Endpoints on this node: one that reaches itself through its service is masqueraded (hairpin).
    package var localEndpoints: Set<IPAddress> = []
    /// Clients inside these keep their address on the way to a service; others are masqueraded.
    package var clientPrefixes: [IPPrefix] = []
    /// The ranges that services have their addresses from: an address without a service is dropped, and all of it is
    /// routed to the mesh's interface, so that hosts without a default route reach services.
    package var serviceRanges: [IPPrefix] = []

    package init() {}
}
