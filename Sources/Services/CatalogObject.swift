/// What a source can tell a catalog about.
package enum CatalogObject: Equatable, Sendable {
    case service(Service)
    case slice(EndpointSlice)
    case node(ClusterNode)

    package var key: ObjectKey {
        switch self {
        case .service(let service): .service(service.name)
        case .slice(let slice): .slice(namespace: slice.service.namespace, name: slice.name)
        case .node(let node): .node(node.name)
        }
    }
}

/// What names an object within its source.
package enum ObjectKey: Hashable, Comparable, Sendable {
    case service(ServiceName)
    case slice(namespace: String, name: String)
    case node(String)

    package var objectClass: ObjectClass {
        switch self {
        case .service: .services
        case .slice: .slices
        case .node: .nodes
        }
    }

    package static func < (left: ObjectKey, right: ObjectKey) -> Bool { left.order < right.order }

    private var order: (UInt8, String, String) {
        switch self {
        case .service(let name): (objectClass.rawValue, name.namespace, name.name)
        case .slice(let namespace, let name): (objectClass.rawValue, namespace, name)
        case .node(let name): (objectClass.rawValue, "", name)
        }
    }
}

package enum ObjectClass: UInt8, Hashable, Sendable, CaseIterable {
    case services, slices, nodes
}
