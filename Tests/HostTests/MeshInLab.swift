import Lab
import Testing

/// Why suites of this target are skipped, as a comment for their trait.
let needsRoot = Comment(rawValue: Requirement.reason)

extension Lab {
    /// Three hosts with KubeMesh installed and two bare containers each, on IPv4 and IPv6.
    func trio(behind kind: Router.Kind = .portRestricted, hasIPv6: Bool = false) throws -> Trio {
        try Trio(in: self, files: MeshNode.builtFiles(for: run), behind: kind, hasIPv6: hasIPv6) {
            host throws(LabError) in
            let bridge = try ContainerBridge(on: host, prefix6: "fd17::/64")
            return [try bridge.container("c1"), try bridge.container("c2")]
        }
    }

    /// Such a trio in one mesh, for the time of `body`. If that fails, the end of every agent's log is printed.
    static func withMesh(
        behind kind: Router.Kind = .portRestricted, hasIPv6: Bool = false, _ body: (Lab, Trio) throws -> Void
    ) throws {
        try Lab.with("host") { lab in
            let trio = try lab.trio(behind: kind, hasIPv6: hasIPv6)
            try tellingLogs(of: trio.sites.map(\.node)) {
                try trio.join()
                try body(lab, trio)
            }
        }
    }

    /// Two nodes with so much between them, and relays, all in one mesh.
    static func withDuo(_ layout: Duo.Layout, relays: Int = 1, _ body: (Lab, Duo) throws -> Void) throws {
        try withSites(layout, relays: relays) { lab, duo in
            try duo.join()
            try body(lab, duo)
        }
    }

    /// As `withDuo`, before anybody has joined.
    static func withSites(_ layout: Duo.Layout, relays: Int = 1, _ body: (Lab, Duo) throws -> Void) throws {
        try Lab.with("host") { lab in
            let duo = try Duo(
                in: lab, files: MeshNode.builtFiles(for: lab.run), layout,
                relayDelays: Array(repeating: Duo.delay, count: relays))
            try tellingLogs(of: [duo.left.node, duo.right.node] + duo.relays.map(\.node)) {
                try body(lab, duo)
            }
        }
    }

    /// Public hosts of these names with KubeMesh installed, not yet in a mesh.
    static func withPublicNodes(_ names: String..., body: (Lab, [MeshNode]) throws -> Void) throws {
        try Lab.with("host") { lab in
            let files = try MeshNode.builtFiles(for: lab.run)
            let nodes = try names.map { try MeshNode(on: lab.host($0, on: lab.core), files: files) }
            try tellingLogs(of: nodes) { try body(lab, nodes) }
        }
    }

    /// Prints the end of every agent's log if `body` fails.
    private static func tellingLogs(of nodes: [MeshNode], _ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            for node in nodes { print(node.logTail) }
            throw error
        }
    }

    /// One host with KubeMesh and a container, and the mesh not yet up.
    static func withLoneHost(_ body: (Lab, Site) throws -> Void) throws {
        try Lab.with("host") { lab in
            let host = try lab.host("alpha", on: lab.core)
            let container = try ContainerBridge(on: host, prefix6: "fd17::/64").container("c1")
            let node = try MeshNode(on: host, files: MeshNode.builtFiles(for: lab.run))
            try body(lab, Site(node: node, containers: [container]))
        }
    }
}

extension MeshNode {
    /// The end of the agent's log, for a test that failed.
    var logTail: String {
        let lines = log.split(separator: "\n").suffix(12).map { "    \($0)" }
        return "  meshd on \(host.label) logged last:\n" + lines.joined(separator: "\n")
    }
}
