import Crypto
import Datapath
import Identity
import Mesh
import Relay
import SansIO
import Traversal
import Wire

/// Nodes on a network in memory, in virtual time: each has the node value and the plain packet path of the simulator.
///
/// Hosts have one address each. A host behind a port-restricted NAT has a private address; what it sends leaves from its NAT's
/// address and the same port, and only endpoints that it has sent to get back in.
final class VirtualMesh {
    struct Host {
        var node: Node
        var path = PlainPath()
        let address: Endpoint
        /// The NAT's outside address, if the host is behind one.
        let outside: IPAddress?
        var contacted: Set<Endpoint> = []
        var isCut = false
        /// Packets that reached the host's TUN.
        var delivered: [[UInt8]] = []
        var events: [NodeEvent] = []
        var saved: [Node.StateChange] = []
    }

    private struct Flight {
        var arrivesAt: Instant
        var order: Int
        var source: Endpoint
        var target: Endpoint
        var bytes: [UInt8]
    }

    private(set) var hosts: [String: Host] = [:]
    private(set) var now = Instant.zero + .seconds(100)
    private var flights: [Flight] = []
    private var order = 0
    private(set) var captured: [[UInt8]] = []
    var delay: Duration = .milliseconds(10)
    var lossPercent = 0
    /// How often something was sent whose answer the packet threads might not have known what to do with.
    private(set) var sentBeforePublishing = 0
    var duplicatePercent = 0
    /// Added to `delay` at random, so that datagrams overtake each other.
    var jitter: Duration = .zero
    /// How far the wall clocks have run beyond the time that passed.
    private var wallLead: Duration = .zero
    /// For identities and seeds.
    var keys: SecureRandom
    private var blocked: Set<Set<String>> = []
    private var lottery: SeededRandom
    static let unixTime: Duration = .seconds(1_800_000_000)

    init(seed: UInt8 = 1) {
        keys = SecureRandom(seed: Secret(Array(repeating: seed, count: 32)))
        lottery = SeededRandom(seed: UInt64(seed))
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
        guard var host = hosts[name] else { return nil }
        defer { hosts[name] = host }
        return try? host.node.invite(on: terms, at: now)
    }

    @discardableResult
    func join(_ name: String, at address: String, behind outside: String? = nil, with token: JoinToken?) -> NodeID? {
        guard let token,
            let identity = try? NodeIdentity.join(token, name: NodeName(name)!, now: wallTime, using: &keys)
        else { return nil }
        var restored = Node.Restored()
        restored.bootstrap = token.bootstrap
        add(name, identity, Endpoint(address)!, outside: outside.flatMap { IPAddress($0) }, restored)
        return identity.nodeID
    }

    func add(
        _ name: String, _ identity: NodeIdentity, _ address: Endpoint, outside: IPAddress?,
        _ restored: Node.Restored = Node.Restored()
    ) {
        var configuration = NodeConfiguration()
        configuration.local = [address]
        let node = Node(
            identity: identity, configuration: configuration, restored: restored, seed: keys.secret(32),
            unixTime: unixTime, at: now)
        hosts[name] = Host(node: node, address: address, outside: outside)
        settle(name)
    }

    // MARK: doing

    func with(_ name: String, _ body: (inout Node, Instant) -> Void) {
        guard hosts[name] != nil else { return }
        body(&hosts[name]!.node, now)
        settle(name)
    }

    /// Sends an IPv4 packet from the first address of one node's prefix to another's.
    func sendPacket(from sender: String, to receiver: String, marker: UInt8, source: IPAddress? = nil) {
        guard let from = hosts[sender]?.node.identity.addresses[0], let to = hosts[receiver]?.node.identity.addresses[0]
        else { return }
        let packet = Self.packet(from: source ?? from, to: to, marker: marker)
        let outcome = hosts[sender]!.path.send(packet, at: now)
        carryOut(outcome, on: sender)
        settle(sender)
    }

    /// Nothing passes directly between two hosts from now on.
    func block(_ one: String, _ other: String) { blocked.insert([one, other]) }

    /// What a host would read from its disk.
    static func restored(from saved: [Node.StateChange]) -> Node.Restored {
        var restored = Node.Restored()
        var records: [NodeID: [UInt8]] = [:]
        for change in saved {
            switch change {
            case .record(let node, _, let encoded): records[node] = encoded
            case .forgetRecord(let node): records[node] = nil
            case .handshakeTimestamp(let timestamp): restored.handshakeTimestamp = timestamp
            case .recordNumber(let number): restored.recordNumber = number
            case .recentPeers(let peers): restored.recentPeers = peers
            case .reachable: restored.isReachable = true
            case .identity: break
            }
        }
        restored.records = records.sorted { $0.key < $1.key }.map(\.value)
        return restored
    }

    func cut(_ name: String, _ isCut: Bool) { hosts[name]?.isCut = isCut }
    func remove(_ name: String) { hosts[name] = nil }

    /// Puts a datagram on the wire as if `source` had sent it.
    func inject(_ bytes: [UInt8], from source: Endpoint, to target: Endpoint) {
        launch(bytes, from: source, to: target)
    }

