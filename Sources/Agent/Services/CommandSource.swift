import Arguments
package import ControlAPI
package import Services
import Wire

/// Services that `meshctl service` keeps on this node: judges what was asked, and says what becomes of the catalog.
///
/// They are objects of one source, `SourceID(.commands, node: own)`, so that the catalog on disk keeps them. A service has
/// one slice, called as the service is. An endpoint that was named as a container has the container's name as its target,
/// and follows the container to its next address (`followContainers`).
package struct CommandSource {
    package static let serviceLimit = 1_000

    package struct Addition {
        package var change: CatalogChange
        package var name: ServiceName
        /// Whether an earlier command had added it.
        package var isReplaced: Bool
        package var notices: [Notice]
    }

    package struct Removal {
        package var change: CatalogChange
        package var name: ServiceName
        /// Who defines it still, once the change is applied.
        package var remaining: [ServiceInfo.Source]

        package var reply: ServiceRemoval {
            ServiceRemoval(namespace: name.namespace, name: name.name, remaining: remaining)
        }
    }

    let catalog: Catalog
    let view: LocalView

    package init(catalog: Catalog, view: LocalView) {
        self.catalog = catalog
        self.view = view
    }

    package var source: SourceID { SourceID(.commands, node: catalog.ownNode) }

    // MARK: add

    package func add(_ definition: ServiceDefinition) throws(Failure) -> Addition {
        let definition = try CheckedDefinition(definition, catalog, view)
        let service = definition.service
        let others = catalog.sources(of: service.name).filter { $0 != source }
        let isReplaced = catalog.sources(of: service.name).contains(source)
        let ownCount = catalog.objects(of: source).count { if case .service = $0 { true } else { false } }
        guard isReplaced || ownCount < Self.serviceLimit else {
            throw Failure(
                .failed, "\(Self.serviceLimit) services have been added on this node already",
                nextStep: "take some away with meshctl service rm, or write a manifest")
        }
        var notices = definition.notices
        if let first = others.first {
            let origin = ServiceInfo.Source(first).words
            notices.append(
                first < source
                    ? Notice("\(origin) defines it too, and that definition counts; the endpoints given here are added")
                    : Notice("\(origin) defines it too; what is given here counts, and its endpoints are added"))
        }
        return Addition(
            change: CatalogChange(source, .update([.service(service), .slice(definition.slice)])),
            name: service.name, isReplaced: isReplaced, notices: notices)
    }

    // MARK: rm

    package func remove(_ text: String, clusterDomain: String = "cluster.local") throws(Failure) -> Removal {
        let name = try catalog.service(meantBy: text, clusterDomain: clusterDomain).get()
        let sources = catalog.sources(of: name)
        guard sources.contains(source) else {
            let origin = sources.first.map { ServiceInfo.Source($0) } ?? ServiceInfo.Source(source)
            throw Failure(
                .failed, "no command of this node has added \(name.dotted): \(origin.words) defines it",
                nextStep: nextStep(origin, name))
        }
        let keys: [ObjectKey] = [.service(name), .slice(namespace: name.namespace, name: name.name)]
        return Removal(
            change: CatalogChange(source, .delete(keys)), name: name,
            remaining: sources.filter { $0 != source }.map(ServiceInfo.Source.init))
    }

    private func nextStep(_ origin: ServiceInfo.Source, _ name: ServiceName) -> String {
        let place = origin.node.isEmpty || origin.node == catalog.ownNode ? "" : " on \(origin.node)"
        return switch origin.kind {
        case "commands": "run meshctl service rm \(name.dotted)\(place)"
        case "manifests": "take it out of \(origin.part.isEmpty ? "its manifest" : origin.part)\(place)"
        case "containers": "stop its containers\(place), or take their labels kubemesh.service away"
        default: "run kubectl delete service --namespace \(name.namespace) \(name.name)"
        }
    }

    // MARK: containers

    /// What is to change because containers that endpoints were named after have other addresses, or are gone; `nil` where
    /// nothing is. To be asked whenever this node's containers differ.
    package func followContainers() -> CatalogChange? {
        let containers = catalog.node(named: catalog.ownNode)?.containers ?? []
        var changed: [CatalogObject] = []
        for case .slice(var slice) in catalog.objects(of: source) {
            let old = slice.members
            slice.members = Self.followed(old, containers, on: catalog.ownNode)
            if slice.members != old { changed.append(.slice(slice)) }
        }
        return changed.isEmpty ? nil : CatalogChange(source, .update(changed))
    }

    /// A container that is gone keeps its last address, and is not ready.
    private static func followed(
        _ members: [EndpointSlice.Member], _ containers: [ClusterNode.Container], on node: String
    ) -> [EndpointSlice.Member] {
        var followed = members.filter { $0.targetName == nil }
        var done: Set<String> = []
        for member in members {
            guard let name = member.targetName, done.insert(name).inserted else { continue }
            if let container = containers.first(where: { $0.name == name }), !container.addresses.isEmpty {
                followed += CheckedDefinition.members(of: container, on: node)
            } else {
                followed += members.filter { $0.targetName == name }.map { gone in
                    var gone = gone
                    gone.conditions = .init(ready: false)
                    return gone
                }
            }
        }
        return followed
    }
}
