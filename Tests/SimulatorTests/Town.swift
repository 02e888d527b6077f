import Mesh
import SansIO
import Simulator
import Traversal
import Wire

/// A few hosts by name on one internet, 10 ms apart where nothing else is said.
final class Town {
    let simulation: Simulation
    private var settlement = Settlement()
    private(set) var hosts: [String: Host] = [:]

    /// The first host, "hub", is open; it creates the mesh.
    init(seed: UInt64 = 1) {
        simulation = Simulation(seed: seed)
        simulation.fabric.transit.delay = .milliseconds(10)
        hosts["hub"] = simulation.createMesh("hub", in: settlement.settle(.open, in: &simulation.fabric))
    }

    /// A host joins; a second passes. `delay` is added in each direction.
    @discardableResult
    func add(_ name: String, _ dwelling: Dwelling = .open, delay: Duration = .zero) -> Host {
        guard let token = simulation.token(from: self["hub"]) else { preconditionFailure("the hub may invite") }
        let host = simulation.join(name, with: token, in: settlement.settle(dwelling, in: &simulation.fabric))
        hosts[name] = host
        setLine(of: name, LineConditions(delay: delay))
        run(.seconds(1))
        return host
    }

    subscript(name: String) -> Host {
        guard let host = hosts[name] else { preconditionFailure("there is no \(name)") }
        return host
    }

    var now: Instant { simulation.now }
    /// The last NAT or firewall that was made.
    var lastGateway: Fabric.GatewayID? { settlement.gateways.last }
    func takeAddress() -> [Place] { settlement.settle(.open, in: &simulation.fabric) }

    func spareAddress() -> IPAddress { settlement.takeAddress() }

    func run(_ duration: Duration) { simulation.run(for: duration) }

    /// Both directions of a host's own line.
    func setLine(of name: String, _ conditions: LineConditions) {
        simulation.fabric.setConditions(conditions, of: .interface(self[name].interfaces[0]))
    }

    /// Nothing passes directly between two hosts, or everything does again.
    func setBlocked(_ one: String, _ other: String, _ isBlocked: Bool = true) {
        let edges = [one, other].compactMap { simulation.fabric.edge(of: self[$0].interfaces[0]) }
        let conditions: LineConditions? = isBlocked ? .cut : nil
        simulation.fabric.setTransit(conditions, from: edges[0], to: edges[1])
        simulation.fabric.setTransit(conditions, from: edges[1], to: edges[0])
    }

    func flow(_ kind: Flow.Kind, _ sender: String, _ receiver: String, every interval: Duration) -> Flow {
        simulation.startFlow(kind, from: self[sender], to: self[receiver], every: interval)
    }

    func path(_ sender: String, _ receiver: String) -> Path? { simulation.path(from: self[sender], to: self[receiver]) }
    func relay(_ sender: String, _ receiver: String) -> String? {
        simulation.relay(from: self[sender], to: self[receiver])
    }
}
