import Glibc
package import Wire

/// A line with delay and loss in front of another network: plug a host or router into this instead.
///
/// ```
///   host eth0 ── near ┃ labline ┃ far ── core or LAN
/// ```
/// The kernel here has no netem, so a process of ours carries the frames between two interfaces of a namespace that
/// only it lives in. Delay and loss are each way.
package final class Line: Segment {
    private let segment: any Segment
    private let label: String
    private let run: Run
    private var namespace: Namespace?
    private var carrier: Program?
    private var changeCount = 0

    package private(set) var delay: Duration
    /// From 0 to 1.
    package private(set) var loss: Double

    init(_ label: String, to segment: any Segment, delay: Duration, loss: Double, in run: Run) {
        self.segment = segment
        self.label = label
        self.run = run
        self.delay = delay
        self.loss = loss
    }

    /// A line has one end for one interface.
    package func plug(_ other: Namespace, as interface: String) throws(LabError) -> Link {
        precondition(namespace == nil, "line \(label) is plugged in already")
        let middle = try Namespace(label, in: run)
        namespace = middle
        let link = try segment.plug(middle, as: "far")
        // Frames must arrive as they will cross: not joined to big ones, and with their checksums done.
        try middle.shell(
            """
            sysctl -qw net.ipv6.conf.all.disable_ipv6=1
            ip link add near type veth peer name \(interface) netns \(other.name)
            for end in near far; do
                ip link set $end mtu 9000 up promisc on
            done
            """)
        try other.run("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        try link.far.run("ethtool", "-K", link.farInterface, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        try startCarrier(in: middle)
        return Link(
            namespace: other, interface: interface, far: link.far, farInterface: link.farInterface,
            address: link.address, prefix: link.prefix, gateway: link.gateway, address6: link.address6,
            prefix6: link.prefix6, gateway6: link.gateway6)
    }

    package var delegatesIPv6: Bool { segment.delegatesIPv6 }

    package func route(_ prefix: IPPrefix, via link: Link) throws(LabError) {
        try segment.route(prefix, via: link)
    }

    /// Changes the line for frames that enter it from now on; those on their way arrive, and none overtakes another.
    package func set(delay: Duration, loss: Double) throws(LabError) {
        self.delay = delay
        self.loss = loss
        guard let carrier else { return }
        try writeSettings()
        changeCount += 1
        carrier.send(signal: SIGHUP)
        try carrier.waitForLog("set \(changeCount)\n")
    }

    private var settingsPath: String { "\(run.folder)/\(label)-settings" }

    private func writeSettings() throws(LabError) {
        let microseconds = delay.components.seconds * 1_000_000 + delay.components.attoseconds / 1_000_000_000_000
        try Files.write("\(microseconds) \(Int(loss * 1_000_000))\n", to: settingsPath)
    }

    private func startCarrier(in namespace: Namespace) throws(LabError) {
        try writeSettings()
        let carrier = try namespace.start(
            Program.built("labline"), "near", "far", settingsPath,
            "\(label.utf8.reduce(1) { $0 * 31 % 1_000_003 + Int($1) })",
            log: "labline")
        try carrier.waitForLog("ready")
        self.carrier = carrier
    }
}
