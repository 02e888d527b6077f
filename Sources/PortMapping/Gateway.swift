package import Wire

/// The router that packets of one family leave this host through, as the host's routes name it.
package struct Gateway: Hashable, Comparable, Sendable {
    /// An IPv6 gateway is usually known by its link-local address.
    package var address: IPAddress
    /// Index of the interface that it is reached by.
    package var interface: UInt32

    package init(_ address: IPAddress, interface: UInt32) {
        self.address = address
        self.interface = interface
    }

    /// `port` of the gateway, or of another address of its link; a link-local address needs its interface.
    func endpoint(_ other: IPAddress? = nil, port: UInt16) -> Endpoint {
        let address = other ?? address
        return Endpoint(address, port: port, scope: Self.isLinkLocal(address) ? interface : 0)
    }

    /// Whether a datagram from `source` came from the gateway itself.
    func sent(from source: Endpoint) -> Bool {
        source.address == address && (!Self.isLinkLocal(address) || source.scope == interface)
    }

    private static func isLinkLocal(_ address: IPAddress) -> Bool {
        if case .v6(let address) = address { address.isLinkLocal } else { false }
    }

    package static func < (left: Gateway, right: Gateway) -> Bool {
        (left.address, left.interface) < (right.address, right.interface)
    }
}

/// A local endpoint that others shall reach from outside, and the gateway to be asked for it.
package struct MappingTarget: Hashable, Comparable, Sendable {
    /// One of the host's own addresses, and the port that the node listens on.
    package var local: Endpoint
    package var gateway: Gateway

    package init(_ local: Endpoint, through gateway: Gateway) {
        self.local = local
        self.gateway = gateway
    }

    var isIPv4: Bool { local.address.isIPv4 }

    package static func < (left: MappingTarget, right: MappingTarget) -> Bool {
        (left.local, left.gateway) < (right.local, right.gateway)
    }
}
