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
    private var startCount = 0

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
        try startCarrier()
        return Link(
            namespace: other, interface: interface, far: link.far, farInterface: link.farInterface,
            address: link.address, prefix: link.prefix, gateway: link.gateway, address6: link.address6,
            prefix6: link.prefix6, gateway6: link.gateway6)
    }

    package func route(_ prefix: IPPrefix, via link: Link) throws(LabError) {
        try segment.route(prefix, via: link)
    }

    /// Changes the line; frames on their way are lost.
    package func set(delay: Duration, loss: Double) throws(LabError) {
        self.delay = delay
        self.loss = loss
        if namespace != nil { try startCarrier() }
    }

    private func startCarrier() throws(LabError) {
        guard let namespace else { return }
        carrier?.stop(with: SIGKILL)
        startCount += 1
        let program = try Self.program()
        let microseconds = delay.components.seconds * 1_000_000 + delay.components.attoseconds / 1_000_000_000_000
        let carrier = try namespace.start(
            program, "near", "far", "\(microseconds)", "\(Int(loss * 1_000_000))", "\(startCount)",
            log: "labline\(startCount)")
        try carrier.waitForLog("ready")
        self.carrier = carrier
    }

    /// Beside the program that runs now, where the build puts all of them.
    private static func program() throws(LabError) -> String {
        guard let own = Files.target(ofLink: "/proc/self/exe"), let slash = own.lastIndex(of: "/") else {
            throw .unexpected("/proc/self/exe cannot be read")
        }
        return own[..<slash] + "/labline"
    }
}
