import SansIO
import Services
import Testing
import Wire

@testable import DNS

/// A resolver between clients and upstreams that a test plays, in virtual time.
struct Upstreams {
    static let servers = (1...3).map { Endpoint(.v4(IPv4Address(192, 0, 2, UInt8($0))), port: 53) }

    /// A question on its way to an upstream.
    struct Asked {
        let exchange: UInt64
        let server: Endpoint
        let isStream: Bool
        let message: Message

        var question: Message.Question? { message.question }
        var isProbe: Bool { question?.name.isWithin(Forwarder.markDomain) ?? false }
    }

    var resolver: Resolver
    var now = Instant.zero
    var asked: [Asked] = []
    private(set) var closed: Set<UInt64> = []
    private(set) var late: [UInt64: Message] = [:]
    private var nextToken: UInt64 = 1

    init(_ servers: Int = 1, change: (inout ResolverSettings) -> Void = { _ in }, answersProbes: Bool = true) throws {
        var settings = ResolverSettings()
        settings.forwarding.routes = [.init(.root, servers: Array(Self.servers.prefix(servers)))]
        change(&settings)
        resolver = Resolver(settings, random: SeededRandom(seed: 17), at: .zero)
        collect()
        if answersProbes { try answerProbes() }
    }

    mutating func answerProbes() throws {
        for probe in asked where probe.isProbe { try reply(to: probe) { $0.flags.rawValue |= 3 } }
        asked.removeAll { $0.isProbe }
    }

    /// Asks, and gives the token by which a late answer is known, with what was answered at once.
    mutating func ask(
        _ name: String, _ type: RecordType = .a, from client: String? = nil, change: (inout Message) -> Void = { _ in }
    ) throws -> (token: UInt64, answer: Message?) {
        let bytes = try Zones.query(name, type, change: change)
        var output: [UInt8] = []
        let token = nextToken
        nextToken += 1
        let client = Resolver.Client(client.flatMap { IPAddress($0) }, token: token)
        let outcome = resolver.receive(bytes.span, from: client, at: now, into: &output)
        collect()
        return (token, outcome == .answered ? try Message(parsing: output) : nil)
    }

    mutating func collect() {
        for action in resolver.takeActions() {
            switch action {
            case .send(let exchange, let bytes, let server), .connect(let exchange, let bytes, let server):
                guard let message = try? Message(parsing: bytes) else {
                    preconditionFailure("a question does not parse")
                }
                let isStream = if case .connect = action { true } else { false }
                asked.append(Asked(exchange: exchange, server: server, isStream: isStream, message: message))
            case .close(let exchange): closed.insert(exchange)
            case .answer(let token, let bytes):
                guard let message = try? Message(parsing: bytes) else {
                    preconditionFailure("an answer does not parse")
                }
                late[token] = message
            }
        }
    }

    /// Answers a question with its own identifier and name, as `change` has it.
    mutating func reply(to asked: Asked, change: (inout Message) -> Void = { _ in }) throws {
        var message = asked.message
        message.flags.rawValue = MessageFlags.response | MessageFlags.recursionAvailable | MessageFlags.recursionDesired
        message.edns = nil
        change(&message)
        resolver.receive(reply: message.bytes, of: asked.exchange, at: now)
        collect()
    }

    mutating func reply(to asked: Asked, _ address: String, ttl: UInt32 = 300) throws {
        let name = try #require(asked.question?.name)
        let address = try #require(IPAddress(address))
        try reply(to: asked) { $0.answers = [ResourceRecord(name, address: address, ttl: ttl)] }
    }

    mutating func reply(to asked: Asked, _ code: ResponseCode, negativeTTL: UInt32? = nil) throws {
        try reply(to: asked) { message in
            message.flags.rawValue |= code.rawValue
            if let negativeTTL { message.authorities = [Self.authority(ttl: negativeTTL)] }
        }
    }

    static func authority(ttl: UInt32) -> ResourceRecord {
        let name = DomainName("example.com") ?? .root
        return ResourceRecord(
            name, .soa, ttl: ttl,
            .authority(
                RecordData.Authority(
                    server: name, mailbox: name, serial: 1, refresh: 1, retry: 1, expire: 1, minimum: ttl)))
    }

    /// Goes on in time, deadline by deadline, until `duration` has passed.
    mutating func pass(_ duration: Duration) {
        let end = now + duration
        while let deadline = resolver.nextDeadline, deadline <= end {
            now = max(now, deadline)
            resolver.advance(to: now)
            collect()
        }
        now = end
        resolver.advance(to: now)
        collect()
    }

    /// Takes the only question that is on its way.
    mutating func takeOne() throws -> Asked {
        let questions = asked.filter { !$0.isProbe }
        #expect(questions.count == 1)
        asked.removeAll { !$0.isProbe }
        return try #require(questions.first)
    }
}
