import Services
import Wire

/// Something that has an address, and so a name for it: what PTR records and names made from addresses are answered from.
struct NamedAddress: Hashed {
    /// A reference each, since there may be a hundred thousand of these.
    enum Holder {
        case clusterIP(ServiceOwner)
        /// An endpoint whose name in its service is made from its address.
        case endpoint(ServiceOwner)
        case namedEndpoint(NamedEndpoint)
        case host(HostName)
    }

    /// Whose entry in the builder an address belongs to.
    enum Owner: Equatable, Sendable {
        case service(ServiceName)
        case node(String)
    }

    let address: IPAddress
    let holder: Holder

    var tableHash: UInt64 { Self.hash(of: address) }

    static func hash(of address: IPAddress) -> UInt64 {
        var mixed: UInt64
        switch address {
        case .v4(let address): mixed = UInt64(address.rawValue)
        case .v6(let address): mixed = address.high &* 0x9e37_79b9_7f4a_7c15 ^ address.low
        }
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        return mixed ^ mixed >> 31
    }

    var owner: Owner {
        switch holder {
        case .clusterIP(let owner), .endpoint(let owner): .service(owner.service)
        case .namedEndpoint(let endpoint): .service(endpoint.owner.service)
        case .host(let host): .node(host.node)
        }
    }

    /// The service of which it is an endpoint.
    var endpointOwner: ServiceOwner? {
        switch holder {
        case .endpoint(let owner): owner
        case .namedEndpoint(let endpoint): endpoint.owner
        case .clusterIP, .host: nil
        }
    }

    /// The name that a PTR record gives; `nil` when it is too long to be one.
    var name: DomainName? {
        switch holder {
        case .clusterIP(let owner): owner.name
        case .endpoint(let owner): owner.name.prepending(DashedAddress.label(of: address))
        case .namedEndpoint(let endpoint): DomainName(endpoint.label).flatMap { endpoint.owner.name.prepending($0) }
        case .host(let host): host.name
        }
    }
}

extension BucketTable<NamedAddress> {
    func claims(of address: IPAddress) -> [NamedAddress] {
        bucket(of: NamedAddress.hash(of: address)).filter { $0.address == address }
    }
}

/// An endpoint with a name of its own in its service.
final class NamedEndpoint: Sendable {
    let owner: ServiceOwner
    let label: String

    init(_ label: String, of owner: ServiceOwner) {
        self.owner = owner
        self.label = label
    }
}

/// A node, or a container on it, with its full name.
final class HostName: Sendable {
    let name: DomainName
    let node: String

    init(_ name: DomainName, node: String) {
        self.name = name
        self.node = node
    }
}
