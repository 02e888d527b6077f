import Crypto
import Datapath
import Identity
import Mesh
import SansIO
import Simulator
import Wire

/// A small simulation with hosts by name, all at the same distance from each other: what most tests of `Node` need.
///
/// Hosts have one address each, on the internet or behind a NAT of their own, which is port-restricted and keeps ports unless
/// said otherwise.
final class VirtualMesh {
    struct Host {
        let simulated: Simulator.Host
        let address: Endpoint
        /// The NAT's outside address, if the host is behind one.
        let outside: IPAddress?

        var node: Node { simulated.node }
        var path: PlainPath { simulated.path }
        /// Packets that reached the host's TUN.
        var delivered: [[UInt8]] { simulated.delivered }
        var events: [NodeEvent] { simulated.events }
        var saved: [Node.StateChange] { simulated.saved }
    }

    let simulation: Simulation
    private(set) var hosts: [String: Host] = [:]
    private var sites: [IPAddress: Fabric.NetworkID] = [:]
    private var gateways: [IPAddress: Fabric.GatewayID] = [:]
    private var injected: [[UInt8]] = []

    init(seed: UInt8 = 1) {
        simulation = Simulation(seed: UInt64(seed))
        simulation.isRecording = true
        simulation.fabric.transit.delay = .milliseconds(10)
    }

    // MARK: making

    /// The first node of a mesh, with a public address.
    func create(_ name: String, at address: String) -> JoinToken? {
        let identity = NodeIdentity.createMesh(
            name: NodeName(name)!, ipv4Range: IPPrefix("10.128.0.0/9")!, now: wallTime, using: &keys)
        add(name, identity, Endpoint(address)!, outside: nil)
        return invite(from: name, uses: 100)
    }

    func invite(from name: String, uses: UInt32) -> JoinToken? {
        var terms = Issuer.InviteTerms()
        terms.uses = uses
        var token: JoinToken?
        with(name) { node, now in token = try? node.invite(on: terms, at: now) }
        return token
    }

    @discardableResult
    func join(
        _ name: String, at address: String, behind outside: String? = nil, _ behavior: NATBehavior = .home,
        with token: JoinToken?
    ) -> NodeID? {
        guard let token,
            let identity = try? NodeIdentity.join(token, name: NodeName(name)!, now: wallTime, using: &keys)
        else { return nil }
        var restored = Node.Restored()
        restored.bootstrap = token.bootstrap
        if let outside = outside.flatMap({ IPAddress($0) }) { _ = site(behind: outside, behavior) }
        add(name, identity, Endpoint(address)!, outside: outside.flatMap { IPAddress($0) }, restored)
        return identity.nodeID
    }

    func add(
        _ name: String, _ identity: NodeIdentity, _ address: Endpoint, outside: IPAddress?,
        _ restored: Node.Restored = Node.Restored()
    ) {
        remove(name)
        let place = Place(outside.map { site(behind: $0) } ?? Fabric.internet, address.address)
        let host = simulation.addHost(name, identity, in: [place], port: address.port, restored: restored)
        hosts[name] = Host(simulated: host, address: address, outside: outside)
    }

    /// The network behind the NAT at `outside`, whose mappings last.
    private func site(behind outside: IPAddress, _ behavior: NATBehavior = .home) -> Fabric.NetworkID {
        if let site = sites[outside] { return site }
        var behavior = behavior
        behavior.lifetime = .seconds(1_000_000)
        let (gateway, site) = simulation.fabric.addGateway(behavior, at: outside)
        sites[outside] = site
        gateways[outside] = gateway
        return site
    }

    // MARK: doing

    func with(_ name: String, _ body: (inout Node, Instant) -> Void) {
        if let host = hosts[name] { simulation.with(host.simulated, body) }
    }

    /// Sends an IPv4 packet from the first address of one node's prefix to another's.
    func sendPacket(from sender: String, to receiver: String, marker: UInt8, source: IPAddress? = nil) {
        guard let from = hosts[sender], let to = hosts[receiver]?.node.identity.addresses[0] else { return }
        let source = source ?? from.node.identity.addresses[0]
        simulation.send(Self.packet(from: source, to: to, marker: marker), from: from.simulated)
    }

