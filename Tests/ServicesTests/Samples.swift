import Services
import Wire

/// Small objects for tests.
extension ServiceName {
    init(_ name: String, in namespace: String = "shop") { self.init(namespace: namespace, name: name) }
}

extension IPAddress {
    /// From text that the test knows to be an address.
    init(literal text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
        self = address
    }
}

extension IPPrefix {
    init(literal text: String) {
        guard let prefix = IPPrefix(text) else { preconditionFailure("\(text) is no prefix") }
        self = prefix
    }
}

extension Service {
    static func sample(
        _ name: String, at addresses: [String] = [], ports: [Port] = [Port(name: "http", port: 80)],
        kind: Kind = .clusterIP
    ) -> Service {
        var service = Service(name: ServiceName(name), kind: kind)
        service.clusterIPs = addresses.map { IPAddress(literal: $0) }
        service.ports = ports
        return service
    }
}

extension EndpointSlice {
    static func sample(
        _ name: String, of service: String, ports: [Port] = [Port(name: "http", port: 8080)], _ members: [Member]
    ) -> EndpointSlice {
        EndpointSlice(name: name, service: ServiceName(service), ports: ports, members: members)
    }
}

extension EndpointSlice.Member {
    /// Ready unless said otherwise.
    static func at(
        _ address: String, on node: String? = nil, zone: String? = nil, ready: Bool? = nil, serving: Bool? = nil,
        terminating: Bool? = nil, hostname: String? = nil
    ) -> Self {
        var member = Self(
            IPAddress(literal: address), nodeName: node,
            conditions: .init(ready: ready, serving: serving, terminating: terminating))
        member.zone = zone
        member.hostname = hostname
        return member
    }
}

extension SourceID {
    static let manifests = SourceID(.manifests, node: "here", part: "shop.yaml")
    static let containers = SourceID(.containers, node: "here")
    static let api = SourceID(.kubernetes)
}
