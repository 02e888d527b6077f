/// What stands between a host and the core: nothing, or routers, one behind the other.
package struct Access: Hashable, Sendable {
    /// The outermost first.
    package var routers: [Router.Kind]
    package var hasIPv4 = true
    package var hasIPv6 = false
    /// The TCP port that alone is let out, if UDP is blocked.
    package var onlyTCPPort: UInt16?

    package init(
        _ routers: Router.Kind..., hasIPv4: Bool = true, hasIPv6: Bool = false, onlyTCPPort: UInt16? = nil
    ) {
        self.routers = routers
        self.hasIPv4 = hasIPv4
        self.hasIPv6 = hasIPv6
        self.onlyTCPPort = onlyTCPPort
    }
}

/// An `Access` that was made: its routers, and the network that the host is plugged into.
package struct AccessNetwork {
    package let line: Line
    /// The outermost first; empty for a public host.
    package let routers: [Router]
    package let segment: any Segment

    /// Makes the line to the core and the routers behind it; they are called LABEL-gw1 and so on.
    init(
        _ access: Access, labelled label: String, delay: Duration, lan outerPrefix: String? = nil,
        hairpins: Bool = false, in lab: Lab
    ) throws(LabError) {
        line = lab.line("\(label)-line", delay: delay)
        var segment: any Segment = line
        var routers: [Router] = []
        for (index, kind) in access.routers.enumerated() {
            let isOutermost = index == 0
            let prefix =
                isOutermost
                ? outerPrefix ?? (access.routers.count > 1 ? "100.64.0.0/24" : nil) : "192.168.\(index).0/24"
            let router = try lab.router(
                "\(label)-gw\(index + 1)", kind, on: segment, lan: prefix, hasIPv6: access.hasIPv6,
                hairpins: hairpins && isOutermost)
            if let port = access.onlyTCPPort { try router.blockUDP(andTCPExcept: port) }
            routers.append(router)
            segment = router.lan
        }
        self.routers = routers
        self.segment = segment
    }
}
