package import SansIO
package import Services
package import Wire

/// What the containers of one runtime mean for the catalog: services, their endpoints here, and names.
///
/// A service stands as long as a container that asks for it is there, running or not, and for `lingering` afterwards, so that
/// one that is made anew (`docker compose up`) finds it under the same address. Endpoints come and go at once.
package struct ContainerCatalog: Sendable {
    /// What an operator should know of one container.
    package struct Problem: Equatable, Sendable {
        package var container: String
        package var text: String
    }

    private struct Lingering: Sendable {
        var service: Service
        var until: Instant
    }

    static let lingering: Duration = .seconds(30)

    /// Containers that serve something, and those whose labels are refused or come to nothing.
    package private(set) var publishedCount = 0
    package private(set) var problems: [Problem] = []

    private let source: SourceID
    private var current: [ServiceName: Service] = [:]
    private var leaving: [ServiceName: Lingering] = [:]
    private var slices: [EndpointSlice] = []
    private var node: ClusterNode
    /// What was last told; `nil` before anything was.
    private var told: [CatalogObject]?

    /// - Parameter source: of kind containers; its node is where the endpoints are.
    package init(source: SourceID) {
        self.source = source
        node = ClusterNode(name: source.node)
    }

    /// When a service that has no container any more goes.
    package var nextDeadline: Instant? { leaving.values.map(\.until).min() }

    /// Takes in all containers as they are now. Returns what to tell the catalog, or `nil` if nothing differs.
    ///
    /// - Parameter hostAddresses: where containers in the host's own network are reached.
    package mutating func update(
        _ containers: [LocalContainer], hostAddresses: [IPAddress], at now: Instant
    ) -> CatalogChange? {
        var services: [ServiceName: Service] = [:]
        var definers: [ServiceName: String] = [:]
        var names: Set<String> = []
        slices = []
        node.containers = []
        problems = []
        publishedCount = 0
        for container in containers.sorted(by: { ($0.name, $0.id) < ($1.name, $1.id) }) where !container.isKubernetes {
            let name = Self.dnsName(of: container, except: &names)
            let networks =
                container.isOnHostNetwork
                ? [LocalContainer.Network(name: "host", addresses: hostAddresses)] : container.networks
            let addresses = networks.flatMap(\.addresses)
            if container.phase != .stopped, !addresses.isEmpty {
                node.containers.append(ClusterNode.Container(name: name, addresses: addresses))
            }
            do throws(LabelError) {
                guard let wanted = try ContainerService(labels: container.labels) else { continue }
                let key = wanted.service.name
                if let definer = definers[key], services[key] != wanted.service {
                    tell(container, "\(key) is described otherwise by container \(definer), whose word counts")
                } else if definers[key] == nil {
                    definers[key] = container.name
                    services[key] = wanted.service
                }
                publish(container, wanted, as: name, in: networks)
            } catch {
                tell(container, "\(error)")
            }
        }
        for (name, service) in current where services[name] == nil {
            leaving[name] = Lingering(service: service, until: now + Self.lingering)
        }
        for name in services.keys { leaving[name] = nil }
        current = services
        return change(at: now)
    }

    /// Lets services go whose time is over.
    package mutating func advance(to now: Instant) -> CatalogChange? {
        leaving.contains { $0.value.until <= now } ? change(at: now) : nil
    }

    private mutating func change(at now: Instant) -> CatalogChange? {
        leaving = leaving.filter { $0.value.until > now }
        let services = Array(current.values) + leaving.values.map(\.service)
        var objects = services.sorted { $0.name < $1.name }.map { CatalogObject.service($0) }
        objects += slices.map { .slice($0) }
        objects.append(.node(node))
        guard objects != told else { return nil }
        told = objects
        return .everything(objects, from: source)
    }

    private mutating func tell(_ container: LocalContainer, _ text: String) {
        problems.append(Problem(container: container.name, text: text))
    }

    /// Adds the container's endpoint. A slice of its own, as its target ports may be others than the next one's.
    private mutating func publish(
        _ container: LocalContainer, _ wanted: ContainerService, as name: String, in networks: [LocalContainer.Network]
    ) {
        guard container.phase != .stopped else { return }
        let candidates = wanted.network.map { wish in networks.filter { $0.name == wish } } ?? networks
        guard let addresses = candidates.first(where: { !$0.addresses.isEmpty })?.addresses else {
            let known = networks.map(\.name).joined(separator: ", ")
            let place = wanted.network.map { "in network \($0)" } ?? "in any network"
            tell(container, "it has no address \(place); it is in: \(known.isEmpty ? "none" : known)")
            return
        }
        publishedCount += 1
        let conditions: EndpointSlice.Conditions =
            switch container.phase {
            case .ready: .init(ready: true)
            case .unready, .stopped: .init(ready: false)
            case .terminating: .init(ready: false, serving: true, terminating: true)
            }
        let key = wanted.service.name
        var slice = EndpointSlice(name: "\(key.name)-\(name)", service: key, ports: wanted.targetPorts)
        for isIPv4 in [true, false] {
            guard let address = addresses.first(where: { $0.isIPv4 == isIPv4 }) else { continue }
            var member = EndpointSlice.Member(address, nodeName: source.node, conditions: conditions)
            member.targetName = container.name
            member.hostname = wanted.hostname ?? name
            member.weight = wanted.weight
            slice.members.append(member)
        }
        slices.append(slice)
    }

    /// The container's name as one DNS label, which no other container here has.
    private static func dnsName(of container: LocalContainer, except taken: inout Set<String>) -> String {
        let mapped = container.name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "-") : $0 }
        let wish = NodeName(hostName: String(decoding: mapped, as: UTF8.self))?.description ?? "container"
        var name = wish
        var number = 1
        while !taken.insert(name).inserted {
            number += 1
            name = "\(String(wish.prefix(57)))-\(number)"
        }
        return name
    }
}
