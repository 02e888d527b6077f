import DNS
import Lab
import NameService
import Services
import Testing
import Wire

/// A server on loopback with some services, and the same records as another server's zone file would have them, written down
/// from the specification and not taken from ours.
final class ServedZone {
    let server: NameServer
    let port: UInt16
    /// Lines of zone files, by zone.
    private(set) var lines: [String: [String]] = ["cluster.local": [], "96.10.in-addr.arpa": []]
    /// Every name above, names between them, and names that do not exist.
    private(set) var names: [String] = [
        "svc.cluster.local", "none.svc.cluster.local", "x.cluster.local", "1.96.10.in-addr.arpa",
    ]

    /// On loopback with a port of its own if nothing else is said.
    init(upstream: Endpoint? = nil, at endpoint: Endpoint? = nil) throws {
        var zone = ZoneSettings()
        zone.reversePrefixes = [try #require(IPPrefix("10.96.0.0/16"))]
        zone.podNames = .disabled
        var builder = ZoneBuilder(zone)
        var settings = NameServerSettings()
        settings.endpoints = [endpoint ?? Endpoint(.v4(IPv4Address(127, 0, 0, 1)), port: 0)]
        if let upstream { settings.resolver.forwarding.routes = [.init(.root, servers: [upstream])] }
        server = try NameServer(settings)
        port = try #require(server.status.listening.first).port
        for number in 0..<60 {
            let (service, endpoints) = try Self.make(number)
            builder.set(service, endpoints: endpoints)
            describe(service, endpoints)
        }
        let address = try #require(IPAddress("10.128.0.7"))
        builder.set(ZoneHost(name: "alpha", addresses: [address]))
        server.publish(builder.snapshot(serial: 3))
    }

    private static func make(_ number: Int) throws -> (Service, [ZoneEndpoint]) {
        var service = Service(name: ServiceName(namespace: "ns\(number % 3)", name: "s\(number)"))
        let endpoints = try (0..<(number % 5)).map { index in
            var endpoint = ZoneEndpoint(try #require(IPAddress("10.244.\(number).\(index)")))
            endpoint.hostname = index.isMultiple(of: 2) ? "h-\(index)" : nil
            endpoint.ports = [.init(name: "http", port: 8080)]
            return endpoint
        }
        switch number % 4 {
        case 0: service.clusterIPs = [try #require(IPAddress("10.96.0.\(number)"))]
        case 1:
            service.clusterIPs = [
                try #require(IPAddress("10.96.0.\(number)")), try #require(IPAddress("fd00::\(number)")),
            ]
        case 2: service.kind = .headless
        default: service.kind = .externalName("s\(number - 3).ns\((number - 3) % 3).svc.cluster.local")
        }
        service.ports = [.init(name: "http", port: 80), .init(name: "dns", transport: .udp, port: 53)]
        return (service, endpoints)
    }

    private func add(_ name: String, _ type: String, _ data: String, in zone: String = "cluster.local") {
        lines[zone]?.append("\(name). 5 IN \(type) \(data)")
        names.append(name)
    }

    private func describe(_ service: Service, _ endpoints: [ZoneEndpoint]) {
        let name = "\(service.name.name).\(service.name.namespace).svc.cluster.local"
        // A name without records, which a zone file cannot say.
        if service.kind == .headless, endpoints.isEmpty { return }
        names += ["x.\(name)", "_tcp.\(name)", "_http._udp.\(name)", "\(service.name.namespace).svc.cluster.local"]
        if case .externalName(let target) = service.kind { return add(name, "CNAME", target + ".") }
        if service.kind == .headless {
            for endpoint in endpoints {
                let text = endpoint.address.description
                let label = endpoint.hostname ?? String(text.map { $0 == "." ? "-" : $0 })
                add(name, "A", text)
                add("\(label).\(name)", "A", text)
                add("_http._tcp.\(name)", "SRV", "0 \(100 / endpoints.count) 8080 \(label).\(name).")
            }
            return
        }
        for address in service.clusterIPs { add(name, address.isIPv4 ? "A" : "AAAA", address.description) }
        add("_http._tcp.\(name)", "SRV", "0 100 80 \(name).")
        add("_dns._udp.\(name)", "SRV", "0 100 53 \(name).")
        if case .v4(let address) = service.clusterIPs[0] {
            add("\(address.rawValue & 255).0.96.10.in-addr.arpa", "PTR", name + ".", in: "96.10.in-addr.arpa")
        }
    }

    func dig(_ arguments: String...) throws -> String {
        try Command(digging + arguments).run()
    }

    /// What dig says, whatever it thinks of it.
    func status(_ arguments: String...) throws -> String {
        let output = try Command(digging + arguments).result(within: .seconds(20)).output
        guard let range = output.firstRange(of: "status: ") else { return output }
        return String(output[range.upperBound...].prefix { $0 != "," })
    }

    private var digging: [String] { ["dig", "@127.0.0.1", "-p", "\(port)", "+tries=1", "+timeout=5"] }
}
