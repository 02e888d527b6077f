import Identity
import SansIO
import Simulator
import Testing
import Traversal
import Wire

@testable import Mesh

/// Relays on the internet, and an office whose router lets no UDP out.
private final class Office {
    let simulation: Simulation
    let relays: [Host]
    let gateway: Fabric.GatewayID
    let inside: Fabric.NetworkID
    let client: Host
    /// Behind a NAT of its own, where UDP works.
    let home: Host

    init(seed: UInt64 = 1, relayCount: Int = 2, blocksUDP: Bool = true) throws {
        simulation = Simulation(seed: seed)
        simulation.isRecording = true
        simulation.fabric.transit.delay = .milliseconds(10)
        let identity = NodeIdentity.createMesh(
            name: NodeName("relay1")!, ipv4Range: IPPrefix("10.128.0.0/9")!, now: simulation.wallTime(),
            using: &simulation.keys)
        var relays = [
            Self.relay("relay1", "198.51.100.1", identity, Node.Restored(), in: simulation)
        ]
        let token = try #require(Self.token(from: relays[0], in: simulation))
        for number in 1..<max(relayCount, 1) {
            let name = "relay\(number + 1)"
            let (identity, restored) = try Self.joiner(name, token, in: simulation)
            relays.append(Self.relay(name, "198.51.100.\(number + 1)", identity, restored, in: simulation))
        }
        simulation.run(for: .seconds(10))
        let home = simulation.fabric.addGateway(.home, at: IPAddress("203.0.113.9")!)
        let (homeIdentity, homeRestored) = try Self.joiner("home", token, in: simulation)
        self.home = simulation.addHost(
            "home", homeIdentity, in: [Place(home.inside, IPAddress("192.168.1.2")!)], restored: homeRestored)
        simulation.run(for: .seconds(10))
        let (gateway, inside) = simulation.fabric.addGateway(.home, at: IPAddress("203.0.113.1")!)
        simulation.fabric.setBlocksUDP(blocksUDP, at: gateway)
        self.gateway = gateway
        self.inside = inside
        self.relays = relays
        let (identityOfClient, restored) = try Self.joiner("client", token, in: simulation)
        client = simulation.addHost(
            "client", identityOfClient, in: [Place(inside, IPAddress("192.168.0.2")!)], restored: restored)
    }

    private static func relay(
        _ name: String, _ address: String, _ identity: NodeIdentity, _ restored: Node.Restored,
        in simulation: Simulation
    ) -> Host {
        var configuration = NodeConfiguration()
        configuration.advertised = [Endpoint(IPAddress(address)!, port: 20_007)]
        configuration.streamPort = 443
        return simulation.addHost(
            name, identity, in: [Place(Fabric.internet, IPAddress(address)!)], configuration: configuration,
            restored: restored)
    }

    private static func joiner(
        _ name: String, _ token: JoinToken, in simulation: Simulation
    ) throws -> (NodeIdentity, Node.Restored) {
        var restored = Node.Restored()
        restored.bootstrap = token.bootstrap
        let identity = try NodeIdentity.join(
            token, name: NodeName(name)!, now: simulation.wallTime(), using: &simulation.keys)
        return (identity, restored)
    }

    private static func token(from host: Host, in simulation: Simulation) -> JoinToken? {
        var terms = Issuer.InviteTerms()
        terms.uses = 100
        var token: JoinToken?
        simulation.with(host) { node, now in token = try? node.invite(on: terms, at: now) }
        return token
    }

    func status(of name: String, at host: Host) -> Node.PeerStatus? {
        host.node.peerStatuses.first { $0.name == name }
    }

    /// Whether the client reaches a relay by stream.
    func isOnStream(_ name: String) -> Bool { status(of: name, at: client)?.link?.kind == .stream }

    // A failed expectation prints what it looks at: not a whole node.
    var isReady: Bool { client.node.isReady }
    var isUDPSilent: Bool { client.node.isUDPSilent }
    func hasNoted(_ event: NodeEvent) -> Bool { client.events.contains(event) }
    /// Of the client, then of the relays.
    var linkCounts: [Int] { ([client] + relays).map(\.node.linkCount) }
    var strangeStreams: Int { relays.reduce(0) { $0 + $1.node.counters.strangeStreams } }

