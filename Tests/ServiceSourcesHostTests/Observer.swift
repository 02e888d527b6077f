import Lab
import ServiceSources
import Services
import Wire

/// Sources under test with a catalog that follows them.
final class Observer {
    let sources: ServiceSources
    private(set) var catalog = Catalog(ownNode: "alpha")

    init(docker: String? = nil, containerd: String? = nil, folder: String? = nil) throws {
        var settings = ServiceSources.Settings(ownNode: "alpha")
        settings.dockerSocket = docker
        settings.containerdSocket = containerd
        settings.manifestFolder = folder
        settings.nodeAddresses = [.v4(IPv4Address(10, 128, 1, 1))]
        sources = try ServiceSources(settings, knownManifests: [])
    }

    deinit { sources.stop() }

    func update() {
        for change in sources.mailbox.takeAll() { _ = catalog.apply(change, at: 1) }
    }

    /// Waits until the catalog is as described.
    func until(_ what: String, within limit: Duration = .seconds(20), _ condition: (Catalog) -> Bool) throws {
        try wait(for: what, within: limit) { () throws(LabError) in
            update()
            return condition(catalog)
        }
    }

    /// "172.17.0.2 ready", sorted.
    func endpoints(_ name: String, in namespace: String = "default") -> [String] {
        catalog.endpoints(of: ServiceName(namespace: namespace, name: name)).map { endpoint in
            let conditions = endpoint.member.conditions
            let state = conditions.ready ? "ready" : conditions.terminating ? "terminating" : "unready"
            return "\(endpoint.member.targetName ?? "?") \(state)"
        }.sorted()
    }
}
