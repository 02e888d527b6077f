import ControlAPI
package import Wire

/// A host with KubeMesh and its containers.
package struct Site {
    package let node: MeshNode
    package let containers: [Container]

    package var host: Host { node.host }
    package var name: String { host.label }

    package init(node: MeshNode, containers: [Container]) {
        self.node = node
        self.containers = containers
    }

    /// How the mesh knows one of the containers.
    package func address(of index: Int = 0) throws(LabError) -> IPAddress {
        try node.meshAddress(of: containers[index].address)
    }

    /// How the mesh knows one of the containers by IPv6.
    package func address6(of index: Int = 0) throws(LabError) -> IPAddress {
        guard let local = containers[index].address6 else { throw .unexpected("\(name) has no IPv6 containers") }
        return try node.meshAddress(of: local)
    }
}

/// The main job's topology: alpha is public, beta and gamma are each behind a router of their own, and all
/// have containers with the same addresses.
package final class Trio {
    package let alpha: Site
    package let beta: Site
    package let gamma: Site
    package let home: Router
    package let office: Router

    package var sites: [Site] { [alpha, beta, gamma] }

    /// Every ordered pair of two different sites.
    package var pairs: [(Site, Site)] {
        sites.flatMap { one in sites.filter { $0.name != one.name }.map { (one, $0) } }
    }

    /// - Parameters:
    ///   - files: what belongs into each host's root; see `MeshNode`.
    ///   - kind: what beta and gamma are behind.
    ///   - hasIPv6: whether beta and gamma have IPv6, by which they reach each other without a relay.
    package init(
        in lab: Lab, files: String, behind kind: Router.Kind = .portRestricted, hasIPv6: Bool = false,
        containers: (Host) throws(LabError) -> [Container]
    ) throws(LabError) {
        home = try lab.router("home", kind, hasIPv6: hasIPv6)
        office = try lab.router("office", kind, hasIPv6: hasIPv6)
        func site(_ name: String, on segment: any Segment) throws(LabError) -> Site {
            let host = try lab.host(name, on: segment)
            return Site(node: try MeshNode(on: host, files: files), containers: try containers(host))
        }
        alpha = try site("alpha", on: lab.core)
        beta = try site("beta", on: home.lan)
        gamma = try site("gamma", on: office.lan)
    }

    /// Creates the mesh on alpha and joins the others; returns the token.
    @discardableResult
    package func join() throws(LabError) -> String {
        guard let token = try alpha.node.up().token?.token else { throw .unexpected("meshctl up printed no token") }
        try beta.node.up(token)
        try gamma.node.up(token)
        return token
    }
}
