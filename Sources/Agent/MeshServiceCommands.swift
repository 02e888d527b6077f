import Configuration
import Linux
import Mesh
import PacketIO
import SansIO
import ServiceSources
import Wire

// What the agent asks of the running mesh, and its end.
extension MeshService {
    func perform<Outcome>(_ body: (inout Node, Instant) throws -> Outcome) rethrows -> Outcome {
        defer { drain() }
        return try body(&node, SystemClock.now)
    }

    /// Takes over what may change while running.
    func reconfigure(_ new: Configuration) {
        configuration.advertise = new.advertise
        configuration.keepalive = new.keepalive
        configuration.containers = new.containers
        configuration.forwarding = new.forwarding
        configuration.portMapping = new.portMapping
        configuration.stun = new.stun
        configuration.portSearch = new.portSearch
        configuration.relay = new.relay
        configuration.relayNodes = new.relayNodes
        configuration.stream = new.stream
        configuration.services = new.services
        configuration.dns.upstreams = new.dns.upstreams
        configuration.dns.routes = new.dns.routes
        services.names.setUpstreams(of: configuration.dns)
        sources.apply(ServiceSources.Settings(configuration.services, node.identity))
        configuration.certificate = new.certificate
        configuration.logging = new.logging
        followHost(networkChanged: false)
        drain()
    }

    /// Ends in good order. `removing`: the host is left as it was; otherwise rules, routes and interface stay for a successor.
    func stop(removing: Bool) throws(AgentError) {
        if removing {
            node.leave(at: SystemClock.now)
            drain()
        }
        portMapping.stop()
        streams.stop()
        sources.stop()
        services.stop()
        threads.stop()
        guard removing else { return }
        var problem: AgentError?
        do { try host.tearDown() } catch { problem = error }
        do { try tun.setPersistent(false) } catch { problem = problem ?? .tun(error) }
        if let problem { throw problem }
    }

    /// Takes away what a killed predecessor left, without starting anything: neither its port nor its peers matter.
    static func removeLeftovers(
        _ configuration: Configuration, state: StateKeeper, log: Log
    ) throws(AgentError) {
        let interface = configuration.interface
        var host = try HostNetwork.open(interface: interface)
        if state.holdsMappings {
            let mappings = try PortMappingService(state: state, log: log)
            mappings.follow(try host.host().mappingTargets(for: Array(state.mappedPorts.keys)))
            mappings.stop()
        }
        let isLeft = try host.linkNames().contains(interface)
        try host.tearDown()
        guard isLeft else { return }
        do { try TunDevice(name: interface).setPersistent(false) } catch { throw .tun(error) }
    }
}
