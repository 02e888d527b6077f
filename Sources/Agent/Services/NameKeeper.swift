import Configuration
import DNS
import HostNames
import Identity
import Linux
import NameService
import SansIO
import Services
import Wire

/// The names of this host's name server: kept in step with the catalog, with the settings and with the host's own upstreams.
///
/// Confined to the control thread; the server has a thread of its own.
final class NameKeeper {
    private var builder: ZoneBuilder
    /// `nil` where names are switched off, or nothing at all can be done.
    private(set) var server: NameServer?
    private(set) var problem: String?
    private var forwarding: ForwardingSettings
    private var settings: Configuration.DNS
    private var hostUpstreams: [Endpoint]
    private var serial: UInt32
    private var publishAt: Instant?
    private var upstreamsAt: Instant?

    /// Names follow changes in bursts: making an index costs more than a change.
    private static let publishDelay: Duration = .milliseconds(5)
    /// How often the host's own servers are looked up again.
    private static let upstreamInterval: Duration = .seconds(10)

    init(_ configuration: Configuration, _ identity: NodeIdentity, log: Log) {
        settings = configuration.dns
        let plan = identity.mesh.plan
        var zone = ZoneSettings()
        // Both are DNS names by their type.
        zone.clusterDomain = DomainName(settings.clusterDomain.description) ?? zone.clusterDomain
        zone.meshDomain = DomainName(settings.meshDomain.description) ?? zone.meshDomain
        zone.meshPrefixes = [plan.ipv4Range, plan.ipv6Range]
        zone.reversePrefixes = zone.meshPrefixes
        zone.serverAddresses = settings.listen
        builder = ZoneBuilder(zone)
        let host = HostResolver()
        hostUpstreams = host.upstreams(except: settings.listen)
        forwarding = Self.forwarding(settings, host: hostUpstreams)
        serial = UInt32(truncatingIfNeeded: SystemClock.wallTime.seconds)
        guard settings.enabled else { return }
        var server = NameServerSettings()
        server.endpoints = Self.endpoints(settings)
        server.resolver.forwarding = forwarding
        server.resolver.searchDomains = host.searchDomains.compactMap { DomainName($0) }
        upstreamsAt = SystemClock.now + Self.upstreamInterval
        do throws(SystemError) {
            self.server = try NameServer(server)
        } catch {
            problem = "no names are answered: \(error)"
            log.error("the name server cannot start", ["reason": "\(error)"])
        }
    }

    /// Whom to ask for names that are not ours.
    private static func forwarding(_ settings: Configuration.DNS, host: [Endpoint]) -> ForwardingSettings {
        func endpoints(_ servers: [Configuration.AdvertisedEndpoint]) -> [Endpoint] {
            servers.map { $0.endpoint(defaultPort: Configuration.DNS.defaultPort) }
        }
        var routes = settings.routes.compactMap { route in
            DomainName(route.domain.description).map { ForwardingSettings.Route($0, servers: endpoints(route.servers)) }
        }
        let upstreams = settings.upstreams.isEmpty ? host : endpoints(settings.upstreams)
        if !upstreams.isEmpty { routes.append(.init(.root, servers: upstreams)) }
        return ForwardingSettings(routes: routes)
    }

    /// Takes over new settings of upstreams.
    func setUpstreams(of new: Configuration.DNS) {
        settings = new
        refreshUpstreams()
    }

    private func refreshUpstreams() {
        // While the host's file is written anew, or a network is changed, there may be none.
        let found = HostResolver().upstreams(except: settings.listen)
        if !found.isEmpty { hostUpstreams = found }
        let current = Self.forwarding(settings, host: hostUpstreams)
        guard current != forwarding else { return }
        forwarding = current
        server?.setForwarding(current)
    }

    /// Brings names in line with what a catalog says now.
    func update(
        services: [ServiceName], nodes: [String], from catalog: Catalog, _ translation: AddressTranslation
    ) {
        builder.update(services: services, nodes: nodes, from: catalog, translation)
        if publishAt == nil { publishAt = SystemClock.now + Self.publishDelay }
    }

    var nextDeadline: Instant? { [publishAt, upstreamsAt].compactMap { $0 }.min() }

    func advance(to now: Instant) {
        if let due = publishAt, due <= now {
            publishAt = nil
            publish()
        }
        guard let due = upstreamsAt, due <= now else { return }
        upstreamsAt = now + Self.upstreamInterval
        refreshUpstreams()
    }

    /// Makes all that is known now what is answered.
    func publish() {
        serial &+= 1
        server?.publish(builder.snapshot(serial: serial))
    }

    /// Tries at once to listen where it does not yet: the addresses are on the host now.
    func listen() {
        server?.setEndpoints(Self.endpoints(settings))
    }

    private static func endpoints(_ settings: Configuration.DNS) -> [Endpoint] {
        settings.listen.map { Endpoint($0, port: Configuration.DNS.defaultPort) }
    }

    func stop() {
        server?.stop()
        server = nil
    }
}
