import SansIO
import Testing
import Wire

@testable import Simulator

/// Two sites, and a host on the internet.
///
///     server 203.0.113.9       internet ─┬─ home 198.18.1.2 ─ 192.168.1.0/24: alpha .2, beta .3
///                                        └─ carrier 198.18.2.2 ─ 100.64.0.0/24 ─ router 100.64.0.2 ─ 192.168.1.2: gamma
@Suite struct FabricTests {
    private var fabric = Fabric(seed: 1)
    private let home: (gateway: Fabric.GatewayID, inside: Fabric.NetworkID)
    private let router: (gateway: Fabric.GatewayID, inside: Fabric.NetworkID)
    private let server: Fabric.InterfaceID
    private let alpha: Fabric.InterfaceID
    private let beta: Fabric.InterfaceID
    private let gamma: Fabric.InterfaceID
    private var now = Instant.zero + .seconds(1)
    private static let serverEndpoint = endpoint("203.0.113.9:20007")
    private static let alphaEndpoint = endpoint("192.168.1.2:20007")

    private static func endpoint(_ text: String) -> Endpoint {
        Endpoint(text) ?? Endpoint(.v4(.any), port: 0)
    }

    init() {
        func address(_ text: String) -> IPAddress { IPAddress(text) ?? .v4(.any) }
        var behavior = NATBehavior.portRestricted
        behavior.isHairpinning = true
        home = fabric.addGateway(
            behavior, at: address("198.18.1.2"), routing: [IPPrefix("2001:db8:1::/64")].compactMap { $0 })
        let carrier = fabric.addGateway(.carrier, at: address("198.18.2.2"))
        router = fabric.addGateway(.portRestricted, at: address("100.64.0.2"), in: carrier.inside)
        server = fabric.addInterface(
            of: 0, in: Fabric.internet, addresses: [address("203.0.113.9"), address("2001:db8:9::9")])
        alpha = fabric.addInterface(
            of: 1, in: home.inside, addresses: [address("192.168.1.2"), address("2001:db8:1::2")])
        beta = fabric.addInterface(of: 2, in: home.inside, addresses: [address("192.168.1.3")])
        gamma = fabric.addInterface(of: 3, in: router.inside, addresses: [address("192.168.1.2")])
        fabric.transit.delay = .milliseconds(10)
    }

    private mutating func send(
        _ text: String, from source: Endpoint, to target: Endpoint, outOf interface: Fabric.InterfaceID
    ) -> Fabric.Arrival? {
        fabric.send(Array(text.utf8), from: source, to: target, outOf: interface, by: nil, at: now)
        now = now + .seconds(1)
        return fabric.nextArrival(at: now)
    }

