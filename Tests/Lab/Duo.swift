package import ControlAPI
import Glibc
package import Wire

/// Two nodes that are to find the best way to each other, and public nodes that relay; every one behind a line of its own.
///
/// ```
///  left ── NATs ── line ──┐            ┌── line ── NATs ── right
///                         ├─── core ───┤
///              relay1 ── line        line ── relay2 ...
/// ```
/// With the delays that are the default, packets take 40 ms there and back directly and 80 ms through a relay.
package final class Duo {
    package enum Layout: Hashable, Sendable {
        case apart(Access, Access)
        /// Two hosts of one LAN.
        case oneLAN(Access)
        /// Two hosts on different LANs of one router, which lets them reach each other by its outer address or not at all.
        case twoLANs(Router.Kind, hairpins: Bool)
        /// Two home routers on the LAN of one carrier's router.
        case oneCarrier(carrier: Router.Kind, home: Router.Kind, hairpins: Bool)
    }

    /// One of the two.
    package struct Side {
        package let host: Host
        package let node: MeshNode
        /// The outermost first.
        package let routers: [Router]

        /// Where the side's packets enter the core: its outermost router's uplink or its own.
        package var uplink: Link { routers.first?.wan ?? host.uplink }

        /// The host's own address in the mesh.
        package func address() throws(LabError) -> IPAddress {
            guard let address = try node.status().addresses.first(where: \.isIPv4) else {
                throw .unexpected("\(host.label) has no address in the mesh")
            }
            return address
        }
    }

    package struct Relay {
        package let node: MeshNode
        package let line: Line

        package var name: String { node.host.label }
        package var uplink: Link { node.host.uplink }
    }

    package let left: Side
    package let right: Side
    package let relays: [Relay]
    package private(set) var token = ""

    /// A direct packet takes 20 ms from one side to the other, a relayed one 40 ms.
    package static let delay: Duration = .milliseconds(10)
    package static let fasterThanRelayed: Duration = .milliseconds(30)

    /// - Parameters:
    ///   - files: what belongs into each host's root; see `MeshNode`.
    ///   - siteDelay: each way on each side's line.
    ///   - relayDelays: one relay each, each way on its line.
    package init(
        in lab: Lab, files: String, _ layout: Layout, siteDelay: Duration = delay, relayDelays: [Duration] = [delay]
    ) throws(LabError) {
        var relays: [Relay] = []
        for (index, delay) in relayDelays.enumerated() {
            let label = "relay\(index + 1)"
            let line = lab.line("\(label)-line", delay: delay)
            let host = try lab.host(label, on: line)
            let node = try MeshNode(on: host, files: files)
            // As a server's operator would; nodes also find out by themselves that they are reachable.
            try host.shell(
                "mkdir -p /etc/kubemesh; echo 'advertise: [\"\(host.uplink.address)\"]' >/etc/kubemesh/config.yaml")
            relays.append(Relay(node: node, line: line))
        }
        self.relays = relays

        func network(_ access: Access, _ label: String, hairpins: Bool = false) throws(LabError) -> AccessNetwork {
            try AccessNetwork(access, labelled: label, delay: siteDelay, hairpins: hairpins, in: lab)
        }
        func side(
            _ label: String, on segment: any Segment, behind routers: [Router], _ access: Access
        ) throws(LabError) -> Side {
            let host = try lab.host(label, on: segment)
            if !access.hasIPv4 { try host.uplink.loseIPv4() }
            return Side(host: host, node: try MeshNode(on: host, files: files), routers: routers)
        }
        switch layout {
        case .apart(let one, let other):
            let (first, second) = (try network(one, "left"), try network(other, "right"))
            left = try side("left", on: first.segment, behind: first.routers, one)
            right = try side("right", on: second.segment, behind: second.routers, other)
        case .oneLAN(let access):
            let shared = try network(access, "home")
            left = try side("left", on: shared.segment, behind: shared.routers, access)
            right = try side("right", on: shared.segment, behind: shared.routers, access)
        case .twoLANs(let kind, let hairpins):
            let access = Access(kind)
            let shared = try network(access, "home", hairpins: hairpins)
            let guests = try shared.routers[0].addLAN(prefix: "192.168.77.0/24")
            left = try side("left", on: shared.segment, behind: shared.routers, access)
            right = try side("right", on: guests, behind: shared.routers, access)
        case .oneCarrier(let carrier, let kind, let hairpins):
            let shared = try AccessNetwork(
                Access(carrier), labelled: "carrier", delay: siteDelay, lan: "100.64.0.0/24", hairpins: hairpins,
                in: lab)
            func home(_ label: String, _ prefix: String) throws(LabError) -> Side {
                let router = try lab.router(label + "-gw", kind, on: shared.segment, lan: prefix, hasIPv6: false)
                return try side(label, on: router.lan, behind: shared.routers + [router], Access(carrier, kind))
            }
            left = try home("left", "192.168.1.0/24")
            right = try home("right", "192.168.2.0/24")
        }
    }

    /// Creates the mesh on the first relay and joins the others; returns when each side reaches every relay directly and has heard of
    /// the other side, so that a single packet has somewhere to go.
    package func join() throws(LabError) {
        guard let first = relays.first, let token = try first.node.up().token?.token else {
            throw .unexpected("meshctl up printed no token")
        }
        self.token = token
        for relay in relays.dropFirst() { try relay.node.up(token) }
        for side in [left, right] { try side.node.up(token) }
        for side in [left, right] {
            try wait(for: "a way from \(side.host.label) to every relay", within: .seconds(30)) { () throws(LabError) in
                let reached = try side.node.peers().filter { $0.path != .none }.map(\.name)
                return relays.allSatisfy { reached.contains($0.name) }
            }
        }
        for (side, other) in [(left, right), (right, left)] {
            try wait(for: "word of \(other.host.label) on \(side.host.label)", within: .seconds(30)) {
                () throws(LabError) in
                try side.node.peers().contains { $0.name == other.host.label }
            }
        }
        // Routes to nodes that are heard of together are settled together, 20 ms later.
        usleep(100_000)
    }

    /// The path by which the left side reaches the right one.
    package func path() throws(LabError) -> Path {
        try left.node.peers().first { $0.name == right.host.label }?.path ?? .none
    }

    /// Begins to measure between the two hosts.
    package func meter(streamBytes: Int = 0) throws(LabError) -> Meter {
        try Meter(
            from: left.host, at: left.address(), to: right.host, at: right.address(), streamBytes: streamBytes)
    }
}
