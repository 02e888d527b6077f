package import Crypto
import Datapath
package import Identity
package import Mesh
import Relay
package import SansIO
package import Wire

/// Hosts on a network in memory, in virtual time. One seed decides everything: a run repeats bit by bit.
///
/// What is due at one moment happens in this order: datagrams arrive, what was planned takes place, nodes' timers fire.
package final class Simulation {
    /// Something that happens at a moment, apart from datagrams and nodes' timers.
    enum Plan {
        case send(flow: Int)
        case forward([UInt8], Destination, host: Int)
        case deliver(Fabric.Arrival)
        case stream(StreamStep)
        case act((Simulation) -> Void)
    }

    package static let unixTime: Duration = .seconds(1_800_000_000)
    /// Rounds of actions that a node may ask for without time passing.
    private static let settlingLimit = 64

    package let seed: UInt64
    /// When runs begin.
    package static let start = Instant.zero + .seconds(100)
    package private(set) var now = Simulation.start
    package var fabric: Fabric
    package private(set) var hosts: [Host] = []
    package private(set) var flows: [Flow] = []
    /// What was found to be wrong, in the order of time.
    package internal(set) var violations: [Violation] = []
    /// For identities and nodes' seeds, and for whatever a scenario draws.
    package var keys: SecureRandom
    package var random: SeededRandom
    /// Hostile copies of datagrams.
    package var mischief: Mischief?
    /// Every datagram, delivered packet and state change is kept.
    package var isRecording = false
    package private(set) var datagrams: [[UInt8]] = []
    /// How often something was sent whose answer the packet threads might not have known what to do with.
    package private(set) var sentBeforePublishing = 0
    /// How far all wall clocks have run beyond the time that passed.
    private var wallLead: Duration = .zero
    /// Hosts that nothing may be delivered to or from, since when.
    var denied: [Int: Instant] = [:]
    /// TLS streams between hosts, by each end.
    var streams: [StreamEnd: StreamEnd] = [:]
    /// One way of a stream; UDP being blocked does not matter to it.
    package var streamDelay: Duration = .milliseconds(15)
    /// Hosts that no stream leads to or from.
    package var streamless: Set<Int> = []
    private var deadlines = Deadlines<Int>()
    var plans = EventQueue<Plan>()
    private var digestState = RunDigest()
    private let signatures = SharedSignatures()

    package init(seed: UInt64) {
        self.seed = seed
        var seeds = SeededRandom(seed: seed)
        fabric = Fabric(seed: seeds.next())
        random = SeededRandom(seed: seeds.next())
        let bytes = (0..<4).flatMap { _ in Self.bytes(of: seeds.next()) }
        keys = SecureRandom(seed: Secret(bytes))
    }

    private static func bytes(of number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }

    /// A fingerprint of everything that has happened.
    package var digest: Bytes32 { digestState.value }

    package func host(named name: String) -> Host? { hosts.last { $0.name == name } }

    // MARK: hosts

    /// A host with one interface in each of `places`, which begins to run at once.
    @discardableResult
    package func addHost(
        _ name: String, _ identity: NodeIdentity, in places: [Place], port: UInt16 = 20_007,
        configuration: NodeConfiguration = NodeConfiguration(), restored: Node.Restored = Node.Restored()
    ) -> Host {
        let index = hosts.count
        let interfaces = places.map { fabric.addInterface(of: index, in: $0.network, addresses: $0.addresses) }
        var configuration = configuration
        configuration.local = places.flatMap(\.addresses).map { Endpoint($0, port: port) }
        configuration.secondPort = port + 1
        let node = makeNode(identity, configuration, restored, wallLead: .zero)
        let host = Host(
            name: name, index: index, port: port, node: node, identity: identity, disk: Disk(restored))
        host.interfaces = interfaces
        hosts.append(host)
        settle(host)
        return host
    }

    private func makeNode(
        _ identity: NodeIdentity, _ configuration: NodeConfiguration, _ restored: Node.Restored, wallLead: Duration
    ) -> Node {
        Node(
            identity: identity, configuration: configuration, restored: restored, seed: keys.secret(32),
            unixTime: unixTime + wallLead, signatures: signatures.check, at: now)
    }

    /// Lets something be done with a host's node, and carries out what that leads to.
    package func with(_ host: Host, _ body: (inout Node, Instant) -> Void) {
        body(&host.node, now)
        settle(host)
    }

    /// The host is gone, silently. Its interfaces stay where they are.
    package func kill(_ host: Host) {
        host.condition = .dead
        host.backlog = []
        closeStreams(of: host)
        deadlines.remove(host.index)
    }

    /// A dead host starts again with what is on its disk, or with its identity alone.
    package func restart(_ host: Host, withDisk: Bool = true) {
        let restored = withDisk ? host.disk.restored : host.disk.remainder
        host.path = PlainPath()
        host.node = makeNode(host.identity, host.node.configuration, restored, wallLead: host.wallLead)
        host.condition = .running
        settle(host)
    }

    package func suspend(_ host: Host) {
        guard host.condition == .running else { return }
        host.condition = .suspended
        deadlines.remove(host.index)
    }

    package func resume(_ host: Host) {
        guard host.condition == .suspended else { return }
        host.condition = .running
        let backlog = host.backlog
        host.backlog = []
        for arrival in backlog { receive(arrival) }
        settle(host)
    }

    /// The host's wall clock jumps.
    package func jumpClock(of host: Host, by duration: Duration) {
        host.wallLead += duration
        with(host) { $0.setWallClock(unixTime: unixTime + host.wallLead, at: $1) }
    }

    /// Tells the node which addresses its host has now, as the agent does when the kernel says so.
    package func addressesChanged(on host: Host) {
        let addresses = host.interfaces.flatMap { fabric.addresses(of: $0) }
        with(host) { node, now in
            var configuration = node.configuration
            configuration.local = addresses.map { Endpoint($0, port: host.port) }
            node.configure(configuration, at: now)
        }
    }

    /// Sets every host's calendar forward, without letting the monotonic clocks run.
    package func skipCalendar(_ duration: Duration) {
        wallLead += duration
        for host in hosts where host.condition == .running {
            with(host) { $0.setWallClock(unixTime: unixTime + host.wallLead, at: $1) }
        }
    }

    /// Simulated time since 1970.
    package var unixTime: Duration { Self.unixTime + wallLead + .nanoseconds(Int64(now.nanoseconds)) }

    package func wallTime(of host: Host? = nil) -> WallTime {
        WallTime(seconds: UInt64((unixTime + (host?.wallLead ?? .zero)).components.seconds))
    }

    // MARK: time

    /// Plans something for later.
    package func after(_ delay: Duration, _ body: @escaping (Simulation) -> Void) {
        plans.add(.act(body), at: now + delay)
    }

    /// Lets time pass, and everything happen that is due.
    package func run(for duration: Duration) {
        let end = now + duration
        while true {
            let due = [fabric.nextDeadline, plans.earliest, deadlines.earliest].compactMap { $0 }.min()
            guard let due, due <= end else { break }
            now = max(now, due)
            while let arrival = fabric.nextArrival(at: now) { arrive(arrival) }
            while let plan = plans.popFirst(dueAt: now) { carryOut(plan) }
            while let index = deadlines.popExpired(at: now) {
                hosts[index].node.advance(to: now)
                settle(hosts[index])
            }
        }
        now = end
    }

    // MARK: traffic

    /// Sends packets from one host's address to another's, beginning now.
    @discardableResult
    package func startFlow(
        _ kind: Flow.Kind = .oneWay, from sender: Host, to receiver: Host, every interval: Duration,
        payloadBytes: Int = 44, for duration: Duration? = nil
    ) -> Flow {
        let flow = Flow(
            number: flows.count, kind: kind, from: sender.index, to: receiver.index, every: interval,
            payloadBytes: payloadBytes, at: now, until: duration.map { now + $0 } ?? .distantFuture)
        flows.append(flow)
        plans.add(.send(flow: flow.number), at: now)
        return flow
    }

    package func stop(_ flow: Flow) { flow.endsAt = now }

    /// Sends one IP packet from a host's TUN.
    package func send(_ packet: [UInt8], from host: Host) {
        guard host.condition == .running else { return }
        carryOut(host.path.send(packet, at: now), on: host, for: nil)
        settle(host)
    }

    // MARK: steps

    private func carryOut(_ plan: Plan) {
        switch plan {
        case .send(let number): continueFlow(flows[number])
        case .forward(let bytes, let destination, let index):
            if hosts[index].condition == .running { emit(bytes, to: destination, from: hosts[index]) }
        case .deliver(let arrival): receive(arrival)
        case .stream(let step): carryOut(step)
        case .act(let body): body(self)
        }
    }

    private func continueFlow(_ flow: Flow) {
        guard now < flow.endsAt else { return }
        plans.add(.send(flow: flow.number), at: now + flow.interval)
        let sender = hosts[flow.sender]
        guard sender.condition == .running else { return }
        let packet = FlowPacket(flow: UInt32(flow.number), sequence: flow.takeSequence(at: now), isAnswer: false)
        let target = hosts[flow.receiver].node.identity.addresses[0]
        send(
            packet.encoded(from: sender.node.identity.addresses[0], to: target, payloadBytes: flow.payloadBytes),
            from: sender)
    }

    private func arrive(_ arrival: Fabric.Arrival) {
        if let copy = mischief?.copy(of: arrival) {
            switch copy.way {
            case .onward: plans.add(.deliver(copy.arrival), at: now + copy.delay)
            case .back:
                fabric.send(
                    copy.arrival.bytes, from: arrival.target, to: arrival.source, outOf: arrival.interface, by: nil,
                    at: now)
            }
        }
        receive(arrival)
    }

    private func receive(_ arrival: Fabric.Arrival) {
        let host = hosts[arrival.host]
        switch host.condition {
        case .dead: return
        case .suspended:
            if host.backlog.count < Host.socketBufferLimit { host.backlog.append(arrival) }
            return
        case .running: break
        }
        if let number = host.probes[arrival.target.port] {
            host.node.receiveProbe(arrival.bytes, from: arrival.source, on: number, at: now)
            return settle(host)
        }
        guard let source = host.source(of: arrival.source, to: arrival.target.port) else { return }
        digestState.add(
            now.nanoseconds, UInt64(arrival.host), UInt64(arrival.source.port), bytes: arrival.bytes)
        let outcome = host.path.receive(
            arrival.bytes, from: source, localAddress: source.isLink ? nil : arrival.target.address, at: now)
        carryOut(outcome, on: host, for: arrival)
        settle(host)
    }

    /// `arrival`: the datagram whose receipt led to this; `nil` for a packet from the TUN.
    func carryOut(_ outcome: PlainPath.Outcome, on host: Host, for arrival: Fabric.Arrival?) {
        for datagram in outcome.datagrams {
            if let arrival {
                checkForwarding(arrival, by: host)
                forward(datagram, by: host)
            } else if let time = datagram.sendAt {
                plans.add(.forward(datagram.bytes, datagram.destination, host: host.index), at: time)
            } else {
                emit(datagram.bytes, to: datagram.destination, from: host)
            }
        }
        if let packet = outcome.packet { deliver(packet, to: host) }
        if !outcome.upcalls.isEmpty { host.node.receive(outcome.upcalls, at: now) }
    }

    private func forward(_ datagram: PlainPath.Datagram, by host: Host) {
        host.forwardedCount += 1
        guard let conditions = host.relaying else {
            emit(datagram.bytes, to: datagram.destination, from: host)
            return
        }
        for copy in host.relayLine.carry(datagram.bytes.count, under: conditions, at: now, using: &random) {
            var bytes = datagram.bytes
            if let bit = copy.flippedBit { bytes[bit / 8] ^= 1 << (bit % 8) }
            plans.add(.forward(bytes, datagram.destination, host: host.index), at: copy.arrivesAt)
        }
    }

    private func deliver(_ packet: [UInt8], to host: Host) {
        host.deliveredCount += 1
        if isRecording { host.delivered.append(packet) }
        digestState.add(now.nanoseconds, UInt64(host.index), bytes: packet)
        guard let content = FlowPacket(parsing: packet), flows.indices.contains(Int(content.flow)) else { return }
        let flow = flows[Int(content.flow)]
        checkDelivery(of: flow, isAnswer: content.isAnswer, at: host)
        guard flow.kind == .requests, !content.isAnswer else {
            flow.deliver(content.sequence, at: now)
            return
        }
        let answer = FlowPacket(flow: content.flow, sequence: content.sequence, isAnswer: true)
        let target = hosts[flow.sender].node.identity.addresses[0]
        let bytes = answer.encoded(
            from: host.node.identity.addresses[0], to: target, payloadBytes: flow.payloadBytes)
        carryOut(host.path.send(bytes, at: now), on: host, for: nil)
    }

    func emit(
        _ bytes: [UInt8], to destination: Destination, from host: Host, port: UInt16? = nil, hops: UInt8 = 64
    ) {
        if isRecording { datagrams.append(bytes) }
        var destination = destination
        var port = port ?? host.port
        if let link = destination.endpoint.link {
            guard let socket = host.sockets[link.number] else {
                return send(bytes, along: StreamEnd(host: host.index, link: link.number))
            }
            port = socket.port
            destination = Destination(socket.remote)
        }
        guard let (interface, address) = route(to: destination, from: host) else { return }
        fabric.send(
            bytes, from: Endpoint(address, port: port), to: destination.endpoint, outOf: interface,
            by: host.index, hops: Int(hops), at: now)
    }

    /// The interface and address that a datagram leaves from: the wanted address's, else one in the target's own network,
    /// else the first of the family.
    private func route(to destination: Destination, from host: Host) -> (Fabric.InterfaceID, IPAddress)? {
        let isIPv4 = destination.endpoint.address.isIPv4
        var first: (Fabric.InterfaceID, IPAddress)?
        for interface in host.interfaces {
            for address in fabric.addresses(of: interface) where address.isIPv4 == isIPv4 {
                if address == destination.localAddress { return (interface, address) }
                let isNear = fabric.isNeighbour(destination.endpoint.address, of: interface)
                if destination.localAddress == nil, isNear { return (interface, address) }
                if first == nil { first = (interface, address) }
            }
        }
        return first
    }

    func settle(_ host: Host) {
        for _ in 0..<Self.settlingLimit {
            let (actions, deadline) = host.node.takeWork()
            if actions.isEmpty {
                deadlines.set(host.condition == .running ? deadline : nil, for: host.index)
                return
            }
            noteOrder(of: actions)
            for action in actions { carryOut(action, on: host) }
        }
        preconditionFailure("node \(host.name) does not settle; seed \(seed)")
    }

    private func noteOrder(of actions: [Node.Action]) {
        let firstSend = actions.firstIndex { if case .send = $0 { true } else { false } } ?? actions.endIndex
        let publish = actions.firstIndex { if case .publish = $0 { true } else { false } } ?? 0
        if publish > firstSend { sentBeforePublishing += 1 }
    }

    private func carryOut(_ action: Node.Action, on host: Host) {
        switch action {
        case .send(let bytes, let destination):
            let header = destination.circuit.map(RelayFrame.header) ?? []
            emit(header + bytes, to: destination, from: host)
        case .dialBack(let bytes, let target): dialBack(bytes, to: target, from: host)
        case .sendBriefly(let bytes, let destination, let hops):
            let header = destination.circuit.map(RelayFrame.header) ?? []
            emit(header + bytes, to: destination, from: host, hops: hops)
        case .openProbes(let sockets): openProbes(sockets, on: host)
        case .probe(let bytes, let number, let target): probe(bytes, from: number, to: target, on: host)
        case .closeProbes(let numbers): closeProbes(numbers, on: host)
        case .publish(let tables): host.path.tables = tables
        case .openStream(let link, let target): open(StreamEnd(host: host.index, link: link), to: target)
        case .closeLink(let link):
            if host.sockets.removeValue(forKey: link) == nil { close(StreamEnd(host: host.index, link: link)) }
        case .proveLink: break
        case .openSockets(let links, let target):
            for link in links {
                host.openSocket(link, to: target)
                host.node.linkOpened(Link(number: link, kind: .socket, remote: target), at: now)
            }
        case .event(let event): host.happenings.append(Host.Happening(at: now, event: event))
        case .save(let change):
            host.disk.save(change)
            if change == .identity { host.identity = host.node.identity }
            if isRecording { host.saved.append(change) }
        }
    }
}
