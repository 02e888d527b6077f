import Services
import Wire

/// An address and port of a service, or a port at all addresses of this node, whose address is that of no host.
struct ServiceKey: Hashable, Comparable, Sendable {
    let address: IPAddress
    let transport: TransportProtocol
    let port: UInt16
    let isOfNode: Bool

    init(_ key: ServicePlan.Key) {
        address = key.address
        transport = key.transport
        port = key.port
        isOfNode = false
    }

    init(_ key: ServicePlan.NodePortKey) {
        address = key.isIPv4 ? .v4(.any) : .v6(.any)
        transport = key.transport
        port = key.port
        isOfNode = true
    }

    init(_ address: IPAddress, _ transport: TransportProtocol, _ port: UInt16) {
        self.address = address
        self.transport = transport
        self.port = port
        isOfNode = address == .v4(.any) || address == .v6(.any)
    }

    var family: ServiceFamily { ServiceFamily(isIPv4: address.isIPv4) }

    /// For the name of a chain of its own, at most 42 bytes.
    var chainSuffix: String {
        let digits = Array("0123456789abcdef")
        let place = isOfNode ? "node" : String(address.bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
        return "\(place)-\(transport.description.lowercased())-\(port)"
    }

    static func < (left: ServiceKey, right: ServiceKey) -> Bool {
        (left.address, left.transport, left.port) < (right.address, right.transport, right.port)
    }
}

/// Where a connection is sent: one endpoint's address and port.
struct ServiceTarget: Hashable, Comparable, Sendable {
    let address: IPAddress
    let port: UInt16

    init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    static func < (left: ServiceTarget, right: ServiceTarget) -> Bool {
        (left.address, left.port) < (right.address, right.port)
    }
}
