package import SansIO
package import Wire

/// The network between the hosts: where a datagram goes, what becomes of it on the way, and when it arrives.
///
/// ```
///   host ─ interface ─ network ┬─ interface ─ host
///                              └─ gateway (NAT, firewall) ─ network … ─ internet
/// ```
/// Interfaces and gateways have one line in each direction. Between two that are attached to the internet lies a transit
/// line of their own in each direction; within other networks nothing is in between. A network has at most one gateway.
package struct Fabric: Sendable {
    package struct NetworkID: Hashable, Sendable { let index: Int }
    package struct GatewayID: Hashable, Sendable { let index: Int }
    package struct InterfaceID: Hashable, Sendable { let index: Int }

    /// What a network knows behind an address.
    package enum Neighbour: Hashable, Sendable {
        case interface(InterfaceID)
        case gateway(GatewayID)
        /// Who puts datagrams on the wire without being attached anywhere.
        case stranger
    }

    package enum Direction: Sendable { case up, down }

    /// Both directions of a connection: `up` leads away from the host or the inside network.
    struct Connection: Sendable {
        var up = LineConditions()
        var down = LineConditions()
        var upLine = Line()
        var downLine = Line()
    }

    struct Network: Sendable {
        var neighbours: [IPAddress: Neighbour] = [:]
        /// Prefixes that lead to a gateway's inside, by length, and the lengths there are.
        var prefixes: [IPPrefix: GatewayID] = [:]
        var lengths: [Int] = []
        var uplink: GatewayID?
    }

    struct Gateway: Sendable {
        let outside: NetworkID
        let inside: NetworkID
        var address: IPAddress
        /// `nil`: only what is routed gets through.
        var nat: NATBox?
        /// For prefixes that are routed to the inside; `nil` lets everything through.
        var firewall: NATBox?
        var blocksUDP = false
        var connection = Connection()
    }

    struct Interface: Sendable {
        let host: Int
        var network: NetworkID
        var addresses: [IPAddress]
        var isUp = true
        var connection = Connection()
    }

    /// A datagram on its way.
    struct Flight: Sendable {
        enum Stage: Sendable {
            case leaving(InterfaceID)
            /// In a network, come from this neighbour.
            case within(NetworkID, from: Neighbour)
            /// Before the gateway's inside; on the way to its outside; before its outside.
            case outward(GatewayID)
            case nearing(GatewayID)
            case inward(GatewayID)
            case entering(InterfaceID)
            case arriving(InterfaceID)
        }

        var source: Endpoint
        var target: Endpoint
        var bytes: [UInt8]
        /// The host that really sent it; `nil` for what was put on the wire from outside.
        let sender: Int?
        var stage: Stage
        /// Gateways and the internet count as one router each; what may pass no more of them ends.
        var hopsLeft = 64
    }

    package struct Arrival: Sendable {
        package var interface: InterfaceID
        package var host: Int
        package var source: Endpoint
        package var target: Endpoint
        package var bytes: [UInt8]
        package var sender: Int?
    }

    package struct Counters: Equatable, Sendable {
        package var sent = 0
        package var arrived = 0
        package var lostOnLines = 0
        package var refusedByGateways = 0
        package var unroutable = 0
        /// Sent to pass so few routers.
        package var outOfHops = 0
    }

    struct Pair: Hashable, Sendable {
        var from: Neighbour
        var to: Neighbour
    }

    package static let internet = NetworkID(index: 0)
    /// Conditions between two that are attached to the internet, unless `setTransit` says otherwise.
    package var transit = LineConditions()
    package internal(set) var counters = Counters()
    var networks = [Network()]
    var gateways: [Gateway] = []
    var interfaces: [Interface] = []
    var transitLines: [Pair: Line] = [:]
    var transitConditions: [Pair: LineConditions] = [:]
    var cuts: [(name: String, inside: Set<Neighbour>)] = []
    var flights = EventQueue<Flight>()
    var random: SeededRandom

    package init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    // MARK: building

    /// A network behind a gateway whose outside address is `address` in `outside`. `prefixes` are routed to the inside
    /// without translation, through a firewall if there is one.
    package mutating func addGateway(
        _ behavior: NATBehavior?, at address: IPAddress, in outside: NetworkID = internet,
        routing prefixes: [IPPrefix] = [], through firewall: NATBehavior? = .firewall
    ) -> (gateway: GatewayID, inside: NetworkID) {
        let gateway = GatewayID(index: gateways.count)
        let inside = NetworkID(index: networks.count)
        networks.append(Network(uplink: gateway))
        gateways.append(
            Gateway(
                outside: outside, inside: inside, address: address,
                nat: behavior.map { NATBox($0, address: address, seed: random.next()) },
                firewall: firewall.map { NATBox($0, address: address, seed: random.next()) }))
        networks[outside.index].neighbours[address] = .gateway(gateway)
        for prefix in prefixes { route(prefix, to: gateway) }
        return (gateway, inside)
    }

    /// A network that nothing leads out of.
    package mutating func addNetwork() -> NetworkID {
        networks.append(Network())
        return NetworkID(index: networks.count - 1)
    }

    package mutating func addInterface(of host: Int, in network: NetworkID, addresses: [IPAddress]) -> InterfaceID {
        let interface = InterfaceID(index: interfaces.count)
        interfaces.append(Interface(host: host, network: network, addresses: addresses))
        for address in addresses { networks[network.index].neighbours[address] = .interface(interface) }
        return interface
    }

    /// Prefixes lead from the gateway's outside to its inside.
    private mutating func route(_ prefix: IPPrefix, to gateway: GatewayID) {
        let outside = gateways[gateway.index].outside.index
        networks[outside].prefixes[prefix] = gateway
        if !networks[outside].lengths.contains(prefix.length) {
            networks[outside].lengths = (networks[outside].lengths + [prefix.length]).sorted(by: >)
        }
    }

    // MARK: changing

    package mutating func setConditions(_ conditions: LineConditions, of neighbour: Neighbour, _ direction: Direction) {
        update(neighbour) { connection in
            switch direction {
            case .up: connection.up = conditions
            case .down: connection.down = conditions
            }
        }
    }

    package mutating func setConditions(_ conditions: LineConditions, of neighbour: Neighbour) {
        setConditions(conditions, of: neighbour, .up)
        setConditions(conditions, of: neighbour, .down)
    }

    /// Conditions between two neighbours on the internet, in one direction; `nil`: those of all others.
    package mutating func setTransit(_ conditions: LineConditions?, from: Neighbour, to: Neighbour) {
        transitConditions[Pair(from: from, to: to)] = conditions
    }

    /// Parts the neighbours of the internet: nothing passes between those in `inside` and all others.
    package mutating func partition(_ name: String, _ inside: Set<Neighbour>) {
        heal(name)
        cuts.append((name, inside))
    }

    package mutating func heal(_ name: String) { cuts.removeAll { $0.name == name } }

    package mutating func setUp(_ isUp: Bool, _ interface: InterfaceID) { interfaces[interface.index].isUp = isUp }

    package mutating func setAddresses(_ addresses: [IPAddress], of interface: InterfaceID) {
        let network = interfaces[interface.index].network.index
        for old in interfaces[interface.index].addresses
        where networks[network].neighbours[old] == .interface(interface) {
            networks[network].neighbours[old] = nil
        }
        interfaces[interface.index].addresses = addresses
        for new in addresses { networks[network].neighbours[new] = .interface(interface) }
    }

    /// Plugs an interface into another network, with addresses of that.
    package mutating func move(_ interface: InterfaceID, to network: NetworkID, addresses: [IPAddress]) {
        setAddresses([], of: interface)
        interfaces[interface.index].network = network
        setAddresses(addresses, of: interface)
    }

    /// The gateway's address outside is another one: its mappings are gone.
    package mutating func setAddress(_ address: IPAddress, of gateway: GatewayID) {
        let outside = gateways[gateway.index].outside.index
        networks[outside].neighbours[gateways[gateway.index].address] = nil
        networks[outside].neighbours[address] = .gateway(gateway)
        gateways[gateway.index].address = address
        gateways[gateway.index].nat?.address = address
    }

    package mutating func rebind(_ gateway: GatewayID) {
        gateways[gateway.index].nat?.rebind()
        gateways[gateway.index].firewall?.rebind()
    }

    package mutating func setBlocksUDP(_ blocks: Bool, at gateway: GatewayID) {
        gateways[gateway.index].blocksUDP = blocks
    }

    private mutating func update(_ neighbour: Neighbour, _ body: (inout Connection) -> Void) {
        switch neighbour {
        case .interface(let interface): body(&interfaces[interface.index].connection)
        case .gateway(let gateway): body(&gateways[gateway.index].connection)
        case .stranger: break
        }
    }

    // MARK: asking

    package func addresses(of interface: InterfaceID) -> [IPAddress] {
        interfaces[interface.index].isUp ? interfaces[interface.index].addresses : []
    }

    /// Whether an address is in the interface's own network.
    package func isNeighbour(_ address: IPAddress, of interface: InterfaceID) -> Bool {
        if case .interface? = networks[interfaces[interface.index].network.index].neighbours[address] {
            true
        } else {
            false
        }
    }

    package func host(of interface: InterfaceID) -> Int { interfaces[interface.index].host }
    package func isTranslating(_ gateway: GatewayID) -> Bool { gateways[gateway.index].nat != nil }
    package func isOnInternet(_ gateway: GatewayID) -> Bool { gateways[gateway.index].outside == Self.internet }
    package func address(of gateway: GatewayID) -> IPAddress { gateways[gateway.index].address }
    package func mappingCount(of gateway: GatewayID) -> Int { gateways[gateway.index].nat?.mappingCount ?? 0 }

    /// What stands for an interface on the internet: itself, or the outermost gateway before it; `nil` without an uplink.
    package func edge(of interface: InterfaceID) -> Neighbour? {
        var network = interfaces[interface.index].network
        var edge = Neighbour.interface(interface)
        while network != Self.internet {
            guard let uplink = networks[network.index].uplink else { return nil }
            edge = .gateway(uplink)
            network = gateways[uplink.index].outside
        }
        return edge
    }

    // MARK: carrying

    /// When `nextArrival(at:)` next has something to do.
    package var nextDeadline: Instant? { flights.earliest }

    /// Sends a datagram out of an interface. Preconditions of real hosts hold: the interface is up and has the address.
    package mutating func send(
        _ bytes: [UInt8], from source: Endpoint, to target: Endpoint, outOf interface: InterfaceID, by sender: Int?,
        hops: Int = 64, at now: Instant
    ) {
        counters.sent += 1
        let sending = interfaces[interface.index]
        guard sending.isUp, sending.addresses.contains(source.address) else {
            counters.unroutable += 1
            return
        }
        proceed(
            Flight(
                source: source, target: target, bytes: bytes, sender: sender, stage: .leaving(interface),
                hopsLeft: hops), at: now)
    }

    /// Puts a datagram on the internet as if somebody there had sent it, whatever its source says.
    package mutating func inject(_ bytes: [UInt8], from source: Endpoint, to target: Endpoint, at now: Instant) {
        counters.sent += 1
        let origin = networks[Self.internet.index].neighbours[source.address] ?? .stranger
        proceed(
            Flight(
                source: source, target: target, bytes: bytes, sender: nil, stage: .within(Self.internet, from: origin)),
            at: now)
    }

    /// Lets datagrams travel until one has arrived; `nil` when none does by `now`.
    package mutating func nextArrival(at now: Instant) -> Arrival? {
        while let due = flights.earliest, due <= now, let flight = flights.popFirst(dueAt: now) {
            guard case .arriving(let interface) = flight.stage else {
                proceed(flight, at: due)
                continue
            }
            let receiving = interfaces[interface.index]
            guard receiving.isUp, receiving.addresses.contains(flight.target.address) else {
                counters.unroutable += 1
                continue
            }
            counters.arrived += 1
            return Arrival(
                interface: interface, host: receiving.host, source: flight.source, target: flight.target,
                bytes: flight.bytes, sender: flight.sender)
        }
        return nil
    }
}