    @Test mutating func `what leaves a NAT comes from its outside, and the answer finds its way back`() throws {
        let sent = send("hello", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        let request = try #require(sent)
        #expect(request.host == 0 && request.source.address.description == "198.18.1.2")
        let answer = send("hello", from: Self.serverEndpoint, to: request.source, outOf: server)
        #expect(answer?.host == 1 && answer?.target == Self.alphaEndpoint && answer?.source == Self.serverEndpoint)
    }

    @Test mutating func `through two NATs and back`() throws {
        let sent = send("hello", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: gamma)
        let request = try #require(sent)
        #expect(request.source.address.description == "198.18.2.2")
        let answer = send("hello", from: Self.serverEndpoint, to: request.source, outOf: server)
        #expect(answer?.host == 3)
        let edge = fabric.edge(of: gamma)
        #expect(edge != nil && edge != .gateway(router.gateway), "the outermost one")
    }

    @Test mutating func `hosts on one network reach each other without the gateway`() {
        let arrival = send("hello", from: Self.alphaEndpoint, to: Self.endpoint("192.168.1.3:20007"), outOf: alpha)
        #expect(arrival?.host == 2 && arrival?.source == Self.alphaEndpoint)
    }

    @Test mutating func `a hairpin leads from the inside to the outside endpoint of a neighbour`() throws {
        let first = send("1", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        let betaEndpoint = Self.endpoint("192.168.1.3:20007")
        let second = send("2", from: betaEndpoint, to: Self.serverEndpoint, outOf: beta)
        let (one, two) = (try #require(first).source, try #require(second).source)
        // Port-restricted: the first opens the way for the second.
        let early = send("3", from: Self.alphaEndpoint, to: two, outOf: alpha)
        let arrival = send("4", from: betaEndpoint, to: one, outOf: beta)
        #expect(early == nil && arrival?.host == 1 && arrival?.source == two)
    }

    @Test mutating func `a routed prefix is reached through its firewall, addresses as they are`() {
        let inside = Self.endpoint("[2001:db8:1::2]:20007")
        let outside = Self.endpoint("[2001:db8:9::9]:20007")
        let unasked = send("1", from: outside, to: inside, outOf: server)
        let request = send("2", from: inside, to: outside, outOf: alpha)
        let answer = send("3", from: outside, to: inside, outOf: server)
        #expect(unasked == nil && request?.source == inside && answer?.host == 1)
    }

    @Test mutating func `private addresses mean nothing on the internet`() {
        let arrival = send("hello", from: Self.serverEndpoint, to: Self.alphaEndpoint, outOf: server)
        #expect(arrival == nil && fabric.counters.unroutable == 1)
    }

    @Test mutating func `a partition parts those inside from all others, until it is healed`() throws {
        let edge = try #require(fabric.edge(of: alpha))
        fabric.partition("p", [edge])
        let parted = send("1", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        let others = send("2", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: gamma)
        let inside = send("3", from: Self.alphaEndpoint, to: Self.endpoint("192.168.1.3:20007"), outOf: alpha)
        fabric.heal("p")
        let healed = send("4", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        #expect(parted == nil && others != nil && inside != nil && healed != nil)
    }

    @Test mutating func `one direction between two can be cut or slowed alone`() throws {
        let edge = try #require(fabric.edge(of: alpha))
        let sent = send("1", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        let source = try #require(sent).source
        fabric.setTransit(.cut, from: .interface(server), to: edge)
        let back = send("2", from: Self.serverEndpoint, to: source, outOf: server)
        let forth = send("3", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        #expect(back == nil && forth != nil)
        fabric.setTransit(nil, from: .interface(server), to: edge)
        let healed = send("4", from: Self.serverEndpoint, to: source, outOf: server)
        #expect(healed != nil)
    }

    @Test mutating func `delays of all lines on the way add up`() {
        fabric.setConditions(LineConditions(delay: .milliseconds(3)), of: .interface(alpha), .up)
        fabric.setConditions(LineConditions(delay: .milliseconds(5)), of: .gateway(home.gateway), .up)
        fabric.setConditions(LineConditions(delay: .milliseconds(7)), of: .interface(server), .down)
        let start = now
        fabric.send([1], from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha, by: nil, at: start)
        let early = fabric.nextArrival(at: start + .microseconds(24_999))
        let due = fabric.nextArrival(at: start + .milliseconds(25))
        #expect(early == nil && due?.host == 0)
    }

    @Test mutating func `where UDP is blocked none gets through, and a moved host has a new address`() {
        fabric.setBlocksUDP(true, at: home.gateway)
        let blocked = send("1", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        #expect(blocked == nil)
        let address = IPAddress.v4(IPv4Address(203, 0, 113, 50))
        fabric.move(alpha, to: Fabric.internet, addresses: [address])
        let stale = send("2", from: Self.alphaEndpoint, to: Self.serverEndpoint, outOf: alpha)
        let moved = send("3", from: Endpoint(address, port: 20_007), to: Self.serverEndpoint, outOf: alpha)
        #expect(stale == nil && moved?.source == Endpoint(address, port: 20_007))
    }
}