    /// Packets that arrive of so many sent, one each 20 ms, from the client to a host and back.
    func answered(by host: Host, for duration: Duration) -> (sent: Int, answered: Int) {
        let flow = simulation.startFlow(.requests, from: client, to: host, every: .milliseconds(20), for: duration)
        simulation.run(for: duration + .seconds(2))
        return (flow.sent, flow.delivered)
    }
}

@Suite struct NodeStreamsTests {
    @Test func `where UDP is blocked a newcomer joins by a stream, and has a second one in reserve`() throws {
        let office = try Office()
        office.simulation.run(for: .seconds(5))
        #expect(office.isReady && office.isUDPSilent)
        office.simulation.run(for: .seconds(10))
        #expect(office.isOnStream("relay1"))
        #expect(office.isOnStream("relay2"))
        #expect(office.hasNoted(.udpSilent))
        #expect(office.strangeStreams == 0)
    }

    @Test func `packets reach a host behind another NAT through the stream's relay`() throws {
        let office = try Office()
        office.simulation.run(for: .seconds(15))
        let (sent, answered) = office.answered(by: office.home, for: .seconds(5))
        #expect(sent > 200 && answered > sent - 40)
    }

    @Test func `when UDP opens the node moves back to it, loses nothing, and closes its streams`() throws {
        let office = try Office()
        office.simulation.run(for: .seconds(20))
        _ = office.answered(by: office.relays[0], for: .seconds(2))
        office.simulation.fabric.setBlocksUDP(false, at: office.gateway)
        let (sent, answered) = office.answered(by: office.relays[0], for: .seconds(8))
        #expect(answered == sent)
        #expect(!office.isOnStream("relay1") && !office.isOnStream("relay2"), "after ten seconds")
        office.simulation.run(for: .seconds(60))
        #expect(!office.isUDPSilent)
        #expect(office.hasNoted(.udpAnswers))
        #expect(office.linkCounts == [0, 0, 0])
    }

    @Test func `when UDP is blocked under way, streams take over within seconds`() throws {
        let office = try Office(blocksUDP: false)
        office.simulation.run(for: .seconds(30))
        #expect(office.linkCounts == [0, 0, 0])
        office.simulation.fabric.setBlocksUDP(true, at: office.gateway)
        _ = office.simulation.startFlow(
            .requests, from: office.client, to: office.relays[0], every: .milliseconds(100), for: .seconds(60))
        office.simulation.run(for: .seconds(60))
        #expect(office.isOnStream("relay1"))
        let (sent, answered) = office.answered(by: office.relays[0], for: .seconds(2))
        #expect(answered == sent)
    }

    @Test func `the death of one relay leaves the other stream, and a third is found`() throws {
        let office = try Office(relayCount: 3)
        office.simulation.run(for: .seconds(20))
        let first = ["relay1", "relay2", "relay3"].filter(office.isOnStream)
        #expect(first.count == 2 && first.contains("relay1"))
        office.simulation.kill(office.relays[0])
        office.simulation.run(for: .seconds(20))
        #expect(["relay2", "relay3"].filter(office.isOnStream).count == 2)
    }

    @Test func `a stream along which nothing authentic comes is closed`() throws {
        let office = try Office(blocksUDP: false)
        office.simulation.run(for: .seconds(10))
        var link: Link?
        office.simulation.with(office.relays[0]) { node, now in
            link = node.acceptLink(.stream, from: Endpoint("192.0.2.66:5000")!, at: now)
        }
        #expect(link != nil)
        office.simulation.run(for: .seconds(9))
        #expect(office.linkCounts == [0, 1, 0])
        office.simulation.run(for: .seconds(2))
        #expect(office.linkCounts == [0, 0, 0])
        #expect(office.strangeStreams == 1)
    }

    @Test func `a stream is no proof that strangers reach its taker`() throws {
        let office = try Office()
        office.simulation.run(for: .seconds(20))
        let reachable = [office.client, office.home].map(\.node.isReachable)
        #expect(reachable == [false, false])
    }
}