    /// Lets time pass, and everything happen that is due.
    func run(for duration: Duration) {
        let end = now + duration
        while true {
            let deadline = hosts.values.compactMap(\.node.nextDeadline).min() ?? .distantFuture
            let arrival = flights.map(\.arrivesAt).min() ?? .distantFuture
            let next = min(deadline, arrival)
            guard next <= end else { break }
            now = max(now, next)
            deliverArrivals()
            for name in hosts.keys.sorted() where (hosts[name]?.node.nextDeadline ?? .distantFuture) <= now {
                hosts[name]?.node.advance(to: now)
                settle(name)
            }
        }
        now = end
    }

    var unixTime: Duration { Self.unixTime + wallLead + .nanoseconds(Int64(now.nanoseconds)) }

    /// Sets every host's calendar forward, without letting the monotonic clocks run.
    func skipCalendar(_ duration: Duration) {
        wallLead += duration
        for name in hosts.keys.sorted() { with(name) { $0.setWallClock(unixTime: unixTime, at: $1) } }
    }
    var wallTime: WallTime { WallTime(seconds: UInt64(unixTime.components.seconds)) }

    // MARK: steps

    private func settle(_ name: String) {
        for _ in 0..<64 {
            let actions = hosts[name]?.node.takeActions() ?? []
            if actions.isEmpty { return }
            let firstSend = actions.firstIndex { if case .send = $0 { true } else { false } } ?? actions.endIndex
            let publish = actions.firstIndex { if case .publish = $0 { true } else { false } } ?? 0
            if publish > firstSend { sentBeforePublishing += 1 }
            for action in actions { carryOut(action, on: name) }
        }
        fatalError("node \(name) does not settle")
    }

    private func carryOut(_ action: Node.Action, on name: String) {
        switch action {
        case .send(let bytes, let destination):
            emit((destination.circuit.map(RelayFrame.header) ?? []) + bytes, to: destination.endpoint, from: name)
        case .publish(let tables): hosts[name]?.path.tables = tables
        case .event(let event): hosts[name]?.events.append(event)
        case .save(let change): hosts[name]?.saved.append(change)
        case .openStream(let link, _): hosts[name]?.node.linkClosed(link, at: now)
        case .closeLink: break
        }
    }

    private func carryOut(_ outcome: PlainPath.Outcome, on name: String) {
        for datagram in outcome.datagrams { emit(datagram.bytes, to: datagram.destination.endpoint, from: name) }
        if let packet = outcome.packet { hosts[name]?.delivered.append(packet) }
        hosts[name]?.node.receive(outcome.upcalls, at: now)
    }

    private func emit(_ bytes: [UInt8], to target: Endpoint, from name: String) {
        guard let host = hosts[name], !host.isCut else { return }
        hosts[name]?.contacted.insert(target)
        launch(bytes, from: visibleEndpoint(of: host), to: target)
    }

    private func visibleEndpoint(of host: Host) -> Endpoint {
        host.outside.map { Endpoint($0, port: host.address.port) } ?? host.address
    }

    private func launch(_ bytes: [UInt8], from source: Endpoint, to target: Endpoint) {
        captured.append(bytes)
        if Int.random(in: 0..<100, using: &lottery) < lossPercent { return }
        let copies = Int.random(in: 0..<100, using: &lottery) < duplicatePercent ? 2 : 1
        for _ in 0..<copies {
            order += 1
            let extra = Duration.nanoseconds(Int64.random(in: 0...jitter.nanoseconds, using: &lottery))
            flights.append(
                Flight(arrivesAt: now + delay + extra, order: order, source: source, target: target, bytes: bytes))
        }
    }

    private func deliverArrivals() {
        let due = flights.filter { $0.arrivesAt <= now }.sorted { ($0.arrivesAt, $0.order) < ($1.arrivesAt, $1.order) }
        flights.removeAll { $0.arrivesAt <= now }
        for flight in due {
            guard let name = receiver(of: flight), hosts[name]?.isCut == false, !isBlocked(flight.source, name) else {
                continue
            }
            let outcome = hosts[name]!.path.receive(flight.bytes, from: flight.source, at: now)
            carryOut(outcome, on: name)
            settle(name)
        }
    }

    private func isBlocked(_ source: Endpoint, _ receiver: String) -> Bool {
        let sender = hosts.first { visibleEndpoint(of: $0.value) == source }?.key
        return sender.map { blocked.contains([$0, receiver]) } ?? false
    }

    private func receiver(of flight: Flight) -> String? {
        hosts.keys.sorted().first { name in
            guard let host = hosts[name] else { return false }
            guard let outside = host.outside else { return host.address == flight.target }
            return flight.target == Endpoint(outside, port: host.address.port) && host.contacted.contains(flight.source)
        }
    }

    static func packet(from source: IPAddress, to destination: IPAddress, marker: UInt8) -> [UInt8] {
        let payload = [UInt8](repeating: marker, count: 44)
        let header: [UInt8] = [0x45, 0, 0, 64, 0, 0, 0x40, 0, 64, 253, 0, 0]
        return header + source.bytes + destination.bytes + payload
    }
}