    /// Nothing passes directly between two hosts from now on.
    func block(_ one: String, _ other: String) {
        guard let one = edge(of: one), let other = edge(of: other) else { return }
        simulation.fabric.setTransit(.cut, from: one, to: other)
        simulation.fabric.setTransit(.cut, from: other, to: one)
    }

    /// Nothing of one host reaches the other; the way back stays open.
    func block(from sender: String, to receiver: String) {
        guard let sender = edge(of: sender), let receiver = edge(of: receiver) else { return }
        simulation.fabric.setTransit(.cut, from: sender, to: receiver)
    }

    func unblock(_ one: String, _ other: String) { setDelay(delay, between: one, other) }

    /// From one host to the other, and back.
    func setDelay(_ delay: Duration, between one: String, _ other: String, loss: Double = 0) {
        guard let one = edge(of: one), let other = edge(of: other) else { return }
        simulation.fabric.setTransit(LineConditions(delay: delay, loss: loss), from: one, to: other)
        simulation.fabric.setTransit(LineConditions(delay: delay, loss: loss), from: other, to: one)
    }

    /// The host's NAT forgets its mappings, and gives other ports from now on.
    func rebind(_ name: String) {
        if let gateway = hosts[name]?.outside.flatMap({ gateways[$0] }) { simulation.fabric.rebind(gateway) }
    }

    private func edge(of name: String) -> Fabric.Neighbour? {
        hosts[name].flatMap { simulation.fabric.edge(of: $0.simulated.interfaces[0]) }
    }

    /// What a host would read from its disk.
    static func restored(from saved: [Node.StateChange]) -> Node.Restored {
        var disk = Disk()
        for change in saved { disk.save(change) }
        return disk.restored
    }

    func cut(_ name: String, _ isCut: Bool) {
        guard let host = hosts[name] else { return }
        simulation.fabric.setConditions(isCut ? .cut : LineConditions(), of: .interface(host.simulated.interfaces[0]))
    }

    func remove(_ name: String) {
        if let host = hosts.removeValue(forKey: name) { simulation.kill(host.simulated) }
    }

    /// Puts a datagram on the wire as if `source` had sent it.
    func inject(_ bytes: [UInt8], from source: Endpoint, to target: Endpoint) {
        injected.append(bytes)
        simulation.fabric.inject(bytes, from: source, to: target, at: now)
    }

    /// Lets time pass, and everything happen that is due.
    func run(for duration: Duration) { simulation.run(for: duration) }

    /// Sets every host's calendar forward, without letting the monotonic clocks run.
    func skipCalendar(_ duration: Duration) { simulation.skipCalendar(duration) }

    // MARK: looking

    var now: Instant { simulation.now }
    var unixTime: Duration { simulation.unixTime }
    var wallTime: WallTime { simulation.wallTime() }
    var sentBeforePublishing: Int { simulation.sentBeforePublishing }
    /// Every datagram that was sent.
    var captured: [[UInt8]] { simulation.datagrams + injected }

    // MARK: conditions

    /// For identities and seeds.
    var keys: SecureRandom {
        get { simulation.keys }
        set { simulation.keys = newValue }
    }

    var delay: Duration {
        get { simulation.fabric.transit.delay }
        set { simulation.fabric.transit.delay = newValue }
    }

    var lossPercent: Int = 0 {
        didSet { simulation.fabric.transit.loss = Double(lossPercent) / 100 }
    }

    var duplicatePercent: Int = 0 {
        didSet { simulation.fabric.transit.duplication = Double(duplicatePercent) / 100 }
    }

    /// Added to `delay` at random, so that datagrams overtake each other.
    var jitter: Duration = .zero {
        didSet {
            simulation.fabric.transit.reordering = jitter == .zero ? 0 : 1
            simulation.fabric.transit.reorderingDelay = jitter
        }
    }

    static func packet(from source: IPAddress, to destination: IPAddress, marker: UInt8) -> [UInt8] {
        let payload = [UInt8](repeating: marker, count: 44)
        let header: [UInt8] = [0x45, 0, 0, 64, 0, 0, 0x40, 0, 64, 253, 0, 0]
        return header + source.bytes + destination.bytes + payload
    }
}
