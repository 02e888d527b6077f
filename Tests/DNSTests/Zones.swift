import SansIO
import Services
import Testing
import Wire

@testable import DNS

/// A resolver over a builder's zones, asked one question at a time.
struct Zones {
    var builder: ZoneBuilder
    var resolver: Resolver
    private var output: [UInt8] = []

    init(_ settings: ZoneSettings = ZoneSettings(), resolver: ResolverSettings = ResolverSettings()) {
        builder = ZoneBuilder(settings)
        self.resolver = Resolver(resolver, random: SeededRandom(seed: 3), at: .zero)
    }

    mutating func add(
        _ name: String, in namespace: String = "default", _ kind: Service.Kind = .clusterIP,
        at addresses: [String] = [],
        ports: [Service.Port] = [], endpoints: [ZoneEndpoint] = [], change: (inout Service) -> Void = { _ in }
    ) throws {
        var service = Service(name: ServiceName(namespace: namespace, name: name), kind: kind)
        service.clusterIPs = try addresses.map { try #require(IPAddress($0)) }
        service.ports = ports
        change(&service)
        builder.set(service, endpoints: endpoints)
    }

    static func endpoint(
        _ address: String, hostname: String? = nil, ready: Bool = true, ports: [EndpointSlice.Port] = []
    ) throws -> ZoneEndpoint {
        var endpoint = ZoneEndpoint(try #require(IPAddress(address)))
        endpoint.hostname = hostname
        endpoint.isReady = ready
        endpoint.ports = ports
        return endpoint
    }

    /// The bytes of a query with EDNS, or any other message that `change` makes of it.
    static func query(_ name: String, _ type: RecordType, change: (inout Message) -> Void = { _ in }) throws -> [UInt8]
    {
        var message = Message(
            id: 0x1234, flags: MessageFlags.recursionDesired,
            question: Message.Question(try #require(DomainName(name)), type))
        message.edns = EDNS()
        change(&message)
        return message.bytes
    }

    /// What is answered at once.
    mutating func ask(
        _ name: String, _ type: RecordType, from client: String? = nil, isStream: Bool = false,
        change: (inout Message) -> Void = { _ in }
    ) throws -> Message {
        try ask(bytes: try Self.query(name, type, change: change), from: client, isStream: isStream)
    }

    mutating func ask(bytes: [UInt8], from client: String? = nil, isStream: Bool = false) throws -> Message {
        resolver.index = builder.snapshot(serial: 7)
        output.removeAll()
        let client = Resolver.Client(client.flatMap { IPAddress($0) }, isStream: isStream, token: 1)
        #expect(resolver.receive(bytes.span, from: client, at: .zero, into: &output) == .answered)
        return try Message(parsing: output)
    }

    /// The data of the answers, sorted.
    mutating func answers(_ name: String, _ type: RecordType, from client: String? = nil) throws -> [String] {
        let message = try ask(name, type, from: client)
        #expect(message.responseCode == .noError)
        return message.answers.map { "\($0.type) \($0.data)" }.sorted()
    }

    /// `NXDOMAIN` or `NOERROR` where there is no answer, which must come with a SOA record.
    mutating func denial(_ name: String, _ type: RecordType) throws -> String {
        let message = try ask(name, type)
        #expect(message.answers.isEmpty && message.flags.isAuthoritative)
        let authority = try #require(message.authorities.first)
        #expect(authority.type == .soa && message.authorities.count == 1)
        #expect(try #require(DomainName(name)).isWithin(authority.name))
        return message.responseCode.description
    }
}
