import DNS
import Linux
import SansIO
import Services
import Testing
import Wire

@testable import NameService

@Suite struct NameServerTests {
    private static let loopback = IPAddress.v4(IPv4Address(127, 0, 0, 1))

    private static func index(_ change: (inout ZoneBuilder) -> Void = { _ in }) -> ZoneIndex {
        var settings = ZoneSettings()
        settings.ttl = 3600
        var builder = ZoneBuilder(settings)
        var service = Service(name: ServiceName(namespace: "default", name: "web"))
        service.clusterIPs = [.v4(IPv4Address(10, 96, 0, 10))]
        builder.set(service, endpoints: [])
        let many = Service(name: ServiceName(namespace: "default", name: "many"), kind: .headless)
        builder.set(many, endpoints: (1...200).map { ZoneEndpoint(.v4(IPv4Address(10, 244, 0, $0))) })
        change(&builder)
        return builder.snapshot(serial: 1)
    }

    private static func server(_ change: (inout NameServerSettings) -> Void = { _ in }) throws -> NameServer {
        var settings = NameServerSettings()
        settings.endpoints = [Endpoint(loopback, port: 0)]
        change(&settings)
        let server = try NameServer(settings)
        server.publish(index())
        return server
    }

    private static func query(_ name: String, _ type: RecordType = .a, id: UInt16 = 7) throws -> [UInt8] {
        Message(
            id: id, flags: MessageFlags.recursionDesired,
            question: Message.Question(try #require(DomainName(name)), type)
        ).bytes
    }

    @Test func `a query over UDP is answered from the address it was sent to`() throws {
        let server = try Self.server { $0.endpoints = [Endpoint(.v4(.any), port: 0)] }
        defer { server.stop() }
        let port = try #require(server.status.listening.first).port
        // A connected client takes answers from this address only.
        let client = try UDPClient(Endpoint(.v4(IPv4Address(127, 0, 0, 9)), port: port))
        let answer = try client.ask(try Self.query("web.default.svc.cluster.local"))
        #expect(answer.answers.map(\.data.description) == ["10.96.0.10"])
    }

    @Test func `many queries at once are all answered`() throws {
        let server = try Self.server()
        defer { server.stop() }
        let client = try UDPClient(try #require(server.status.listening.first))
        for id in 0..<500 { try client.send(try Self.query("web.default.svc.cluster.local", id: UInt16(id))) }
        var ids: Set<UInt16> = []
        while ids.count < 500 { ids.insert(try client.receive().id) }
        #expect(ids.count == 500)
    }

    @Test func `what is published is what is answered next`() throws {
        let server = try Self.server()
        defer { server.stop() }
        let client = try UDPClient(try #require(server.status.listening.first))
        for number in 1...50 {
            server.publish(
                Self.index { builder in
                    var service = Service(name: ServiceName(namespace: "default", name: "web"))
                    service.clusterIPs = [.v4(IPv4Address(10, 96, 1, UInt8(number)))]
                    builder.set(service, endpoints: [])
                })
            let answer = try client.ask(try Self.query("web.default.svc.cluster.local"))
            #expect(answer.answers.map(\.data.description) == ["10.96.1.\(number)"])
        }
    }

    @Test func `queries on one TCP connection are answered without waiting for each other`() throws {
        let server = try Self.server()
        defer { server.stop() }
        let client = try TCPClient(try #require(server.status.listening.first))
        let names = ["many", "web", "none", "web"].map { "\($0).default.svc.cluster.local" }
        var bytes: [UInt8] = []
        for (id, name) in names.enumerated() { bytes += TCPClient.framed(try Self.query(name, id: UInt16(id))) }
        // In pieces of any size.
        for start in stride(from: 0, to: bytes.count, by: 7) {
            try client.send(bytes[start..<min(start + 7, bytes.count)])
        }
        let answers = try (0..<4).map { _ in try client.receive() }
        #expect(answers.map(\.id) == [0, 1, 2, 3])
        #expect(answers.map(\.answers.count) == [200, 1, 0, 1])
        #expect(!answers[0].flags.isTruncated)
    }

    @Test func `idle connections are closed, and their number is bounded`() throws {
        let server = try Self.server {
            $0.connectionsPerClient = 2
            $0.idleTime = .milliseconds(300)
        }
        defer { server.stop() }
        let endpoint = try #require(server.status.listening.first)
        let first = try TCPClient(endpoint)
        let second = try TCPClient(endpoint)
        try first.send(TCPClient.framed(try Self.query("web.default.svc.cluster.local"))[...])
        try second.send(TCPClient.framed(try Self.query("web.default.svc.cluster.local"))[...])
        #expect(try first.receive().answers.count == 1)
        #expect(try second.receive().answers.count == 1)
        let third = try TCPClient(endpoint)
        #expect(try third.isClosed(within: .seconds(10)))
        #expect(try first.isClosed(within: .seconds(10)) && second.isClosed(within: .seconds(10)))
        let again = try TCPClient(endpoint)
        try again.send(TCPClient.framed(try Self.query("web.default.svc.cluster.local"))[...])
        #expect(try again.receive().answers.count == 1)
    }

    @Test func `a port that is taken names its holder and leaves the rest as it is`() throws {
        let taken = try UDPSocket(asking: Endpoint(Self.loopback, port: 0)).localEndpoint
        let holder = try UDPSocket(asking: taken)
        let server = try Self.server { $0.endpoints.append(taken) }
        defer { server.stop() }
        #expect(server.status.listening.count == 1)
        guard case .portTaken(taken, "UDP", let found) = try #require(server.status.problems.first) else {
            Issue.record("\(server.status.problems)")
            return
        }
        #expect(found?.process == Int(ProcessNumber.own))
        #expect(server.status.problems[0].description.contains("process \(ProcessNumber.own)"))
        let client = try UDPClient(try #require(server.status.listening.first))
        #expect(try client.ask(try Self.query("web.default.svc.cluster.local")).answers.count == 1)
        withExtendedLifetime(holder) {}
    }

    @Test func `an address that the host does not have is a problem of that address`() throws {
        let strange = Endpoint(.v4(IPv4Address(192, 0, 2, 53)), port: 5353)
        let server = try Self.server { $0.endpoints = [strange] }
        defer { server.stop() }
        #expect(server.status.problems == [.noSuchAddress(strange)])
        server.setEndpoints([Endpoint(Self.loopback, port: 0)])
        try waitUntil { server.status.listening.count == 1 && server.status.problems.isEmpty }
        let client = try UDPClient(try #require(server.status.listening.first))
        #expect(try client.ask(try Self.query("web.default.svc.cluster.local")).answers.count == 1)
    }

    @Test func `one server asks another, over TCP where the answer is long, and remembers`() async throws {
        let upstream = try Self.server()
        defer { upstream.stop() }
        let there = try #require(upstream.status.listening.first)
        var settings = NameServerSettings()
        settings.endpoints = [Endpoint(Self.loopback, port: 0)]
        settings.resolver.forwarding.routes = [.init(.root, servers: [there])]
        let server = try NameServer(settings)
        defer { server.stop() }
        let web = try #require(DomainName("web.default.svc.cluster.local"))
        let first = await server.lookup(web, .a)
        #expect(first.origin == .upstream && first.answers.map(\.data.description) == ["10.96.0.10"])
        let second = await server.lookup(web, .a)
        #expect(second.origin == .cache && second.answers.count == 1)
        let many = await server.lookup(try #require(DomainName("many.default.svc.cluster.local")), .a)
        #expect(many.answers.count == 200)
        #expect(
            await server.cachedAnswers().map(\.name.description).sorted() == [
                "many.default.svc.cluster.local.", "web.default.svc.cluster.local.",
            ])
        let client = try UDPClient(try #require(server.status.listening.first))
        #expect(try client.ask(try Self.query("none.default.svc.cluster.local")).responseCode == .nameError)
        server.clearCache()
        #expect(await server.cachedAnswers().isEmpty)
    }

    @Test func `an upstream without a listener is told of at once`() async throws {
        let closed = try UDPSocket(asking: Endpoint(Self.loopback, port: 0)).localEndpoint
        let server = try Self.server { $0.resolver.forwarding.routes = [.init(.root, servers: [closed])] }
        defer { server.stop() }
        let lookup = await server.lookup(try #require(DomainName("www.example.com")), .a)
        #expect(lookup.code == .serverFailure && lookup.extendedError == 22)
        #expect(lookup.took < .seconds(4))
    }

    @Test func `lookups tell what a client would be told, also after the end`() async throws {
        let server = try Self.server()
        let name = try #require(DomainName("web.default.svc.cluster.local"))
        let lookup = await server.lookup(name, .a)
        #expect(lookup.origin == .zone && lookup.code == .noError && lookup.answers.count == 1)
        #expect(server.status.counters.authoritative == 1)
        server.stop()
        #expect(await server.lookup(name, .a).code == .serverFailure)
    }

    private func waitUntil(_ condition: () -> Bool) throws {
        let deadline = SystemClock.now + .seconds(10)
        let pause = try WakeUp()
        while !condition() {
            try #require(SystemClock.now < deadline)
            pause.wait(milliseconds: 5)
        }
    }
}
